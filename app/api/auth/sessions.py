"""Sessions: browsers and programs that have signed in, and the tokens that renew theirs."""

from __future__ import annotations

import secrets
import time
from typing import Literal

import msgspec
from msgspec import Struct

from app.api.auth import tokens
from app.api.auth.credential_store import CredentialStore
from app.api.auth.credentials import expired, session_of
from app.api.auth.principal import challenge
from app.auth.scope import Scope
from app.auth.state import AuthState, Session, digest
from app.errors import NotFoundError, UnauthorizedError

SESSION_LIFETIME = 30 * 24 * 3600.0  # seconds
MAX_SESSIONS = 50

SessionKind = Literal["browser", "token"]


class OpenedSession(Struct, frozen=True):
    """A new session, with the secrets that its holder gets once."""

    session: Session
    cookie: str | None
    refresh: str | None

    def __repr__(self) -> str:
        return f"OpenedSession({self.session.id!r})"


class Caller(Struct, frozen=True):
    """The origin of a request: address and program."""

    address: str
    agent: str


class Sessions:
    def __init__(self, store: CredentialStore) -> None:
        self._store = store

    def list(self) -> tuple[Session, ...]:
        """The sessions that have not expired."""
        return tuple(
            msgspec.structs.replace(s, last_used=self._store.last_used(s.id, s.last_used))
            for s in self._store.state.sessions
            if not expired(s)
        )

    async def open(self, kind: SessionKind, scope: Scope, caller: Caller) -> OpenedSession:
        """Open and store a session. Raises UnavailableError."""
        opened = new_session(kind, scope, caller)

        def change(state: AuthState) -> AuthState:
            current = sorted((s for s in state.sessions if not expired(s)), key=lambda s: s.last_used)
            return msgspec.structs.replace(state, sessions=(*current[-(MAX_SESSIONS - 1) :], opened.session))

        state = await self._store.update(change)
        if kind == "browser":
            return opened
        refresh = tokens.issue(state.signing_key, opened.session, "refresh", tokens.REFRESH)
        return OpenedSession(opened.session, None, refresh)

    def access_token(self, session: Session) -> str:
        return tokens.issue(self._store.state.signing_key, session, "access", tokens.ACCESS)

    async def refresh(self, token: str) -> OpenedSession:
        """Renew a session's tokens. A refresh token that is used twice was stolen: its session ends.

        Raises UnauthorizedError.
        """
        refusal = UnauthorizedError(
            "this refresh token is not valid, or has ended", code="invalid_token", challenge=challenge("invalid_token")
        )
        claims = tokens.verify(self._store.state.signing_key, token, "refresh")
        if claims is None:
            raise refusal
        renewed: Session | None = None

        def change(state: AuthState) -> AuthState:
            nonlocal renewed
            session = session_of(state, claims.session)
            if session is None:
                return state
            others = tuple(s for s in state.sessions if s.id != session.id)
            if session.generation != claims.generation:
                return msgspec.structs.replace(state, sessions=others)
            now = time.time()
            renewed = msgspec.structs.replace(
                session, generation=session.generation + 1, expires=now + SESSION_LIFETIME, last_used=now
            )
            return msgspec.structs.replace(state, sessions=(*others, renewed))

        state = await self._store.update(change)
        if renewed is None:
            raise refusal
        return OpenedSession(renewed, None, tokens.issue(state.signing_key, renewed, "refresh", tokens.REFRESH))

    async def end(self, ident: str) -> None:
        """End a session. Raises NotFoundError."""

        def change(state: AuthState) -> AuthState:
            left = tuple(s for s in state.sessions if s.id != ident)
            if len(left) == len(state.sessions):
                raise NotFoundError("there is no such session", field="id")
            return msgspec.structs.replace(state, sessions=left)

        await self._store.update(change)


def new_session(kind: SessionKind, scope: Scope, caller: Caller) -> OpenedSession:
    """A new session, not yet stored."""
    now = time.time()
    cookie = secrets.token_urlsafe(32) if kind == "browser" else None
    session = Session(
        id=secrets.token_hex(8),
        kind=kind,
        scope=scope,
        created=now,
        expires=now + SESSION_LIFETIME,
        address=caller.address,
        agent=caller.agent,
        cookie=None if cookie is None else digest(cookie),
        last_used=now,
    )
    return OpenedSession(session, cookie, None)
