"""Signing in and out, and everything that hangs on the one password."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from app.api.auth import passwords, tokens, totp
from app.api.auth.credentials import KEY_PREFIX, Presented, expired, identify, session_of
from app.api.auth.lockout import FREE, Lockout
from app.api.auth.principal import Principal, challenge
from app.api.auth.state import AuthState, Key, Password, Session, Totp, digest, new_signing_key
from app.api.auth.store import AuthStore
from app.api.operation import Scope
from app.errors import (
    ConflictError,
    ForbiddenError,
    InvalidFieldError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from app.model import Secret

SESSION_LIFETIME = 30 * 24 * 3600.0  # seconds
MOST_SESSIONS, MOST_KEYS = 50, 50
ENROLMENT_LIFETIME = 600.0  # seconds between asking for a second factor and its first code
LOOK = 1.0  # seconds between looks at what others wrote
KEEP_USES = 600.0  # seconds that a "last used" may be lost with the power: each write wears an SD card

OPEN = Principal("open", "admin")
Listener = Callable[[], None]


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


class Auth:
    """Without a directory there is nothing to keep a password in: the API stays open, and says so."""

    def __init__(self, directory: Path | None) -> None:
        self._store = AuthStore(directory) if directory is not None else None
        self._passwords = passwords.Passwords()
        self._lockout = Lockout()
        self._uses: dict[str, float] = {}
        self._enrolment: tuple[Secret, float] | None = None
        self._had: frozenset[str] | None = None
        self._noticed: tuple[AuthState, bool] | None = None
        self.on_revoked: list[Listener] = []  # told when credentials that were good may no longer be
        self.on_guessing: list[Callable[[str, int], None]] = []  # told the address and its failures

    # --- what is so --------------------------------------------------------------------------------------------------

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

    # --- API keys ----------------------------------------------------------------------------------------------------

    async def create_key(self, name: str, scope: Scope, lifetime: float | None) -> tuple[Key, str]:
        """The key, and its text, which nobody can read again. Raises ConflictError."""
        text = KEY_PREFIX + secrets.token_urlsafe(32)
        now = time.time()
        key = Key(secrets.token_hex(6), name, scope, digest(text), now, None if lifetime is None else now + lifetime)

        def change(state: AuthState) -> AuthState:
            if state.password is None:
                raise ConflictError("set a password first: without one, nobody needs a key", code="no_password")
            if any(k.name == name for k in state.keys):
                raise ConflictError("there is a key of this name", field="name", code="name_in_use")
            if len(state.keys) >= MOST_KEYS:
                raise ConflictError(f"there are {MOST_KEYS} keys already: revoke one first", code="too_many_keys")
            return msgspec.structs.replace(state, keys=(*state.keys, key))

        await self._update(change)
        return key, text

    async def revoke_key(self, ident: str) -> None:
        """Raises NotFoundError."""

        def change(state: AuthState) -> AuthState:
            left = tuple(k for k in state.keys if k.id != ident)
            if len(left) == len(state.keys):
                raise NotFoundError("there is no such key", field="id")
            return msgspec.structs.replace(state, keys=left)

        await self._update(change)

    # --- second factor -----------------------------------------------------------------------------------------------

    async def begin_enrolment(self, password: str, caller: Caller) -> Secret:
        """Raises ConflictError (there is one already, or no password), ForbiddenError."""
        self._no_second_factor_yet()
        await self.confirm(password, None, caller, field="password")
        secret = totp.new_secret()
        self._enrolment = (secret, time.monotonic() + ENROLMENT_LIFETIME)
        return secret

    async def confirm_enrolment(self, code: str) -> tuple[str, ...]:
        """The recovery codes. Raises ConflictError (not begun), ForbiddenError (wrong code)."""
        self._no_second_factor_yet()
        if self._enrolment is None or time.monotonic() > self._enrolment[1]:
            raise ConflictError("begin with POST /api/auth/totp", code="not_enrolling")
        secret = self._enrolment[0]
        now = time.time()
        step = totp.step_of(secret, code, now)
        if step is None:
            raise ForbiddenError(
                "the code is wrong; is the clock of this gateway right?", field="code", code="wrong_code"
            )
        recovery = totp.new_recovery_codes()
        made = Totp(secret, now, (step,), tuple(totp.code_hash(c) for c in recovery))
        await self._update(lambda state: msgspec.structs.replace(state, totp=made))
        self._enrolment = None
        return recovery

    async def disable_second_factor(self, password: str, code: str, caller: Caller) -> None:
        """Raises ConflictError (there is none), ForbiddenError."""
        if self.state.totp is None:
            raise ConflictError("there is no second factor", code="no_totp")
        await self.confirm(password, code, caller, field="password")
        await self._update(lambda state: msgspec.structs.replace(state, totp=None))

    def _no_second_factor_yet(self) -> None:
        if self.state.totp is not None:
            raise ConflictError("there is a second factor already: remove it first", code="totp_set")

    # --- upkeep ------------------------------------------------------------------------------------------------------

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


def _refused_sign_in() -> Exception:
    return UnauthorizedError("the password or the code is wrong", code="wrong_password", challenge=challenge())


def guessing_alert(address: str, failures: int) -> tuple[str, dict[str, object]]:
    """The event that tells of somebody who tries passwords."""
    message = f"{failures} failed attempts to sign in from {address}"
    return "security_alert", {"reason": "sign_in_failures", "message": message, "client": address, "failures": failures}
