"""An owner for a gateway of the lab or of a test: an admin password and an API key, as if somebody had set both."""

from __future__ import annotations

import functools
import time
from pathlib import Path

PASSWORD = "correct horse battery"
API_KEY = "vgw_the-lab-is-its-own-owner-and-no-secret"
SESSION = "the-lab-is-signed-in-in-a-browser-too"  # its cookie
AUTHORIZATION = {"Authorization": f"Bearer {API_KEY}"}


@functools.cache
def _hash() -> object:
    from app.auth.passwords import hashed

    return hashed(PASSWORD)


def own(web: Path, netd: Path | None = None) -> None:
    """Store the password in the web process's directory and in netd's, where given, and the key in the first."""
    from app.auth import owner, store
    from app.auth.state import AuthState, Key, Password, Session, digest, new_signing_key
    from app.model import Secret

    hash_ = _hash()
    assert isinstance(hash_, Secret)
    key = Key("lab", "the lab", "admin", digest(API_KEY), time.time())
    now = time.time()
    session = Session("lab", "browser", "admin", now, now + 86400, "127.0.0.1", "the lab", digest(SESSION))
    state = AuthState(new_signing_key(), password=Password(hash_, now), sessions=(session,), keys=(key,))
    store.change(web, lambda _: state)
    if netd is not None:
        owner.store(netd, owner.Owner(hash_))
