"""Everything that hangs on the one password: signing in, API keys, the second factor."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

import msgspec

from app.api.auth import totp
from app.api.auth.credentials import KEY_PREFIX
from app.api.auth.signin import Caller, SignIn
from app.auth.scope import Scope
from app.auth.state import AuthState, Key, Totp, digest
from app.errors import ConflictError, ForbiddenError, NotFoundError
from app.model import Secret
from app.protocol.events import SecurityAlert

MOST_KEYS = 50
ENROLMENT_LIFETIME = 600.0  # seconds between asking for a second factor and its first code


class Auth(SignIn):
    def __init__(self, directory: Path | None) -> None:
        super().__init__(directory)
        self._enrolment: tuple[Secret, float] | None = None

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


def guessing_alert(address: str, failures: int) -> SecurityAlert:
    """The event that tells of somebody who tries passwords."""
    message = f"{failures} failed attempts to sign in from {address}"
    return SecurityAlert("sign_in_failures", message, client=address, failures=failures)
