"""Accounts at AzireVPN: a token, and a device (an "IP" in its API) with the gateway's key."""

from __future__ import annotations

import contextlib
import ipaddress
from urllib.parse import quote

from msgspec.structs import replace

from app import keys
from app.errors import GatewayError
from app.https.exchange import Response
from app.keys import KeyPair
from app.model import Secret
from app.providers.account_session import AccountSession
from app.providers.azirevpn_api import ERRORS, LOGIN_ERRORS, TITLE, Device, Key, Token, User, data
from app.providers.base import ProviderDevice
from app.providers.client import ProviderClient
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyRevokedError,
    ProviderDownError,
    TooManyDevicesError,
)
from app.store.accounts import Account


class AzireVpnAccount:
    """An :class:`app.providers.account_parts.AccountApi` and :class:`app.providers.account_parts.DeviceApi`."""

    def __init__(self, session: AccountSession, client: ProviderClient) -> None:
        self._session = session
        self._client = client

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        account = await self.open(credentials)
        try:
            return await self._with_new_device(account, pair)
        except GatewayError:
            with contextlib.suppress(GatewayError):
                await self._end_token(account)  # otherwise each failed attempt would leave a token behind
            raise

    async def _with_new_device(self, account: Account, pair: KeyPair) -> Account:
        user = await self._user(account)
        if user.ips.available and user.ips.allocated >= user.ips.available:
            raise await self._too_many_devices(account)
        try:
            device = await self._create_device(account, pair.public_key)
        except TooManyDevicesError:
            raise await self._too_many_devices(account) from None
        return _with_device(
            replace(
                account,
                # The password is not stored: the token replaces it.
                credentials={"username": account.credentials["username"]},
                private_key=pair.private_key,
                key_created=self._session.now(),
                expires=float(user.expires_at),
                max_devices=user.ips.available,
                checked=self._session.now(),
            ),
            device,
        )

    async def _create_device(self, account: Account, public_key: str) -> Device:
        try:
            return data(await self._ask(account, "POST", "/v3/ips", {"key": public_key}), Device)
        except (ProviderDownError, BadAnswerError):
            # Perhaps it was created and the answer was lost. A device whose key is lost would use up a place for ever.
            devices = await self._devices(account)
            device = next((d for d in devices if any(k.key == public_key for k in d.keys)), None)
            if device is None:
                raise
            return device

    async def open(self, credentials: dict[str, Secret]) -> Account:
        body = {
            "username": credentials["username"].reveal(),
            "password": credentials["password"].reveal(),
            "device_name": "vpn-gateway",
        }
        token = data(await self._client.request("POST", "/v3/tokens", errors=LOGIN_ERRORS, json=body), Token)
        return Account(credentials=credentials, token=Secret(token.key), extra={"token_id": Secret(token.id)})

    async def _user(self, account: Account) -> User:
        user = data(await self._ask(account, "GET", "/v3/users/me"), User)
        if not user.is_active or 0 < user.expires_at <= self._session.now():
            raise AccountExpiredError("This AzireVPN account has expired; add time to it", expires=user.expires_at)
        return user

    async def check(self, account: Account) -> Account:
        user = await self._user(account)
        ours = next((d for d in await self._devices(account) if d.id == account.device_id), None)
        known = {k.key for k in ours.keys} if ours is not None else set[str]()
        account = replace(account, expires=float(user.expires_at), max_devices=user.ips.available)
        for private in (account.private_key, account.pending_key):
            if private is not None and keys.public_key(private) in known:
                return account if private is account.private_key else replace(account, private_key=private)
        raise KeyRevokedError("AzireVPN no longer knows this gateway's key; sign in again")

    async def _devices(self, account: Account) -> list[Device]:
        return data(await self._ask(account, "GET", "/v3/ips"), list[Device])

    async def _too_many_devices(self, account: Account) -> TooManyDevicesError:
        devices = await self._devices(account)
        named = ", ".join(d.device_name or d.ipv4_address for d in devices[:20])
        return TooManyDevicesError(
            f"This account has {len(devices)} devices already: {named}; remove one, then sign in again", field="device"
        )

    async def devices(self, account: Account) -> tuple[ProviderDevice, ...]:
        return tuple(
            ProviderDevice(
                d.id,
                d.device_name or d.ipv4_address,
                float(d.keys[0].created_at) if d.keys else None,
                d.id == account.device_id,
            )
            for d in await self._devices(account)
        )

    async def remove_device(self, account: Account, device_id: str) -> None:
        try:
            await self._ask(account, "DELETE", f"/v3/ips/{quote(device_id, safe='')}")
        except KeyRevokedError:
            return

    async def forget(self, account: Account) -> None:
        if account.device_id:
            await self.remove_device(account, account.device_id)
        await self._end_token(account)

    async def close(self, account: Account) -> None:
        with contextlib.suppress(GatewayError):
            await self._end_token(account)

    async def _end_token(self, account: Account) -> None:
        token = account.extra.get("token_id")
        if token is not None and token.reveal():
            with contextlib.suppress(KeyRevokedError):
                await self._ask(account, "DELETE", f"/v3/tokens/{quote(token.reveal(), safe='')}")

    async def replace_key(self, account: Account, pair: KeyPair) -> Account:
        path = f"/v3/ips/{quote(account.device_id or '', safe='')}/keys"
        data(await self._ask(account, "PUT", path, {"key": pair.public_key}), list[Key])
        return account

    async def _ask(self, account: Account, method: str, path: str, json: object = None) -> Response:
        return await self._client.request(method, path, errors=ERRORS, json=json, bearer=account.token)


def _with_device(account: Account, device: Device) -> Account:
    try:
        addresses = [ipaddress.ip_interface(f"{device.ipv4_address}/32")]
        if device.ipv6_address:
            addresses.append(ipaddress.ip_interface(f"{device.ipv6_address}/128"))
    except ValueError:
        raise BadAnswerError(f"{TITLE} assigned no valid address to this gateway") from None
    return replace(
        account,
        device_id=device.id,
        device_name=device.device_name,
        addresses=tuple(addresses),
        dns=tuple(device.dns),
    )
