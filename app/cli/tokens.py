"""The tokens of ``login``, kept in one file that only its owner can read."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from msgspec import Struct

from app import atomic, serialization


class Tokens(Struct, frozen=True):
    access: str
    refresh: str


def path() -> Path:
    """The file's path, by the XDG base directory specification."""
    base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(base) / "vpn-gateway" / "tokens.json"


@contextlib.contextmanager
def locked() -> Generator[None]:
    """Hold the lock that serialises this user's commands. Raises OSError."""
    target = path().parent
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def load(url: str) -> Tokens | None:
    """The tokens for the gateway at ``url``; None also where the file cannot be read."""
    return _all().get(url)


def save(url: str, tokens: Tokens | None) -> None:
    """Keep ``tokens`` for ``url``; None deletes them. Raises OSError."""
    kept = {k: v for k, v in _all().items() if k != url}
    if tokens is not None:
        kept[url] = tokens
    target = path()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    atomic.write_atomic(target, serialization.encode(kept))  # 0600


def _all() -> dict[str, Tokens]:
    try:
        return serialization.decode(path().read_bytes(), dict[str, Tokens])
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return {}
