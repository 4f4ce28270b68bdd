"""``azirevpn``: an access token and an "IP" (their word for a device) with our key; servers are found by name."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.addresses import Address
from app.errors import GatewayError
from app.keys import KeyPair
from app.model import Secret
from app.providers import relays
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities, CredentialField, ProviderDevice
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyInUseError,
    KeyRevokedError,
    ProviderDownError,
    TooManyDevicesError,
    WrongCredentialsError,
)
from app.providers.http import LIST_LIMIT, LIST_TIMEOUT, ApiConfig, Response
from app.providers.relays import Collector, Guard, Relay, RelayList
from app.providers.serverlist import Fetched
from app.store.accounts import Account

WHO = "AzireVPN"


class _Location(Struct, frozen=True):
    name: str
    city: str
    country: str
    pool: str
    pubkey: str
    iso: str = ""


class _List(Struct, frozen=True):
    status: str
    locations: list[msgspec.Raw]


class _Token(Struct, frozen=True):
    key: str
    id: str = ""


class _Key(Struct, frozen=True):
    key: str
    created_at: int = 0


class _Device(Struct, frozen=True):
    id: str
    ipv4_address: str
    ipv6_address: str | None = None
    dns: list[Address] = []
    device_name: str | None = None
    keys: list[_Key] = []


class _Ips(Struct, frozen=True):
    allocated: int = 0
    available: int = 0


class _User(Struct, frozen=True):
    is_active: bool = True
    expires_at: int = 0
    ips: _Ips = _Ips()


class _Message(Struct, frozen=True):
    message: str = ""


def parse(data: bytes, guard: Guard) -> RelayList:  # noqa: ARG001 - the list has names, not addresses
    """``GET /v3/locations``. Raises BadAnswerError."""
    collector = Collector()

    def make(place: _Location) -> Relay:
        return Relay(
            hostname=relays.hostname(place.name),
            public_key=relays.public_key(place.pubkey),
            country=relays.words(place.country, "country"),
            city=relays.words(place.city, "city"),
            country_code=relays.country_code(place.iso),
            endpoint_name=relays.dns_name(place.pool),
        )

    document: _List = relays.decode_list(data, _List, WHO)
    collector.each(document.locations, "locations", _Location, make)
    return collector.finish(WHO)


class AzireVpnProvider(SignInProvider):
    name = "azirevpn"
    title = "AzireVPN"
    capabilities = Capabilities(sign_in=True, devices=True, key_rotation=True)
    credentials = (
        CredentialField("username", "User name", secret=False),
        CredentialField("password", "Password"),
    )
    apis = {"azirevpn": ApiConfig("https://api.azirevpn.com")}

    async def _register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        account = await self._sign_in_token(credentials)
        try:
            return await self._with_new_device(account, pair)
        except GatewayError:
            with contextlib.suppress(GatewayError):
                await self._end_token(account)  # each attempt would leave one
            raise

    async def _with_new_device(self, account: Account, pair: KeyPair) -> Account:
        user = await self._user(account)
        if user.ips.available and user.ips.allocated >= user.ips.available:
            raise await self._too_many(account)
        try:
            device = await self._created(account, pair.public_key)
        except TooManyDevicesError:
            raise await self._too_many(account) from None
        return _with_device(
            replace(
                account,
                # The token stands for the password from here on.
                credentials={"username": account.credentials["username"]},
                private_key=pair.private_key,
                key_created=self._env.now(),
                expires=float(user.expires_at),
                max_devices=user.ips.available,
                checked=self._env.now(),
            ),
            device,
        )

    async def _created(self, account: Account, public_key: str) -> _Device:
        try:
            return await self._ask(account, "POST", "/v3/ips", _Device, json={"key": public_key})
        except (ProviderDownError, BadAnswerError):
            # Was it made, and only the answer lost? A device that nobody has the key of would take a place for ever.
            devices = await self._devices(account)
            device = next((d for d in devices if any(k.key == public_key for k in d.keys)), None)
            if device is None:
                raise
            return device

    async def _sign_in_token(self, credentials: dict[str, Secret]) -> Account:
        body = {
            "username": credentials["username"].reveal(),
            "password": credentials["password"].reveal(),
            "device_name": "vpn-gateway",
        }
        answer = await self._api().request("POST", "/v3/tokens", json=body)
        if answer.status in {400, 401, 403, 422}:
            raise WrongCredentialsError("AzireVPN does not accept this user name and password", field="password")
        token: _Token = _data(answer, _Token)
        return Account(credentials=credentials, token=Secret(token.key), extra={"token_id": Secret(token.id)})

    async def _user(self, account: Account) -> _User:
        user: _User = await self._ask(account, "GET", "/v3/users/me", _User)
        if not user.is_active or 0 < user.expires_at <= self._env.now():
            raise AccountExpiredError("This AzireVPN account has run out; add time to it", expires=user.expires_at)
        return user

    async def _check(self, account: Account) -> Account:
        user = await self._user(account)
        ours = next((d for d in await self._devices(account) if d.id == account.device_id), None)
        known = {k.key for k in ours.keys} if ours is not None else set[str]()
        account = replace(account, expires=float(user.expires_at), max_devices=user.ips.available)
        for private in (account.private_key, account.pending_key):
            if private is not None and keys.public_key(private) in known:
                return account if private is account.private_key else replace(account, private_key=private)
        raise KeyRevokedError("AzireVPN no longer knows this gateway's key; sign in again")

    async def _devices(self, account: Account) -> list[_Device]:
        return await self._ask(account, "GET", "/v3/ips", list[_Device])

    async def _too_many(self, account: Account) -> TooManyDevicesError:
        devices = await self._devices(account)
        named = ", ".join(d.device_name or d.ipv4_address for d in devices[:20])
        return TooManyDevicesError(
            f"This account has {len(devices)} devices already: {named}; remove one, then sign in again", field="device"
        )

    async def _list_devices(self, account: Account) -> tuple[ProviderDevice, ...]:
        return tuple(
            ProviderDevice(
                d.id,
                d.device_name or d.ipv4_address,
                float(d.keys[0].created_at) if d.keys else None,
                d.id == account.device_id,
            )
            for d in await self._devices(account)
        )

    async def _remove_device(self, account: Account, device_id: str) -> None:
        try:
            await self._ask(account, "DELETE", f"/v3/ips/{quote(device_id, safe='')}", None)
        except KeyRevokedError:
            return

    async def _forget(self, account: Account) -> None:
        if account.device_id:
            await self._remove_device(account, account.device_id)
        await self._end_token(account)

    async def _dismiss(self, tried: Account) -> None:
        with contextlib.suppress(GatewayError):
            await self._end_token(tried)

    async def _end_token(self, account: Account) -> None:
        token = account.extra.get("token_id")
        if token is not None and token.reveal():
            with contextlib.suppress(KeyRevokedError):
                await self._ask(account, "DELETE", f"/v3/tokens/{quote(token.reveal(), safe='')}", None)

    async def _replace_key(self, account: Account, pair: KeyPair) -> Account:
        path = f"/v3/ips/{quote(account.device_id or '', safe='')}/keys"
        await self._ask(account, "PUT", path, list[_Key], json={"key": pair.public_key})
        return account

    async def _ask(self, account: Account, method: str, path: str, kind: Any, json: object = None) -> Any:
        answer = await self._api().request(method, path, json=json, bearer=account.token)
        if answer.status == 401:
            raise WrongCredentialsError(
                "AzireVPN does not accept this gateway's token; sign in again", field="password"
            )
        if answer.status == 404:
            raise KeyRevokedError("AzireVPN no longer knows this gateway's device; sign in again")
        if answer.status == 409:
            raise KeyInUseError("This key is registered with AzireVPN already")
        if not answer.ok and "limit" in _message(answer).lower():
            raise TooManyDevicesError("This account has no room for another device", field="device")
        return _data(answer, kind) if kind is not None else _judge(answer)

    async def _fetch(self, etag: str | None) -> Fetched | None:
        answer = await self._api().request("GET", "/v3/locations", etag=etag, limit=LIST_LIMIT, timeout=LIST_TIMEOUT)
        if answer.status == 304:
            return None
        _judge(answer)
        return Fetched(answer.body, answer.headers.get("etag"))

    def _parse(self, fetched: Fetched, guard: Guard, old: RelayList | None) -> RelayList:  # noqa: ARG002
        return parse(fetched.body, guard)


def _judge(answer: Response) -> None:
    if not answer.ok:
        raise BadAnswerError(f"{WHO} refused the request (HTTP {answer.status})")


def _message(answer: Response) -> str:
    try:
        return answer.json(_Message, WHO).message
    except BadAnswerError:
        return ""


def _data(answer: Response, kind: Any) -> Any:
    """The ``data`` of an answer. Raises BadAnswerError."""
    _judge(answer)
    frame: dict[str, msgspec.Raw] = answer.json(dict[str, msgspec.Raw], WHO)
    inner = bytes(frame["data"]) if "data" in frame else answer.body  # their documents show some answers without
    return Response(answer.status, {}, inner).json(kind, WHO)


def _with_device(account: Account, device: _Device) -> Account:
    try:
        addresses = [ipaddress.ip_interface(f"{device.ipv4_address}/32")]
        if device.ipv6_address:
            addresses.append(ipaddress.ip_interface(f"{device.ipv6_address}/128"))
    except ValueError:
        raise BadAnswerError(f"{WHO} gave this gateway no address") from None
    return replace(
        account,
        device_id=device.id,
        device_name=device.device_name,
        addresses=tuple(addresses),
        dns=tuple(device.dns),
    )
