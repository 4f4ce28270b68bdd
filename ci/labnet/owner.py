"""An owner for a gateway of the lab or of a test: an admin password and an API key, as if somebody had set both."""

from __future__ import annotations

import functools
import time
from pathlib import Path

PASSWORD = "correct horse battery"
API_KEY = "vgw_the-lab-is-its-own-owner-and-no-secret"
AUTHORIZATION = {"Authorization": f"Bearer {API_KEY}"}


@functools.cache
def _hash() -> object:
    from app.auth.passwords import hashed

    return hashed(PASSWORD)


def own(web: Path, netd: Path | None = None) -> None:
    """Store the password in the web process's directory and in netd's, where given, and the key in the first."""
    from app.auth import owner, store
    from app.auth.state import AuthState, Key, Password, digest, new_signing_key
    from app.model import Secret

    hash_ = _hash()
    assert isinstance(hash_, Secret)
    key = Key("lab", "the lab", "admin", digest(API_KEY), time.time())
    store.change(web, lambda _: AuthState(new_signing_key(), password=Password(hash_, time.time()), keys=(key,)))
    if netd is not None:
        owner.store(netd, owner.Owner(hash_))
