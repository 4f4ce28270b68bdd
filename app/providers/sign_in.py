"""Signing in and out: a fresh key is registered, and what was registered for the account before is removed.

What the provider gave is on disk before it is used; on failure nothing has changed here.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from msgspec.structs import replace

from app import keys
from app.errors import GatewayError
from app.model import Secret
from app.providers.account_health import AccountHealth
from app.providers.account_parts import AccountApi, DeviceApi
from app.providers.account_session import AccountSession
from app.providers.base import CredentialField
from app.providers.credentials import check_credentials, same_account
from app.providers.errors import KeyInUseError, TooManyDevicesError
from app.store.accounts import Account

log = logging.getLogger(__name__)


class SignIn:
    """Every method is called with the session's lock held."""

    def __init__(
        self,
        session: AccountSession,
        form: tuple[CredentialField, ...],
        api: AccountApi,
        health: AccountHealth,
        devices: DeviceApi | None,
    ) -> None:
        self._session = session
        self._form = form
        self._api = api
        self._health = health
        self._devices = devices
        self._tried: dict[str, Secret] | None = None  # credentials that were right but found no room
        self._opened: Account | None = None  # signed in with them, to make room

    def check_form(self, credentials: Mapping[str, Secret]) -> dict[str, Secret]:
        """Raises InvalidFieldError."""
        return check_credentials(self._form, credentials, self._session.title)

    async def sign_in(self, given: dict[str, Secret]) -> None:
        """Sign in with credentials of :meth:`check_form`."""
        old = self._session.account
        same = old is not None and same_account(self._form, old.credentials, given)
        if old is not None and same and await self._health.is_accepted(old):
            return
        try:
            new = await self._register(given)
        except TooManyDevicesError:
            self._tried, self._opened = given, None
            raise
        # A tunnel may be up with the account before: it ends when the tunnel has moved (settle).
        replaced = old if old is not None and old.device_id != new.device_id else None
        if replaced is not None:
            new = replace(new, replaced=replace(replaced, replaced=None))
        try:
            self._session.save(new)
        except GatewayError:
            await self._forget_quietly(new)
            raise
        if replaced is not None and replaced.replaced is not None:
            await self._forget_quietly(replaced.replaced)
        if self._opened is not None and self._devices is not None:
            await self._devices.close(self._opened)
        self._tried = self._opened = None
        log.info("signed in to %s", self._session.title)

    async def sign_out(self) -> tuple[str, ...]:
        """Remove the account; returns what could not be removed at the provider."""
        self._tried = self._opened = None
        account = self._session.account
        if account is None:
            return ()
        if account.replaced is not None:
            await self._forget_quietly(account.replaced)
        warnings: tuple[str, ...] = ()
        title = self._session.title
        try:
            await self._api.forget(account)
        except GatewayError as error:
            told = f"{title} could not be told ({error.message})"
            warnings = (f"{told}; this gateway's device may still be on the account's list",)
        self._session.remove()
        log.info("signed out of %s", title)
        return warnings

    async def forget_replaced(self) -> None:
        """Remove at the provider the account that was signed in before this one. Idempotent."""
        account = self._session.account
        if account is not None and account.replaced is not None:
            await self._forget_quietly(account.replaced)
            self._session.save(replace(account, replaced=None))

    async def account_for(self, devices: DeviceApi) -> Account:
        """The account whose devices are meant: the one just tried, or the one signed in. Raises NotSignedInError."""
        if self._tried is None:
            return self._session.signed_in()
        if self._opened is None:
            self._opened = await devices.open(self._tried)
        return self._opened

    async def _register(self, given: dict[str, Secret]) -> Account:
        try:
            return await self._api.register(given, keys.generate())
        except KeyInUseError:  # one in 2^250, or a provider that heard of a request whose answer was lost
            return await self._api.register(given, keys.generate())

    async def _forget_quietly(self, account: Account) -> None:
        try:
            await self._api.forget(account)
        except GatewayError as error:
            log.warning("%s: an older device could not be removed: %s", self._session.title, error.message)
