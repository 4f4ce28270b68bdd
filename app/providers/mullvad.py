"""``mullvad``: sign in with an account number; relays, key rotation, multihop, content blocking."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, ip_address
from typing import TypeVar

from msgspec.structs import replace

from app import keys
from app.errors import ConflictError, GatewayError
from app.keys import KeyPair
from app.model import Endpoint, Peer, ProviderSettings, Secret
from app.providers import mullvad_relays
from app.providers.account_provider import EVERYTHING, SignInProvider
from app.providers.base import Capabilities, CredentialField, ProviderDevice
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyRevokedError,
    ProviderDownError,
    TooManyDevicesError,
)
from app.providers.http import LIST_LIMIT, LIST_TIMEOUT, ApiConfig
from app.providers.mullvad_api import AccountData, DeviceData, MullvadApi, TokenRefusedError, moment
from app.providers.relays import Guard, Relay, RelayList
from app.providers.serverlist import Fetched
from app.store.accounts import Account

T = TypeVar("T")

TOKEN_MARGIN = 60.0  # seconds before its end at which a token counts as ended
FRESH_TOKEN = 600.0  # seconds for which one is used at least

# 100.64.0.N, N the sum of what is to be blocked.
BLOCKING = {"ads": 1, "trackers": 2, "malware": 4, "adult": 8, "gambling": 16, "social": 32}
BLOCKING_DNS = IPv4Address("100.64.0.0")
DNS = IPv4Address("10.64.0.1")


class MullvadProvider(SignInProvider):
    name = "mullvad"
    title = "Mullvad"
    capabilities = Capabilities(
        sign_in=True,
        devices=True,
        key_rotation=True,
        multihop=True,
        choose_port=True,
        ipv6_endpoint=True,
        content_blocking=tuple(BLOCKING),
    )
    credentials = (
        CredentialField(
            "account_number", "Account number", help="the 16 digits of your Mullvad account", pattern=r"[0-9]{16}"
        ),
    )
    apis = {"mullvad": ApiConfig("https://api.mullvad.net", addresses=(IPv4Address("45.83.223.196"),))}

    @property
    def _client(self) -> MullvadApi:
        return MullvadApi(self._api())

    # --- Account -----------------------------------------------------------------------------------------------------

    async def _register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        account = await self._sign_in_token(credentials)
        token = _token(account)
        data = await self._client.account(token)
        self._check_expiry(data)
        if not data.can_add_devices:
            raise await self._too_many(token, data)
        try:
            device = await self._created(token, pair.public_key)
        except TooManyDevicesError:
            raise await self._too_many(token, data) from None
        return _with_device(
            replace(
                account,
                private_key=pair.private_key,
                key_created=self._env.now(),
                expires=moment(data.expiry),
                max_devices=data.max_devices,
                checked=self._env.now(),
            ),
            device,
        )

    async def _created(self, token: Secret, public_key: str) -> DeviceData:
        try:
            return await self._client.create_device(token, public_key)
        except (ProviderDownError, BadAnswerError):
            # Was it made, and only the answer lost? A device that nobody has the key of would take a place for ever.
            device = next((d for d in await self._client.devices(token) if d.pubkey == public_key), None)
            if device is None or not device.addresses:
                raise
            return device

    async def _sign_in_token(self, credentials: dict[str, Secret]) -> Account:
        return await self._renewed(Account(credentials=credentials))

    async def _check(self, account: Account) -> Account:
        account, data = await self._asked(account, self._client.account)
        account, devices = await self._asked(account, self._client.devices)
        self._keep(account)  # the token is worth keeping whatever comes next
        account = replace(account, expires=moment(data.expiry), max_devices=data.max_devices)
        self._check_expiry(data)
        ours = next((d for d in devices if d.id == account.device_id), None)
        for private in (account.private_key, account.pending_key):
            if ours is not None and private is not None and ours.pubkey == keys.public_key(private):
                # The pending key: a rotation reached Mullvad, and we were cut off before its answer was kept.
                pending = None if private is account.pending_key else account.pending_key
                return _with_device(replace(account, private_key=private, pending_key=pending), ours)
        raise KeyRevokedError("This gateway's device was removed from the Mullvad account; sign in again")

    def _check_expiry(self, data: AccountData) -> None:
        ends = moment(data.expiry)
        if ends <= self._env.now():
            day = datetime.fromtimestamp(ends, UTC).date().isoformat()
            raise AccountExpiredError(f"This Mullvad account ran out on {day}; add time to it", expires=ends)

    async def _too_many(self, token: Secret, data: AccountData) -> TooManyDevicesError:
        devices = await self._client.devices(token)
        named = ", ".join(f"{d.name} ({(d.created or '')[:10]})" for d in devices[:20])
        return TooManyDevicesError(
            f"This account has {len(devices)} of {data.max_devices} devices: {named}; remove one, then sign in again",
            field="device",
        )

    async def _forget(self, account: Account) -> None:
        """Also the device of a rotation whose answer was lost: it is known by its key alone."""
        account, devices = await self._asked(account, self._client.devices)
        ours = {keys.public_key(k) for k in (account.private_key, account.pending_key) if k is not None}
        for device_id in [d.id for d in devices if d.pubkey in ours or d.id in {account.device_id, *account.retired}]:
            account, _ = await self._asked(account, lambda token, d=device_id: self._client.remove_device(token, d))

    async def _list_devices(self, account: Account) -> tuple[ProviderDevice, ...]:
        _, devices = await self._asked(account, self._client.devices)
        return tuple(
            ProviderDevice(d.id, d.name, moment(d.created) if d.created else None, d.id == account.device_id)
            for d in devices
        )

    async def _remove_device(self, account: Account, device_id: str) -> None:
        await self._asked(account, lambda token: self._client.remove_device(token, device_id))

    async def _replace_key(self, account: Account, pair: KeyPair) -> Account:
        """A second device while there is room, so that the old key works until the new tunnel is up; else in place."""
        account, devices = await self._asked(account, self._client.devices)
        registered = next((d for d in devices if d.pubkey == pair.public_key), None)
        if registered is not None:  # the answer to an earlier attempt was lost
            return _moved(account, registered)
        if not any(d.id == account.device_id for d in devices):
            raise KeyRevokedError("This gateway's device was removed from the Mullvad account; sign in again")
        account, data = await self._asked(account, self._client.account)
        self._check_expiry(data)
        if data.can_add_devices:
            try:
                account, device = await self._asked(
                    account, lambda token: self._client.create_device(token, pair.public_key)
                )
                return _moved(account, device)
            except TooManyDevicesError:
                pass  # somebody took the last place just now
        device_id = account.device_id or ""
        account, device = await self._asked(
            account, lambda token: self._client.replace_key(token, device_id, pair.public_key)
        )
        return _with_device(account, device)

    async def _settle(self, account: Account) -> Account:
        for device_id in account.retired:
            if device_id != account.device_id:
                account, _ = await self._asked(account, lambda token, d=device_id: self._client.remove_device(token, d))
        return replace(account, retired=())

    async def _asked(self, account: Account, call: Callable[[Secret], Awaitable[T]]) -> tuple[Account, T]:
        """``call`` with a good token; a fresh one where the old is refused."""
        if account.token is None or account.token_expires - TOKEN_MARGIN <= self._env.now():
            account = await self._renewed(account)
        try:
            return account, await call(_token(account))
        except TokenRefusedError:
            account = await self._renewed(account)
            return account, await call(_token(account))

    async def _renewed(self, account: Account) -> Account:
        token, ends = await self._client.token(account.credentials["account_number"])
        # A clock that is ahead would have every token ended already: a fresh one is good for a while at least, and one
        # that Mullvad refuses is replaced anyway.
        return replace(account, token=token, token_expires=max(ends, self._env.now() + FRESH_TOKEN))

    # --- Servers -----------------------------------------------------------------------------------------------------

    async def _fetch(self, etag: str | None) -> Fetched | None:
        api = self._api()
        current = self._servers.current
        if current is not None and not any(r.multihop_port for r in current.relays):
            etag = None  # the second list was out of reach the last time, and is only asked for with the first
        main = await api.request("GET", "/app/v1/relays", etag=etag, limit=LIST_LIMIT, timeout=LIST_TIMEOUT)
        if main.status == 304:
            return None
        if not main.ok:
            raise ConflictError(f"Mullvad gave no server list (HTTP {main.status})", code="bad_server_list")
        more: dict[str, bytes] = {}
        try:
            www = await api.request("GET", "/www/relays/wireguard/", limit=LIST_LIMIT, timeout=LIST_TIMEOUT)
            if www.ok:
                more["www"] = www.body
        except GatewayError:
            pass  # only multihop needs it, and the ports known already serve
        return Fetched(main.body, main.headers.get("etag"), more)

    def _parse(self, fetched: Fetched, guard: Guard, old: RelayList | None) -> RelayList:
        return mullvad_relays.parse(fetched.body, fetched.more.get("www"), guard, old)

    async def _peer(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:
        if settings.multihop_entry is None or settings.multihop_entry == relay.hostname:
            return await super()._peer(relay, account, settings)
        entry = self._servers.entry(settings.multihop_entry)
        if relay.multihop_port is None:
            raise ConflictError(
                f"{relay.hostname} cannot be reached through another server yet: fetch the server list again",
                field="server",
            )
        host = entry.ipv6 if settings.ipv6_endpoint and entry.ipv6 else entry.ipv4
        assert host is not None
        return account, Peer(
            public_key=relay.public_key, endpoint=Endpoint(host, relay.multihop_port), allowed_ips=EVERYTHING
        )

    def _dns(self, account: Account, settings: ProviderSettings) -> Account:
        block = sum(BLOCKING[name] for name in set(settings.content_blocking) if name in BLOCKING)
        if block:
            return replace(account, dns=(BLOCKING_DNS + block,))
        general = self._servers.general
        return replace(account, dns=(ip_address(general.get("dns4", str(DNS))),))


def _token(account: Account) -> Secret:
    assert account.token is not None
    return account.token


def _with_device(account: Account, device: DeviceData) -> Account:
    return replace(
        account, device_id=device.id, device_name=device.name, addresses=device.addresses or account.addresses
    )


def _moved(account: Account, device: DeviceData) -> Account:
    """``account`` on ``device``; the device it had before can go once the tunnel has moved."""
    old = () if account.device_id in {None, device.id} else (str(account.device_id),)
    return _with_device(replace(account, retired=(*account.retired, *old)), device)
