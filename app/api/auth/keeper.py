"""The stored state as the running web process uses it: who is let in by it, and who has to be told that it changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from app.api.auth.credentials import Presented, expired, identify
from app.api.auth.principal import Principal
from app.auth.state import AuthState, Key, Session
from app.auth.store import AuthStore
from app.errors import ConflictError, UnavailableError

LOOK = 1.0  # seconds between looks at what others wrote
KEEP_USES = 600.0  # seconds that a "last used" may be lost with the power: each write wears an SD card

OPEN = Principal("open", "admin")
Listener = Callable[[], None]


class Keeper:
    """Without a directory there is nothing to keep a password in: the API stays open, and says so."""

    def __init__(self, directory: Path | None) -> None:
        self._store = AuthStore(directory) if directory is not None else None
        self._uses: dict[str, float] = {}
        self._had: frozenset[str] | None = None
        self._noticed: tuple[AuthState, bool] | None = None
        self.on_revoked: list[Listener] = []  # told when credentials that were good may no longer be

    @property
    def available(self) -> bool:
        return self._store is not None

    @property
    def closed(self) -> bool:
        """Whether one has to sign in."""
        return self._store is not None and (self._store.damaged or self._store.state.password is not None)

    @property
    def second_factor(self) -> bool:
        return self._store is not None and self._store.state.totp is not None

    @property
    def state(self) -> AuthState:
        """Raises ConflictError where there is nothing to keep it in."""
        return self._kept().state

    def _kept(self) -> AuthStore:
        if self._store is None:
            raise ConflictError("this gateway was started without a place to keep a password", code="no_state_dir")
        return self._store

    def identify(self, presented: Presented) -> Principal:
        """Raises UnauthorizedError."""
        self._notice()
        if self._store is None or not self.closed:
            return OPEN
        found = identify(self._store.state, presented)
        self._uses[found.ident] = time.time()
        return found

    def sessions(self) -> tuple[Session, ...]:
        return tuple(
            msgspec.structs.replace(s, last_used=self._uses.get(s.id, s.last_used))
            for s in self.state.sessions
            if not expired(s)
        )

    def api_keys(self) -> tuple[Key, ...]:
        return tuple(msgspec.structs.replace(k, last_used=self._uses.get(k.id, k.last_used)) for k in self.state.keys)

    async def watch(self) -> None:
        """For ever: notice what the command line changes, and write down at times when sessions and keys were used."""
        written = time.monotonic()
        while True:
            await asyncio.sleep(LOOK)
            self._notice()
            if self._uses and self.closed and time.monotonic() - written >= KEEP_USES:
                written = time.monotonic()
                try:
                    await self._update(lambda state: state)
                except UnavailableError:
                    pass  # told in the log; next time perhaps

    async def _update(self, how: Callable[[AuthState], AuthState]) -> AuthState:
        uses, self._uses = self._uses, {}
        state = await self._kept().update(lambda state: _with_uses(how(state), uses))
        self._notice()
        return state

    def _notice(self) -> None:
        """Tell it where credentials that were good are gone, whoever took them away."""
        if self._store is None:
            return
        state, closed = self._store.state, self.closed
        if self._noticed is not None and self._noticed[0] is state and self._noticed[1] == closed:
            return
        self._noticed = state, closed
        has = frozenset((*(s.id for s in state.sessions), *(k.id for k in state.keys), *_open(closed)))
        had, self._had = self._had, has
        if had is not None and not had <= has:
            for tell in self.on_revoked:
                tell()


def _open(closed: bool) -> tuple[str, ...]:
    """That everybody may come in is a credential too, which the first password takes away."""
    return () if closed else ("*",)


def _with_uses(state: AuthState, uses: dict[str, float]) -> AuthState:
    if not uses:
        return state
    return msgspec.structs.replace(
        state,
        sessions=tuple(msgspec.structs.replace(s, last_used=uses.get(s.id, s.last_used)) for s in state.sessions),
        keys=tuple(msgspec.structs.replace(k, last_used=uses.get(k.id, k.last_used)) for k in state.keys),
    )
