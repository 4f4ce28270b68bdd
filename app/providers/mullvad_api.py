"""Mullvad's API as its own app uses it: token, account, devices. One method a request, errors by their ``code``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from app import keys
from app.addresses import Interface
from app.errors import GatewayError
from app.model import Secret
from app.providers.errors import (
    BadAnswerError,
    KeyInUseError,
    KeyRevokedError,
    TooManyDevicesError,
    WrongCredentialsError,
)
from app.providers.http import Api, Response

WHO = "Mullvad"


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


class _Problem(Struct, frozen=True):
    code: str = ""


class TokenRefusedError(GatewayError):
    """The access token is no longer good: ask for another."""

    status = 502
    code = "token_refused"


class DeviceGoneError(KeyRevokedError):
    """There is no device of this id."""


def moment(text: str | None) -> float:
    """RFC 3339 as Unix time. Raises BadAnswerError."""
    try:
        parsed = datetime.fromisoformat(text or "")
    except ValueError:
        raise BadAnswerError(f"{WHO} sent a date that is none") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


class MullvadApi:
    def __init__(self, api: Api) -> None:
        self._api = api

    async def token(self, account_number: Secret) -> tuple[Secret, float]:
        """An access token and when it ends (Unix time). Raises WrongCredentialsError."""
        body = {"account_number": account_number.reveal()}
        token: Token = _read(await self._api.request("POST", "/auth/v1/token", json=body), Token)
        return Secret(token.access_token), moment(token.expiry)

    async def account(self, token: Secret) -> AccountData:
        return _read(await self._api.request("GET", "/accounts/v1/accounts/me", bearer=token), AccountData)

    async def devices(self, token: Secret) -> tuple[DeviceData, ...]:
        answer = await self._api.request("GET", "/accounts/v1/devices", bearer=token)
        return _read(answer, tuple[DeviceData, ...])

    async def create_device(self, token: Secret, public_key: str) -> DeviceData:
        """Raises TooManyDevicesError, KeyInUseError."""
        body = {"pubkey": public_key, "hijack_dns": False}
        return _ours(await self._api.request("POST", "/accounts/v1/devices", json=body, bearer=token), public_key)

    async def replace_key(self, token: Secret, device_id: str, public_key: str) -> DeviceData:
        """Raises DeviceGoneError, KeyInUseError."""
        path = f"/accounts/v1/devices/{quote(device_id, safe='')}/pubkey"
        answer = await self._api.request("PUT", path, json={"pubkey": public_key}, bearer=token)
        return _ours(answer, public_key)

    async def remove_device(self, token: Secret, device_id: str) -> None:
        """Idempotent."""
        path = f"/accounts/v1/devices/{quote(device_id, safe='')}"
        try:
            _judge(await self._api.request("DELETE", path, bearer=token))
        except DeviceGoneError:
            return


def _ours(response: Response, public_key: str) -> DeviceData:
    device: DeviceData = _read(response, DeviceData)
    if device.pubkey != public_key or not device.addresses:
        raise BadAnswerError(f"{WHO} registered another key than the one sent, or gave no address")
    keys.check_public_key(device.pubkey)
    return device


def _read(response: Response, kind: Any) -> Any:
    _judge(response)
    return response.json(kind, WHO)


def _judge(response: Response) -> None:
    if response.ok:
        return
    try:
        problem: _Problem = response.json(_Problem, WHO)
        code = problem.code
    except BadAnswerError:
        code = ""
    match code:
        case "INVALID_ACCOUNT":
            raise WrongCredentialsError("Mullvad does not know this account number", field="account_number")
        case "MAX_DEVICES_REACHED":
            raise TooManyDevicesError("This account has no room for another device", field="device")
        case "PUBKEY_IN_USE":
            raise KeyInUseError("This key is registered with Mullvad already")
        case "DEVICE_NOT_FOUND":
            raise DeviceGoneError("Mullvad no longer knows this device; sign in again")
        case "INVALID_ACCESS_TOKEN":
            raise TokenRefusedError("Mullvad refused its own token")
        case _:
            if response.status == 401:
                raise TokenRefusedError("Mullvad refused its own token")
            shown = f", {code}" if code.isidentifier() and len(code) <= 40 else ""
            raise BadAnswerError(f"Mullvad refused the request (HTTP {response.status}{shown})")
