"""The credential store: the stored state as the running web process uses it, with listeners for revocations."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.api.auth.credentials import Presented, identify
from app.api.auth.principal import Principal
from app.auth.state import AuthState
from app.auth.store import AuthStore, Change
from app.errors import ConflictError, UnavailableError

POLL_INTERVAL = 0.5  # seconds between looks at what others wrote
FLUSH_INTERVAL = 600.0  # seconds that a "last used" may be lost with the power: each write wears an SD card

OPEN = Principal("open", "admin")
LOOKING = Principal("open", "read")  # where the stored state could not be mounted: nobody knows whose gateway it is
Listener = Callable[[], None]


class CredentialStore:
    """The credentials in one directory; without one no password can be set, and everybody may do what needs none.

    With ``lost`` the directory is not the one with the stored credentials, which could not be mounted: then everybody
    may look and nobody may change anything.
    """

    def __init__(self, directory: Path | None, *, lost: bool = False) -> None:
        self._lost = lost
        self._store = AuthStore(directory) if directory is not None else None
        self._uses: dict[str, float] = {}
        self._valid: frozenset[str] | None = None
        self._noticed: tuple[AuthState, bool] | None = None
        self.on_revoked: list[Listener] = []  # called when credentials that were valid may no longer be

    @property
    def available(self) -> bool:
        return self._store is not None and not self._lost

    @property
    def closed(self) -> bool:
        """Whether clients have to sign in."""
        return self._store is not None and (self._store.damaged or self._store.state.password is not None)

    @property
    def damaged(self) -> bool:
        """Whether the stored state cannot be read."""
        return self._store is not None and self._store.damaged

    @property
    def state(self) -> AuthState:
        """The stored state. Raises ConflictError where there is no directory."""
        return self._available().state

    def _available(self) -> AuthStore:
        if self._store is None:
            raise ConflictError("this gateway was started without a place to keep a password", code="no_state_dir")
        return self._store

    async def refresh(self) -> None:
        """Read what others wrote, where the last look is old."""
        if self._store is not None:
            await self._store.refresh()

    def identify(self, presented: Presented) -> Principal:
        """The principal that ``presented`` authenticates. Raises UnauthorizedError."""
        self._notice()
        if self._lost:
            return LOOKING
        if self._store is None or not self.closed:
            return OPEN
        found = identify(self._store.state, presented)
        self._uses[found.ident] = time.time()
        return found

    def last_used(self, ident: str, stored: float | None) -> float | None:
        """The Unix time of the last use of a session or key; ``stored`` is the file's value."""
        return self._uses.get(ident, stored)

    async def watch(self) -> None:
        """Notice what the command line changes, and store "last used" from time to time; runs until cancelled."""
        written = time.monotonic()
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            if self._store is not None:
                await self._store.refresh(max_age=0)
            self._notice()
            if self._uses and self.closed and time.monotonic() - written >= FLUSH_INTERVAL:
                written = time.monotonic()
                try:
                    await self.update(lambda state: state)
                except UnavailableError:
                    pass  # it is in the log; the next attempt may succeed

    async def update(self, how: Change) -> AuthState:
        """Change the stored state. Raises ConflictError (no directory), UnavailableError, or what ``how`` raises."""
        uses, self._uses = self._uses, {}
        state = await self._available().update(lambda state: _with_uses(how(state), uses))
        self._notice()
        return state

    def _notice(self) -> None:
        """Call the listeners where valid credentials are gone, by whichever process they were revoked."""
        if self._store is None:
            return
        state, closed = self._store.state, self.closed
        if self._noticed is not None and self._noticed[0] is state and self._noticed[1] == closed:
            return
        self._noticed = state, closed
        valid = frozenset((*(s.id for s in state.sessions), *(k.id for k in state.keys), *_open(closed)))
        before, self._valid = self._valid, valid
        if before is not None and not before <= valid:
            for listener in self.on_revoked:
                listener()


def _open(closed: bool) -> tuple[str, ...]:
    """Open access as a credential: the first password revokes it."""
    return () if closed else ("*",)


def _with_uses(state: AuthState, uses: dict[str, float]) -> AuthState:
    if not uses:
        return state
    return msgspec.structs.replace(
        state,
        sessions=tuple(msgspec.structs.replace(s, last_used=uses.get(s.id, s.last_used)) for s in state.sessions),
        keys=tuple(msgspec.structs.replace(k, last_used=uses.get(k.id, k.last_used)) for k in state.keys),
    )
