"""The health of the signed-in account: the provider's report of it, and the view for users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from app.errors import GatewayError
from app.model import Secret
from app.providers.account_session import DAY, AccountSession
from app.providers.base import AccountStatus, Verdict
from app.providers.credentials import masked
from app.providers.errors import AccountExpiredError, KeyRevokedError, WrongCredentialsError
from app.store.accounts import Account

MAX_AGE = DAY  # seconds; of the last check


class AccountHealth:
    """Asks the provider by ``check``, which raises AccountExpiredError, KeyRevokedError, WrongCredentialsError."""

    def __init__(self, session: AccountSession, check: Callable[[Account], Awaitable[Account]]) -> None:
        self._session = session
        self._check = check

    async def check(self, account: Account) -> Account:
        """Ask the provider and store its report, including a problem of the account. Raises any other error."""
        now = self._session.now()
        try:
            account = replace(await self._check(account), problem=None, checked=now)
        except (AccountExpiredError, KeyRevokedError, WrongCredentialsError) as error:
            latest = self._session.account or account
            account = replace(latest, problem=error.code, checked=now)
            if isinstance(error, AccountExpiredError) and error.expires:
                account = replace(account, expires=error.expires)
        self._session.save(account)
        return account

    async def is_accepted(self, account: Account) -> bool:
        """Whether the provider still accepts account and key; stores its report. Raises where it gives no answer."""
        try:
            checked = await self._check(account)
        except (KeyRevokedError, WrongCredentialsError):
            return False
        self._session.save(replace(checked, checked=self._session.now(), problem=None))
        return True

    async def diagnose(self) -> Verdict:
        """The provider's verdict on the account, for a server that does not answer. Never raises a GatewayError."""
        account = self._session.account
        if account is None:
            return Verdict.SIGNED_OUT
        if account.from_file is not None:
            return Verdict.UNKNOWN
        try:
            checked = await self.check(account)
        except GatewayError:
            return Verdict.UNKNOWN
        problem = checked.problem
        if problem is None and checked.private_key != account.private_key:
            return Verdict.KEY_CHANGED
        return {
            None: Verdict.HEALTHY,
            AccountExpiredError.code: Verdict.ACCOUNT_EXPIRED,
            KeyRevokedError.code: Verdict.KEY_REVOKED,
        }.get(problem, Verdict.SIGNED_OUT)

    def is_due(self, account: Account, now: float) -> bool:
        """Whether the last check is too old, or in the future because the clock was wrong; never for a file's key."""
        return account.from_file is None and not 0 <= now - account.checked < MAX_AGE

    def status(self, account: Account, shown: Secret | None, rotates: float | None) -> AccountStatus:
        """The view of ``account`` for users, with ``shown`` masked; ``rotates`` is when its key is due (Unix time)."""
        if account.from_file is not None:  # the provider has told nothing about it
            return AccountStatus(signed_in=True, from_file=account.from_file)
        now = self._session.now()
        expired = 0 < account.expires <= now
        return AccountStatus(
            signed_in=True,
            account=masked(shown),
            expires=account.expires or None,
            days_left=max(0, int((account.expires - now) // DAY)) if account.expires else None,
            device=account.device_name,
            max_devices=account.max_devices or None,
            key_created=account.key_created or None,
            key_rotates=rotates,
            key_proven=not account.unproven,
            problem=account.problem or (AccountExpiredError.code if expired else None),
        )
