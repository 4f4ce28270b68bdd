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

import aiofiles.os
import msgspec

from app import serialization
from app.atomic import read, remove_leftovers, write_atomic
from app.auth import state as states
from app.auth.state import AuthState
from app.errors import UnavailableError

log = logging.getLogger(__name__)

NAME = "auth.json"
LOCK = ".auth.lock"
MARK = "auth.owned"  # beside it since a password was set: without it a lost auth.json would be a new gateway's
POLL_INTERVAL = 0.5  # seconds a change made by the command line may go unnoticed

Change = Callable[[AuthState], AuthState]
Stamp = tuple[int, int, int]


class DamagedError(Exception):
    """The file exists and cannot be used."""


def load(directory: Path) -> AuthState | None:
    """The stored state; None where nothing was ever stored. Raises DamagedError, also where the file is lost."""
    try:
        data = read(directory / NAME)
        state = None if data is None else serialization.decode(data, AuthState)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedError(type(error).__name__) from None  # its message may quote what is in the file
    if state is None and (directory / MARK).exists():
        raise DamagedError("it is gone")
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
            _belong(directory, NAME)
            _mark(directory, owned=after.password is not None)
        return after


def _mark(directory: Path, *, owned: bool) -> None:
    """Keep the mark as ``owned`` says; the file with the password is there before it, and no longer after it."""
    if not owned:
        (directory / MARK).unlink(missing_ok=True)
    elif not (directory / MARK).exists():
        write_atomic(directory / MARK, b"")
        _belong(directory, MARK)


def _belong(directory: Path, name: str) -> None:
    """Give the file that root has written to the directory's owner, who must be able to read it."""
    if os.geteuid() == 0:
        owner = directory.stat()
        os.chown(directory / name, owner.st_uid, owner.st_gid)


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


_change = aiofiles.os.wrap(change)  # one step in a thread: the file's lock is held from reading to writing


class AuthStore:
    """The state as the web process sees it, with the changes that the command line made."""

    def __init__(self, directory: Path) -> None:
        """Reads the file in place: there is no state to be asked for before."""
        self._directory = directory
        self._writing = asyncio.Lock()
        self._looking = asyncio.Lock()  # what was read first is never taken for the newer
        self._state = states.fresh()
        self._stamp: Stamp | None = None
        self.damaged = False
        with contextlib.suppress(OSError):
            remove_leftovers(directory)
        self._looked = time.monotonic()
        self._take(_look(directory, None, again=True))
        if self._state.password is not None:  # set by a version without the mark
            with contextlib.suppress(OSError):
                _mark(directory, owned=True)

    @property
    def state(self) -> AuthState:
        """The state as read last; a caller that must not miss a change calls :meth:`refresh` before."""
        return self._state

    async def refresh(self, max_age: float = POLL_INTERVAL) -> None:
        """Read the file again where the last look is ``max_age`` seconds old."""
        if self._age >= max_age:
            async with self._looking:
                if self._age >= max_age:  # no other task has just read it
                    began = time.monotonic()
                    self._take(await _look_in_thread(self._directory, self._stamp, again=self.damaged))
                    self._looked = began

    @property
    def _age(self) -> float:
        return time.monotonic() - self._looked

    async def update(self, how: Change) -> AuthState:
        """Change the state on disk, then here. Raises UnavailableError where that fails, or what ``how`` raises."""
        async with self._writing:
            try:
                await _change(self._directory, how)
            except DamagedError:
                raise UnavailableError("the stored password cannot be read; reset it with the SD card") from None
            except OSError as error:
                log.error("cannot store %s: %s", NAME, error.strerror)
                raise UnavailableError("this could not be stored; nothing was changed") from None
            await self.refresh(max_age=0)
            return self._state

    def _take(self, found: _Found | None) -> None:
        if found is None:
            return
        self._stamp, content = found
        if content is None:
            content = DamagedError("it is gone") if self._state.password is not None else states.fresh()
        if isinstance(content, DamagedError):
            # Fail closed: without a readable password no sign-in succeeds, but the state read before stays valid.
            if not self.damaged:
                log.error("%s cannot be read (%s): signing in is impossible until it is reset", NAME, content)
            self.damaged = True
        else:
            self._state = content
            self.damaged = False


_Found = tuple[Stamp | None, AuthState | DamagedError | None]


def _look(directory: Path, known: Stamp | None, *, again: bool) -> _Found | None:
    """The file's stamp and what is in it, if it exists; None where its stamp is ``known``, unless ``again``."""
    stamp = _stamp(directory)
    if stamp == known and not again:
        return None
    try:
        return stamp, load(directory)
    except DamagedError as error:
        return stamp, error


_look_in_thread = aiofiles.os.wrap(_look)


def _stamp(directory: Path) -> Stamp | None:
    try:
        found = (directory / NAME).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
