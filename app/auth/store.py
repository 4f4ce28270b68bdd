"""The file ``auth.json``: written atomically, mode 0600, by the web process and by the command line."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

import msgspec

from app import serialization
from app.atomic import read, remove_leftovers, write_atomic
from app.auth import state as states
from app.auth.state import AuthState
from app.errors import UnavailableError

log = logging.getLogger(__name__)

NAME = "auth.json"
LOCK = ".auth.lock"
POLL_INTERVAL = 0.5  # seconds a change made by the command line may go unnoticed

Change = Callable[[AuthState], AuthState]
Stamp = tuple[int, int, int]


class DamagedError(Exception):
    """The file exists and cannot be used."""


def load(directory: Path) -> AuthState | None:
    """The stored state; None where nothing was ever stored. Raises DamagedError."""
    try:
        data = read(directory / NAME)
        state = None if data is None else serialization.decode(data, AuthState)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedError(type(error).__name__) from None  # its message may quote what is in the file
    if state is not None and state.version > states.VERSION:
        raise DamagedError(f"version {state.version}")
    return state


def change(directory: Path, how: Change, *, damaged: AuthState | None = None) -> AuthState:
    """Replace the state by what ``how`` makes of it. Raises OSError, DamagedError, or what ``how`` raises.

    ``damaged`` replaces a state that cannot be read; without it, such a state is never overwritten.
    """
    with _locked(directory):
        try:
            before = load(directory)
        except DamagedError:
            if damaged is None:
                raise
            before = damaged
        after = how(before or states.fresh())
        if after is not before:
            write_atomic(directory / NAME, serialization.encode(after, secrets=True) + b"\n")
            _belong(directory)
        return after


def _belong(directory: Path) -> None:
    """Give the file that root has written to the directory's owner, who must be able to read it."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(directory / NAME, owner.st_uid, owner.st_gid)


@contextlib.contextmanager
def _locked(directory: Path) -> Generator[None]:
    descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        if os.geteuid() == 0:
            owner = directory.stat()
            os.chown(descriptor, owner.st_uid, owner.st_gid)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class AuthStore:
    """The state as the web process sees it, with the changes that the command line made."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._writing = asyncio.Lock()
        self._state = states.fresh()
        self._stamp: Stamp | None = None
        self._looked = 0.0
        self.damaged = False
        with contextlib.suppress(OSError):
            remove_leftovers(directory)
        self._look()

    @property
    def state(self) -> AuthState:
        if time.monotonic() - self._looked >= POLL_INTERVAL:
            self._look()
        return self._state

    async def update(self, how: Change) -> AuthState:
        """Change the state on disk, then here. Raises UnavailableError where that fails, or what ``how`` raises."""
        async with self._writing:
            try:
                await asyncio.to_thread(change, self._directory, how)
            except DamagedError:
                raise UnavailableError("the stored password cannot be read; reset it with the SD card") from None
            except OSError as error:
                log.error("cannot store %s: %s", NAME, error.strerror)
                raise UnavailableError("this could not be stored; nothing was changed") from None
            self._look()
            return self._state

    def _look(self) -> None:
        """Read the file again where it was replaced."""
        self._looked = time.monotonic()
        stamp = self._stamp_now()
        if stamp == self._stamp and not self.damaged:
            return
        try:
            self._state = load(self._directory) or states.fresh()
        except DamagedError as error:
            # Fail closed: without a readable password no sign-in succeeds, but the state read before stays valid.
            if not self.damaged:
                log.error("%s cannot be read (%s): signing in is impossible until it is reset", NAME, error)
            self.damaged = True
        else:
            self.damaged = False
        self._stamp = stamp

    def _stamp_now(self) -> Stamp | None:
        try:
            found = (self._directory / NAME).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size
