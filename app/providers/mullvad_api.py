"""Mullvad's API as its own app uses it: token, account, devices. Errors are recognized by their ``code``."""

from __future__ import annotations

import contextlib
from urllib.parse import quote

from msgspec import Struct

from app.addresses import Interface
from app.https.exchange import Response
from app.model import Secret
from app.providers.client import Errors, Problem, ProviderClient, raises
from app.providers.decode import decode_answer, parse_timestamp
from app.providers.errors import (
    BadAnswerError,
    KeyInUseError,
    KeyRevokedError,
    TokenRefusedError,
    TooManyDevicesError,
    WrongCredentialsError,
)

TITLE = "Mullvad"


class Token(Struct, frozen=True):
    access_token: str
    expiry: str


class AccountData(Struct, frozen=True):
    expiry: str
    max_devices: int = 5
    can_add_devices: bool = True


class DeviceData(Struct, frozen=True):
    id: str
    name: str
    pubkey: str
    created: str | None = None
    ipv4_address: Interface | None = None
    ipv6_address: Interface | None = None

    @property
    def addresses(self) -> tuple[Interface, ...]:
        return tuple(a for a in (self.ipv4_address, self.ipv6_address) if a is not None)


_DEVICES = tuple[DeviceData, ...]


class _Refusal(Struct, frozen=True):
    """A refusal; its code is in ``type`` where an endpoint answers with RFC 9457's problem+json."""

    code: str = ""
    type: str = ""


class DeviceGoneError(KeyRevokedError):
    """No device has this id."""


def _problem(answer: Response) -> Problem:
    if answer.ok:
        return None
    try:
        refusal = decode_answer(answer.body, _Refusal, TITLE)
        return refusal.code or refusal.type or answer.status
    except BadAnswerError:
        return answer.status


_TOKEN_REFUSED = raises(TokenRefusedError, "Mullvad refused its own token")

ERRORS = Errors(
    {
        "INVALID_ACCOUNT": raises(
            WrongCredentialsError, "Mullvad does not know this account number", field="account_number"
        ),
        "MAX_DEVICES_REACHED": raises(
            TooManyDevicesError, "This account has no room for another device", field="device"
        ),
        "PUBKEY_IN_USE": raises(KeyInUseError, "This key is registered with Mullvad already"),
        "DEVICE_NOT_FOUND": raises(DeviceGoneError, "Mullvad no longer knows this device; sign in again"),
        "INVALID_ACCESS_TOKEN": _TOKEN_REFUSED,
        401: _TOKEN_REFUSED,
    },
    _problem,
)


class MullvadApi:
    """Sends the requests of Mullvad's API, one method each."""

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    async def token(self, account_number: Secret) -> tuple[Secret, float]:
        """An access token and its expiry (Unix time). Raises WrongCredentialsError."""
        body = {"account_number": account_number.reveal()}
        token = await self._client.read(Token, "POST", "/auth/v1/token", errors=ERRORS, json=body)
        return Secret(token.access_token), parse_timestamp(token.expiry, TITLE)

    async def account(self, token: Secret) -> AccountData:
        return await self._client.read(AccountData, "GET", "/accounts/v1/accounts/me", errors=ERRORS, bearer=token)

    async def devices(self, token: Secret) -> tuple[DeviceData, ...]:
        return await self._client.read(_DEVICES, "GET", "/accounts/v1/devices", errors=ERRORS, bearer=token)

    async def create_device(self, token: Secret, public_key: str) -> DeviceData:
        """Raises TooManyDevicesError, KeyInUseError."""
        body = {"pubkey": public_key, "hijack_dns": False}
        path = "/accounts/v1/devices"
        device = await self._client.read(DeviceData, "POST", path, errors=ERRORS, json=body, bearer=token)
        return _with_key(device, public_key)

    async def replace_key(self, token: Secret, device_id: str, public_key: str) -> DeviceData:
        """Raises DeviceGoneError, KeyInUseError."""
        path = f"/accounts/v1/devices/{quote(device_id, safe='')}/pubkey"
        body = {"pubkey": public_key}
        device = await self._client.read(DeviceData, "PUT", path, errors=ERRORS, json=body, bearer=token)
        return _with_key(device, public_key)

    async def remove_device(self, token: Secret, device_id: str) -> None:
        """Idempotent."""
        path = f"/accounts/v1/devices/{quote(device_id, safe='')}"
        with contextlib.suppress(DeviceGoneError):
            await self._client.request("DELETE", path, errors=ERRORS, bearer=token)


def _with_key(device: DeviceData, public_key: str) -> DeviceData:
    """``device``, checked to have the key that was sent and an address. Raises BadAnswerError."""
    if device.pubkey != public_key or not device.addresses:
        raise BadAnswerError(f"{TITLE} registered a different key, or assigned no address")
    return device
