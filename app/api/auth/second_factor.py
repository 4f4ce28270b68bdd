"""The second factor: enrolling an authenticator app, and removing it again."""

from __future__ import annotations

import time

import msgspec

from app.api.auth import totp
from app.api.auth.credential_store import CredentialStore
from app.api.auth.sessions import Caller
from app.api.auth.sign_in import SignInService
from app.auth.state import Totp
from app.errors import ConflictError, ForbiddenError
from app.model import Secret

ENROLMENT_LIFETIME = 600.0  # seconds between asking for a second factor and its first code


class SecondFactor:
    def __init__(self, store: CredentialStore, sign_in: SignInService) -> None:
        self._store = store
        self._sign_in = sign_in
        self._enrolment: tuple[Secret, float] | None = None

    @property
    def enabled(self) -> bool:
        return self._store.available and self._store.state.totp is not None

    async def begin_enrolment(self, password: str, caller: Caller) -> Secret:
        """The new secret. Raises ConflictError (there is one already, or no password), ForbiddenError."""
        self._check_disabled()
        await self._sign_in.confirm(password, None, caller, field="password")
        secret = totp.new_secret()
        self._enrolment = (secret, time.monotonic() + ENROLMENT_LIFETIME)
        return secret

    async def confirm_enrolment(self, code: str) -> tuple[str, ...]:
        """The recovery codes. Raises ConflictError (not begun), ForbiddenError (wrong code)."""
        self._check_disabled()
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
        await self._store.update(lambda state: msgspec.structs.replace(state, totp=made))
        self._enrolment = None
        return recovery

    async def disable(self, password: str, code: str, caller: Caller) -> None:
        """Remove the second factor. Raises ConflictError (there is none), ForbiddenError."""
        if self._store.state.totp is None:
            raise ConflictError("there is no second factor", code="no_totp")
        await self._sign_in.confirm(password, code, caller, field="password")
        await self._store.update(lambda state: msgspec.structs.replace(state, totp=None))

    def _check_disabled(self) -> None:
        if self._store.state.totp is not None:
            raise ConflictError("there is a second factor already: remove it first", code="totp_set")
