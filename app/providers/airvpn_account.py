"""Accounts at AirVPN, by API key: the keys of one of the account's devices, which AirVPN generates."""

from __future__ import annotations

from msgspec.structs import replace

from app import keys
from app.errors import InvalidFieldError
from app.keys import KeyPair
from app.model import Secret
from app.providers.account_session import AccountSession
from app.providers.airvpn_api import DEFAULT_DEVICE, AirVpnApi
from app.providers.errors import AccountExpiredError, KeyRevokedError
from app.store.accounts import Account

SERVER_KEY, PRESHARED_KEY = "server_key", "preshared_key"  # of an account's extra values


class AirVpnAccount:
    """An :class:`app.providers.account_parts.AccountApi`."""

    def __init__(self, session: AccountSession, api: AirVpnApi) -> None:
        self._session = session
        self._api = api

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:  # noqa: ARG002
        """Fetch the device's keys: AirVPN takes none of ours."""
        device = credentials.get("device", Secret(DEFAULT_DEVICE))
        now = self._session.now()
        account = Account(
            credentials={**credentials, "device": device}, device_name=device.reveal(), key_created=now, checked=now
        )
        try:
            return await self.check(account)
        except KeyRevokedError as unknown:
            raise InvalidFieldError(f"Device: {unknown.message}", field="device") from None

    async def check(self, account: Account) -> Account:
        """Fetch the expiry and the device's keys, which may have been renewed in the Client Area."""
        api_key = account.credentials["api_key"]
        user = await self._api.user(api_key)
        expires = user.expires
        if user.is_expired or 0 < expires <= self._session.now():
            raise AccountExpiredError("This AirVPN subscription has expired; renew it", expires=expires)
        device = account.device_name or DEFAULT_DEVICE
        await self._check_device(api_key, device)
        found = await self._api.device_config(api_key, device)
        extra = {SERVER_KEY: Secret(found.server_key)}
        if found.preshared_key is not None:
            extra[PRESHARED_KEY] = found.preshared_key
        return replace(
            account,
            private_key=found.private_key,
            addresses=found.addresses,
            dns=found.dns,
            device_id=keys.public_key(found.private_key),
            expires=expires,
            extra=extra,
        )

    async def forget(self, account: Account) -> None:
        """Do nothing: device and API key belong to the account, and the user removes them in the Client Area."""

    async def _check_device(self, api_key: Secret, device: str) -> None:
        """Raises KeyRevokedError where the account has no such device: AirVPN would use the default one silently."""
        if device.lower() == DEFAULT_DEVICE.lower():
            return
        known = await self._api.devices(api_key)
        if device.lower() not in (name.lower() for name in known):
            raise KeyRevokedError("AirVPN knows no device of this name; look in the Client Area, under Devices")
