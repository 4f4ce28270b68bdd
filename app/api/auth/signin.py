"""Signing in: the password, the attempts at it, and the sessions that come of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from app.api.auth import tokens, totp
from app.api.auth.credentials import expired, session_of
from app.api.auth.keeper import Keeper
from app.api.auth.lockout import FREE, Lockout
from app.api.auth.principal import Principal, challenge
from app.auth import passwords
from app.auth.scope import Scope
from app.auth.state import AuthState, Password, Session, digest, new_signing_key
from app.errors import (
    ConflictError,
    ForbiddenError,
    InvalidFieldError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)

SESSION_LIFETIME = 30 * 24 * 3600.0  # seconds
MOST_SESSIONS = 50


class Opened(Struct, frozen=True):
    """A new session, with what its holder is given once."""

    session: Session
    cookie: str | None
    refresh: str | None

    def __repr__(self) -> str:
        return f"Opened({self.session.id!r})"


class Caller(Struct, frozen=True):
    """Where a request comes from."""

    address: str
    agent: str


class SignIn(Keeper):
    def __init__(self, directory: Path | None) -> None:
        super().__init__(directory)
        self._passwords = passwords.Passwords()
        self._lockout = Lockout()
        self.on_guessing: list[Callable[[str, int], None]] = []  # told the address and its failures

    # --- password ----------------------------------------------------------------------------------------------------

    async def set_password(
        self, new: str, current: str | None, code: str | None, who: Principal, caller: Caller
    ) -> Opened | None:
        """Ends every session but that of ``who``; API keys stay. Who sets the first password is signed in with it.

        Raises InvalidFieldError (too weak), ForbiddenError (``current`` or ``code`` is wrong), TooManyRequestsError.
        """
        text = passwords.check_new(new)
        had = self.state.password
        if had is not None:
            if current is None:
                raise InvalidFieldError("current: the present password", field="current", code="missing_field")
            await self.confirm(current, code, caller, field="current")
        made = Password(await self._passwords.hash(text), time.time())
        first = _new_session("browser", "admin", caller) if had is None else None

        def change(state: AuthState) -> AuthState:
            if (state.password is None) != (had is None):
                raise ConflictError("a password was set meanwhile", code="password_set")
            kept = tuple(s for s in state.sessions if had is not None and s.id == who.ident)
            if first is not None:
                kept = (first.session,)
            # With another key, no token that was ever signed is good, but for the one session that is kept.
            key = state.signing_key if kept and first is None else new_signing_key()
            return msgspec.structs.replace(state, password=made, sessions=kept, signing_key=key)

        await self._update(change)
        return first

    async def sign_in(
        self, password: str, code: str | None, kind: Literal["browser", "token"], scope: Scope, caller: Caller
    ) -> Opened:
        """Raises UnauthorizedError (the same for a wrong password and a wrong code), TooManyRequestsError."""
        await self._check(password, code, caller, _refused_sign_in)
        return await self.open_session(kind, scope, caller)

    async def confirm(self, password: str, code: str | None, caller: Caller, *, field: str) -> None:
        """Have somebody who is signed in prove again that they know the password. Raises ForbiddenError."""
        await self._check(
            password,
            code,
            caller,
            lambda: ForbiddenError("the password or the code is wrong", field=field, code="wrong_password"),
        )

    async def _check(self, password: str, code: str | None, caller: Caller, refusal: Callable[[], Exception]) -> None:
        store = self._kept()
        state = store.state
        if store.damaged:
            raise UnavailableError("the stored password cannot be read; reset it with the SD card")
        if state.password is None:
            raise ConflictError("no password is set: nobody needs to sign in", code="no_password")
        known = any(s.address == caller.address for s in state.sessions)
        failures = self._lockout.attempt(caller.address, known=known)
        try:
            right = await self._passwords.matches(state.password.hash, password)
            right = await self._spend_code(state, code, right)
        except Exception:  # not where the client hung up: that must not be a way to try for nothing
            self._lockout.abandoned(caller.address)
            raise
        if not right:
            if failures >= FREE:
                for tell in self.on_guessing:
                    tell(caller.address, failures)
            raise refusal()
        self._lockout.succeeded(caller.address)

    async def _spend_code(self, state: AuthState, code: str | None, right: bool) -> bool:
        """Judge the second factor too, and use its code up only where the password was right."""
        if state.totp is None:
            return right
        if totp.spend(state.totp, code or "") is None or not right:
            return False
        taken = False

        def change(now: AuthState) -> AuthState:
            nonlocal taken
            after = totp.spend(now.totp, code or "") if now.totp is not None else None
            taken = after is not None  # not so when another attempt with the same code came first
            return msgspec.structs.replace(now, totp=after) if taken else now

        await self._kept().update(change)
        return taken

    # --- sessions ----------------------------------------------------------------------------------------------------

    async def open_session(self, kind: Literal["browser", "token"], scope: Scope, caller: Caller) -> Opened:
        made = _new_session(kind, scope, caller)

        def change(state: AuthState) -> AuthState:
            current = sorted((s for s in state.sessions if not expired(s)), key=lambda s: s.last_used)
            return msgspec.structs.replace(state, sessions=(*current[-(MOST_SESSIONS - 1) :], made.session))

        state = await self._update(change)
        if kind == "browser":
            return made
        refresh = tokens.issue(state.signing_key, made.session, "refresh", tokens.REFRESH)
        return Opened(made.session, None, refresh)

    def access_token(self, session: Session) -> str:
        return tokens.issue(self.state.signing_key, session, "access", tokens.ACCESS)

    async def refresh(self, token: str) -> Opened:
        """Renew a session's tokens. A refresh token that was used before was stolen: then its session ends.

        Raises UnauthorizedError.
        """
        refusal = UnauthorizedError(
            "this refresh token is not valid, or no longer", code="invalid_token", challenge=challenge("invalid_token")
        )
        claims = tokens.verify(self.state.signing_key, token, "refresh")
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

        state = await self._update(change)
        if renewed is None:
            raise refusal
        return Opened(renewed, None, tokens.issue(state.signing_key, renewed, "refresh", tokens.REFRESH))

    async def end_session(self, ident: str) -> None:
        """Raises NotFoundError."""

        def change(state: AuthState) -> AuthState:
            left = tuple(s for s in state.sessions if s.id != ident)
            if len(left) == len(state.sessions):
                raise NotFoundError("there is no such session", field="id")
            return msgspec.structs.replace(state, sessions=left)

        await self._update(change)


def _new_session(kind: Literal["browser", "token"], scope: Scope, caller: Caller) -> Opened:
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
    return Opened(session, cookie, None)


def _refused_sign_in() -> Exception:
    return UnauthorizedError("the password or the code is wrong", code="wrong_password", challenge=challenge())
