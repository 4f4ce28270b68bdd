"""Signing in and out: signing in registers a new key, and removes the registration of the previous account later.

The new account is on disk before it is used; a failure changes nothing on this gateway.
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
    """Signs in and out. The caller of every method but :meth:`check_form` holds the session's lock."""

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
        self._tried: dict[str, Secret] | None = None  # valid credentials of an account without room for this gateway
        self._opened: Account | None = None  # the account opened with them, to make room

    def check_form(self, credentials: Mapping[str, Secret]) -> dict[str, Secret]:
        """Raises InvalidFieldError."""
        return check_credentials(self._form, credentials, self._session.title)

    async def sign_in(self, given: dict[str, Secret]) -> None:
        """Sign in with credentials of :meth:`check_form`."""
        old = self._session.account
        if old is not None and old.from_file is not None:
            old = None  # a file's key is the user's own, and no device of this gateway to compare or remove
        same = old is not None and same_account(self._form, old.credentials, given)
        if old is not None and same and await self._health.is_accepted(old):
            return
        try:
            new = replace(await self._register(given), unproven=True)
        except TooManyDevicesError:
            self._tried, self._opened = given, None
            raise
        # A tunnel may still use the previous account, which is removed after the tunnel has moved (settle).
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
        """Remove the account. Returns warnings about what could not be removed at the provider."""
        self._tried = self._opened = None
        account = self._session.account
        if account is None:
            return ()
        if account.replaced is not None:
            await self._forget_quietly(account.replaced)
        warnings: tuple[str, ...] = ()
        title = self._session.title
        if account.from_file is not None:
            self._session.remove()
            log.info("the key from a file is no longer used with %s", title)
            return (f'the key of "{account.from_file}" is still valid; remove it at {title} if nothing else uses it',)
        try:
            await self._api.forget(account)
        except GatewayError as error:
            failure = f"signing out at {title} failed ({error.message})"
            warnings = (f"{failure}; this gateway's device may still be on the account's list",)
        self._session.remove()
        log.info("signed out of %s", title)
        return warnings

    async def forget_replaced(self) -> None:
        """Remove the previous account's registration at the provider. Idempotent."""
        account = self._session.account
        if account is not None and account.replaced is not None:
            await self._forget_quietly(account.replaced)
            self._session.save(replace(account, replaced=None))

    async def account_for(self, devices: DeviceApi) -> Account:
        """The account for device requests: the one without room, or the signed-in one. Raises NotSignedInError."""
        if self._tried is None:
            return self._session.signed_in()
        if self._opened is None:
            self._opened = await devices.open(self._tried)
        return self._opened

    async def _register(self, given: dict[str, Secret]) -> Account:
        try:
            return await self._api.register(given, keys.generate())
        except KeyInUseError:  # an earlier request registered it and the answer was lost
            return await self._api.register(given, keys.generate())

    async def _forget_quietly(self, account: Account) -> None:
        try:
            await self._api.forget(account)
        except GatewayError as error:
            log.warning("%s: an older device could not be removed: %s", self._session.title, error.message)
