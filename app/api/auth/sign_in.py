"""The sign-in service: checks passwords and codes, limits attempts, and sets a new password."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from app.api.auth import totp
from app.api.auth.credential_store import CredentialStore
from app.api.auth.lockout import FREE, Lockout
from app.api.auth.principal import Principal, challenge
from app.api.auth.sessions import Caller, OpenedSession, SessionKind, Sessions, new_session
from app.auth import passwords
from app.auth.scope import Scope
from app.auth.state import AuthState, Password, new_signing_key
from app.errors import ConflictError, ForbiddenError, InvalidFieldError, UnauthorizedError, UnavailableError
from app.protocol.events import SecurityAlert


class SignInService:
    def __init__(self, store: CredentialStore, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions
        self._passwords = passwords.Passwords()
        self._lockout = Lockout()
        self.on_guessing: list[Callable[[str, int], None]] = []  # called with the address and its failures

    async def set_password(
        self, new: str, current: str | None, code: str | None, who: Principal, caller: Caller
    ) -> OpenedSession | None:
        """Set the password and end every session but that of ``who``; API keys stay. The first one opens a session.

        Raises InvalidFieldError (too weak), ForbiddenError (``current`` or ``code`` is wrong), TooManyRequestsError.
        """
        text = passwords.check_new(new)
        previous = self._store.state.password
        if previous is not None:
            if current is None:
                raise InvalidFieldError("current: the present password", field="current", code="missing_field")
            await self.confirm(current, code, caller, field="current")
        password = Password(await self._passwords.hash(text), time.time())
        first = new_session("browser", "admin", caller) if previous is None else None

        def change(state: AuthState) -> AuthState:
            if (state.password is None) != (previous is None):
                raise ConflictError("another client has just set a password", code="password_set")
            kept = tuple(s for s in state.sessions if previous is not None and s.id == who.ident)
            if first is not None:
                kept = (first.session,)
            # With another key, no token that was ever signed is valid, but for the one session that is kept.
            key = state.signing_key if kept and first is None else new_signing_key()
            return msgspec.structs.replace(state, password=password, sessions=kept, signing_key=key)

        await self._store.update(change)
        return first

    async def sign_in(
        self, password: str, code: str | None, kind: SessionKind, scope: Scope, caller: Caller
    ) -> OpenedSession:
        """Open a session. Raises UnauthorizedError (the same for password and code), TooManyRequestsError."""
        await self._check(password, code, caller, _refused_sign_in)
        return await self._sessions.open(kind, scope, caller)

    async def confirm(self, password: str, code: str | None, caller: Caller, *, field: str) -> None:
        """Check the password of a client that is signed in already. Raises ForbiddenError."""
        await self._check(
            password,
            code,
            caller,
            lambda: ForbiddenError("the password or the code is wrong", field=field, code="wrong_password"),
        )

    async def _check(self, password: str, code: str | None, caller: Caller, refusal: Callable[[], Exception]) -> None:
        state = self._store.state
        if self._store.damaged:
            raise UnavailableError("the stored password cannot be read; reset it with the SD card")
        if state.password is None:
            raise ConflictError("no password is set: no sign-in is needed", code="no_password")
        known = any(s.address == caller.address for s in state.sessions)
        failures = self._lockout.attempt(caller.address, known=known)
        try:
            right = await self._passwords.matches(state.password.hash, password)
            right = await self._spend_code(state, code, right)
        except Exception:  # a client that hangs up still spends its attempt: CancelledError is not an Exception
            self._lockout.abandoned(caller.address)
            raise
        if not right:
            if failures >= FREE:
                for listener in self.on_guessing:
                    listener(caller.address, failures)
            raise refusal()
        self._lockout.succeeded(caller.address)

    async def _spend_code(self, state: AuthState, code: str | None, right: bool) -> bool:
        """Check the second factor too, and use its code up only where the password was right."""
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

        await self._store.update(change)
        return taken


def _refused_sign_in() -> Exception:
    return UnauthorizedError("the password or the code is wrong", code="wrong_password", challenge=challenge())


def guessing_alert(address: str, failures: int) -> SecurityAlert:
    """The event for repeated failures to sign in from one address."""
    message = f"{failures} failed attempts to sign in from {address}"
    return SecurityAlert("sign_in_failures", message, client=address, failures=failures)
