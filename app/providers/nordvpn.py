"""``nordvpn``: an access token gives the account's own NordLynx key; one address for everybody, no rotation."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.keys import KeyPair
from app.model import Secret
from app.providers import relays
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities, CredentialField
from app.providers.errors import AccountExpiredError, BadAnswerError, WrongCredentialsError
from app.providers.http import LIST_LIMIT, LIST_TIMEOUT, ApiConfig, Response
from app.providers.relays import BadEntryError, Collector, Guard, OtherEntryError, Relay, RelayList
from app.providers.serverlist import Fetched
from app.store.accounts import Account

WHO = "NordVPN"
WIREGUARD = "wireguard_udp"
WIREGUARD_ID = 35  # where only the number of a technology is given

ADDRESSES = (ipaddress.ip_interface("10.5.0.2/32"),)
DNS = (ipaddress.ip_address("103.86.96.100"), ipaddress.ip_address("103.86.99.100"))

# The whole list is 33 MB; these fields of it are under 5.
FIELDS = (
    "hostname",
    "station",
    "status",
    "load",
    "groups.title",
    "technologies.identifier",
    "technologies.id",
    "technologies.metadata",
    "technologies.pivot.status",
    "locations.country.name",
    "locations.country.code",
    "locations.country.city.name",
    "locations.country.city.latitude",
    "locations.country.city.longitude",
)
QUERY = {
    "limit": "20000",
    "filters[servers.status]": "online",
    "filters[servers_technologies][identifier]": WIREGUARD,
    **{f"fields[servers.{name}]": "" for name in FIELDS},
}


class _Pivot(Struct, frozen=True):
    status: str = "online"


class _Metadata(Struct, frozen=True):
    name: str
    value: str


class _Technology(Struct, frozen=True):
    id: int = 0
    identifier: str = ""
    metadata: list[_Metadata] = []
    pivot: _Pivot = _Pivot()


class _City(Struct, frozen=True):
    name: str = relays.UNKNOWN
    latitude: float | None = None
    longitude: float | None = None


class _Country(Struct, frozen=True):
    name: str = relays.UNKNOWN
    code: str = ""
    city: _City = _City()


class _Location(Struct, frozen=True):
    country: _Country = _Country()


class _Group(Struct, frozen=True):
    title: str = ""


class _Server(Struct, frozen=True):
    hostname: str
    station: str
    technologies: list[_Technology]
    status: str = "online"
    load: float | None = None
    locations: list[_Location] = []
    groups: list[_Group] = []


class _Credentials(Struct, frozen=True):
    nordlynx_private_key: str


class _Service(Struct, frozen=True):
    class Kind(Struct, frozen=True):
        identifier: str = ""

    expires_at: str = ""
    service: Kind = Kind()


_FEATURES = {"P2P": "p2p", "Double VPN": "multihop", "Onion Over VPN": "onion", "Dedicated IP": "dedicated"}


def parse(data: bytes, guard: Guard) -> RelayList:
    """``GET /v1/servers``, or recommendations, which have the same shape. Raises BadAnswerError."""
    collector = Collector()

    def make(server: _Server) -> Relay:
        name = relays.hostname(server.hostname)
        if server.status != "online":
            raise OtherEntryError("it is not online")
        wireguard = next((t for t in server.technologies if t.identifier == WIREGUARD or t.id == WIREGUARD_ID), None)
        if wireguard is None:
            raise OtherEntryError("it does not speak WireGuard")
        if wireguard.pivot.status != "online":
            raise OtherEntryError("its WireGuard is not online")
        key = next((m.value for m in wireguard.metadata if m.name == "public_key"), None)
        if key is None:
            raise BadEntryError("it has no public key")
        country = server.locations[0].country if server.locations else _Country()
        return Relay(
            hostname=name,
            public_key=relays.public_key(key),
            country=relays.words(country.name, "country"),
            city=relays.words(country.city.name, "city"),
            country_code=relays.country_code(country.code),
            ipv4=guard.address(server.station, 4, "station"),
            load=relays.percent(server.load),
            features=tuple(_FEATURES[g.title] for g in server.groups if g.title in _FEATURES),
            latitude=relays.degrees(country.city.latitude, 90),
            longitude=relays.degrees(country.city.longitude, 180),
        )

    collector.each(relays.decode_list(data, list[msgspec.Raw], WHO), "servers", _Server, make)
    return collector.finish(WHO)


class NordVpnProvider(SignInProvider):
    name = "nordvpn"
    title = "NordVPN"
    capabilities = Capabilities(sign_in=True)
    credentials = (
        CredentialField(
            "token",
            "Access token",
            help="64 letters and digits, made in your Nord Account under NordVPN, Set up manually",
            pattern=r"[A-Za-z0-9]{32,128}",
        ),
    )
    apis = {"nordvpn": ApiConfig("https://api.nordvpn.com")}

    async def _register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:  # noqa: ARG002
        now = self._env.now()
        account = Account(
            credentials=credentials, addresses=ADDRESSES, dns=DNS, device_id="account", key_created=now, checked=now
        )
        return await self._check(account)

    async def _check(self, account: Account) -> Account:
        """The key belongs to the account and may have been made anew there: the latest is the good one."""
        basic = ("token", account.credentials["token"])
        answer = await self._api().request("GET", "/v1/users/services/credentials", basic=basic)
        _judge(answer)
        found: _Credentials = answer.json(_Credentials, WHO)
        private = Secret(found.nordlynx_private_key)
        try:
            keys.public_key(private)
        except keys.InvalidKeyError as error:
            raise BadAnswerError(f"{WHO} gave a key that is none: {error}") from None
        services = await self._api().request("GET", "/v1/users/services", basic=basic)
        expires = _expiry(services.json(list[_Service], WHO)) if services.ok else account.expires
        if 0 < expires <= self._env.now():
            raise AccountExpiredError("This NordVPN subscription has run out", expires=expires)
        return replace(account, private_key=private, expires=expires)

    async def _forget(self, account: Account) -> None:
        """Nothing of ours is there: the key is the account's, and the token is revoked where it was made."""

    async def _fetch(self, etag: str | None) -> Fetched | None:
        answer = await self._api().request(
            "GET", "/v1/servers", query=QUERY, etag=etag, limit=LIST_LIMIT, timeout=LIST_TIMEOUT
        )
        if answer.status == 304:
            return None
        _judge(answer)
        return Fetched(answer.body, answer.headers.get("etag"))

    def _parse(self, fetched: Fetched, guard: Guard, old: RelayList | None) -> RelayList:  # noqa: ARG002
        return parse(fetched.body, guard)


def _judge(answer: Response) -> None:
    if answer.status in {401, 403}:
        raise WrongCredentialsError("NordVPN does not accept this access token; make a new one", field="token")
    if not answer.ok:
        raise BadAnswerError(f"{WHO} refused the request (HTTP {answer.status})")


def _expiry(services: list[_Service]) -> float:
    """Of the VPN among the account's services; 0 where it is not told."""
    for service in services:
        if service.service.identifier == "vpn":
            try:
                return datetime.fromisoformat(service.expires_at).replace(tzinfo=UTC).timestamp()
            except ValueError:
                return 0.0
    return 0.0
