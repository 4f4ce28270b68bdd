"""The sign-in service: checks passwords and codes, limits attempts, and sets a new password."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from app.api.auth import totp
from app.api.auth.credential_store import CredentialStore
from app.api.auth.first_password import FirstPasswordWindow
from app.api.auth.lockout import FREE, Lockout
from app.api.auth.neighbours import Neighbours
from app.api.auth.principal import Principal, challenge
from app.api.auth.sessions import Caller, OpenedSession, SessionKind, Sessions, new_session
from app.api.context import snapshot_of
from app.auth import passwords
from app.auth.scope import Scope
from app.auth.state import AuthState, Password, new_signing_key
from app.auth.store import Change
from app.errors import (
    ConflictError,
    ForbiddenError,
    GatewayError,
    InvalidFieldError,
    UnauthorizedError,
    UnavailableError,
)
from app.protocol.commands import SetOwner
from app.protocol.events import SecurityAlert
from app.protocol.gateway import Gateway


class SignInService:
    def __init__(
        self, store: CredentialStore, sessions: Sessions, gateway: Gateway, window: FirstPasswordWindow
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._gateway = gateway
        self._window = window
        self._passwords = passwords.Passwords()
        self._lockout = Lockout()
        self._neighbours = Neighbours()
        self.on_guessing: list[Callable[[str, int], None]] = []  # called with the address and its failures
        self.on_first_password: list[Callable[[str], None]] = []  # called with the address that it was set from

    async def set_password(
        self, new: str, current: str | None, code: str | None, who: Principal, caller: Caller
    ) -> OpenedSession | None:
        """Set the password and end every session but that of ``who``; API keys stay. The first one opens a session.

        netd keeps a hash of its own (:mod:`app.auth.owner`). Raises InvalidFieldError (too weak), ForbiddenError
        (``current`` or ``code`` is wrong; ``window_closed``), ConflictError (``password_set``), TooManyRequestsError.
        """
        text = passwords.check_new(new)
        previous = self._store.state.password
        if previous is None:
            self._window.check()
        else:
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

        # A client that hangs up in the middle must not leave two passwords behind.
        await asyncio.shield(asyncio.create_task(self._replace(change, new, current), name="new password"))
        if previous is None:
            for listener in self.on_first_password:
                listener(caller.address)
        return first

    async def _replace(self, change: Change, new: str, current: str | None) -> None:
        await self._gateway.submit(SetOwner(new, current))
        try:
            await self._store.update(change)
        except Exception:
            await self._gateway.submit(SetOwner(current, new))  # as it was
            raise

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
        device = caller.address if known else await self._device(caller.address)
        older = self._neighbours.older_than(device, self._lockout.began)
        failures = self._lockout.attempt(device, known=known, older=older)
        try:
            right = await self._passwords.matches(state.password.hash, password)
            right = await self._spend_code(state, code, right)
        except Exception:  # a client that hangs up still spends its attempt: CancelledError is not an Exception
            self._lockout.abandoned(device)
            raise
        if not right:
            if failures >= FREE:
                for listener in self.on_guessing:
                    listener(caller.address, failures)
            raise refusal()
        self._lockout.succeeded(device)

    async def _device(self, address: str) -> str:
        """The client that an attempt counts for: the device with this lease; without netd, the address itself."""
        try:
            self._neighbours.follow((await snapshot_of(self._gateway)).leases)
        except GatewayError:
            return address
        return self._neighbours.device(address)

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


def first_password_alert(address: str) -> SecurityAlert:
    """The event for the first password: whoever did not set it learns who is the owner now."""
    message = f"the first admin password was set from {address}; if that was not you, remove it with the SD card"
    return SecurityAlert("first_password", message, client=address)


def no_password_alert() -> SecurityAlert:
    """The event for a gateway without a password, for every client that begins to follow the events."""
    return SecurityAlert(
        "no_password", "no admin password is set: everybody on this network can connect, disconnect and add servers"
    )


def guessing_alert(address: str, failures: int) -> SecurityAlert:
    """The event for repeated failures to sign in from one address."""
    message = (
        f"{failures} failed attempts to sign in from {address}; block that device, and sign in from one that has been"
        " here before, by the gateway's IPv4 address"
    )
    return SecurityAlert("sign_in_failures", message, client=address, failures=failures)
