"""``pia`` (Private Internet Access): a token, and then a key registered with each server just before it is dialled.

The servers' certificates are of PIA's own authority, which PIA publishes and which does not come with this gateway:
people give it when they sign in, or ``providers.toml`` names the file.
"""

from __future__ import annotations

import base64
import ipaddress
import ssl
import time
from ipaddress import IPv4Address
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.errors import InvalidFieldError
from app.keys import KeyPair
from app.model import Endpoint, Peer, ProviderSettings, Secret
from app.providers import relays
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities, CredentialField
from app.providers.errors import BadAnswerError, KeyRevokedError, WrongCredentialsError
from app.providers.http import LIST_LIMIT, LIST_TIMEOUT, Api, ApiConfig, tls_context
from app.providers.relays import Collector, Guard, OtherEntryError, Relay, RelayList
from app.providers.serverlist import Fetched
from app.store.accounts import Account
from app.wgconf.countries import COUNTRIES

WHO = "PIA"
ADD_KEY_PORT = 1337
TOKEN_LIFE = 23 * 3600.0  # seconds; PIA's tokens last a day
REGISTRATION_LIFE = 120.0  # seconds: one connect asks several times, a server forgets an unused key after hours

_BEGIN, _END = "-----BEGINCERTIFICATE-----", "-----ENDCERTIFICATE-----"

V4_ONLY = relays.networks("0.0.0.0/0")


class _Server(Struct, frozen=True):
    ip: str
    cn: str


class _Region(Struct, frozen=True):
    id: str
    name: str
    country: str
    servers: dict[str, list[_Server]]
    offline: bool = False
    port_forward: bool = False
    geo: bool = False


class _Group(Struct, frozen=True):
    name: str = ""
    ports: list[int] = []


class _List(Struct, frozen=True):
    regions: list[msgspec.Raw]
    groups: dict[str, list[_Group]] = {}


class _Token(Struct, frozen=True):
    token: str


class _Added(Struct, frozen=True):
    status: str
    server_key: str = ""
    server_port: int = 0
    server_ip: str = ""
    peer_ip: str = ""
    dns_servers: list[str] = []


def parse(data: bytes, guard: Guard) -> RelayList:
    """``/vpninfo/servers/v6``: JSON in the first line, a signature below it. Raises BadAnswerError.

    A server's name here is its region's, numbered where a region has several: ``se_stockholm``, ``se_stockholm-2``.
    """
    document: _List = relays.decode_list(data.partition(b"\n")[0], _List, WHO)
    collector = Collector()
    for place, raw in enumerate(document.regions):
        region = _region(raw, place, collector)
        if region is None:
            continue
        for number, server in enumerate(region.servers.get("wg", []), 1):
            name = region.id if number == 1 else f"{region.id}-{number}"
            features = {"port_forward": region.port_forward, "virtual": region.geo}

            def make(
                _: object,
                region: _Region = region,
                server: _Server = server,
                name: str = name,
                features: Any = features,
            ) -> Relay:
                city, country = _where(region)
                return Relay(
                    hostname=relays.hostname(name),
                    country=country,
                    city=city,
                    country_code=relays.country_code(region.country),
                    ipv4=guard.address(server.ip, 4, "ip"),
                    features=tuple(f for f, there in features.items() if there),
                    details={"cn": relays.dns_name(server.cn)},
                )

            collector.each([msgspec.Raw(b'{"id":"%s"}' % name.encode())], name, dict[str, str], make)
    ports = {p for g in document.groups.get("wg", []) for p in g.ports if 0 < p < 65536}
    return collector.finish(WHO, port_ranges=tuple((p, p) for p in sorted(ports)) or ((ADD_KEY_PORT, ADD_KEY_PORT),))


def _region(raw: msgspec.Raw, place: int, collector: Collector) -> _Region | None:
    found: list[_Region] = []

    def look(region: _Region) -> None:
        relays.hostname(region.id)
        _where(region)
        if region.offline:
            raise OtherEntryError("it is offline")
        if not region.servers.get("wg"):
            raise OtherEntryError("it does not speak WireGuard")
        found.append(region)

    collector.each([raw], f"regions[{place}]", _Region, look)
    return found[0] if found else None


def _where(region: _Region) -> tuple[str, str]:
    """City and country of a region, whose name is one of both or has both: "DE Frankfurt", "Sweden"."""
    name = relays.words(region.name, "name")
    country = COUNTRIES.get(region.country.lower(), name)
    code, _, rest = name.partition(" ")
    city = rest if code.isupper() and len(code) == 2 and rest else name
    return (relays.UNKNOWN if city == country else city), country


class PiaProvider(SignInProvider):
    name = "pia"
    title = "Private Internet Access"
    capabilities = Capabilities(sign_in=True)
    credentials = (
        CredentialField("username", "User name", help="p and seven digits", pattern=r"[px][0-9]{7}"),
        CredentialField("password", "Password"),
        CredentialField(
            "ca_certificate",
            "PIA's certificate authority",
            secret=False,
            optional=True,
            help="the file ca.rsa.4096.crt that PIA publishes, as text, from BEGIN CERTIFICATE to END CERTIFICATE",
            pattern=r"-----BEGINCERTIFICATE-----[A-Za-z0-9+/=]{64,8000}-----ENDCERTIFICATE-----",
            longest=8192,
        ),
    )
    apis = {
        "pia": ApiConfig("https://www.privateinternetaccess.com"),
        "pia-list": ApiConfig("https://serverlist.piaservers.net"),
        # Each server answers by its own name and address; only port and authority are taken from here.
        "pia-server": ApiConfig(f"https://server.invalid:{ADD_KEY_PORT}"),
    }
    _registered: tuple[str, float, Account, Peer] | None = None

    async def _register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        now = self._env.now()
        if self._authority(credentials) is None:
            raise InvalidFieldError(
                "PIA's certificate authority: it is needed, because PIA's servers have certificates of their own",
                field="ca_certificate",
            )
        account = Account(
            credentials=credentials,
            private_key=pair.private_key,
            key_created=now,
            device_id="account",
            checked=now,
            # A placeholder until the first server gives the real one (RFC 6890's dummy address).
            addresses=(ipaddress.ip_interface("192.0.0.8/32"),),
        )
        return await self._check(account)

    async def _check(self, account: Account) -> Account:
        form = {name: account.credentials[name].reveal() for name in ("username", "password")}
        answer = await self._api().request("POST", "/api/client/v2/token", form=form)
        if answer.status in {400, 401, 403}:
            raise WrongCredentialsError("PIA does not accept this user name and password", field="password")
        if not answer.ok:
            raise BadAnswerError(f"{WHO} refused the request (HTTP {answer.status})")
        token: _Token = answer.json(_Token, WHO)
        return replace(account, token=Secret(token.token), token_expires=self._env.now() + TOKEN_LIFE)

    def _authority(self, credentials: dict[str, Secret]) -> str | None:
        """The authority of PIA's servers: as set for this gateway, or as given. Raises InvalidFieldError."""
        config = self._env.apis.get("pia-server")
        if config is not None and config.ca is not None:
            return config.ca
        if "ca_certificate" not in credentials:
            return None
        body = credentials["ca_certificate"].reveal().removeprefix(_BEGIN).removesuffix(_END)
        try:
            pem = ssl.DER_cert_to_PEM_cert(base64.b64decode(body, validate=True))
            tls_context(pem)
        except (ValueError, ssl.SSLError):
            raise InvalidFieldError("PIA's certificate authority: it cannot be read", field="ca_certificate") from None
        return pem

    async def _forget(self, account: Account) -> None:
        """Nothing lasts there: a server forgets a key that is not used."""

    async def _peer(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:  # noqa: ARG002
        last = self._registered
        fresh = last is not None and time.monotonic() - last[1] < REGISTRATION_LIFE
        if last is not None and fresh and (last[0], last[2].private_key) == (relay.hostname, account.private_key):
            return last[2], last[3]
        async with self._lock:
            if account.token is None or account.token_expires <= self._env.now():
                account = await self._check(account)
                self._keep(account)
            private = account.private_key
            if private is None:
                raise KeyRevokedError("The key for PIA was lost; sign in again")
            added = await self._add_key(relay, account, keys.public_key(private))
        account, peer = self._understood(relay, account, added)
        self._registered = (relay.hostname, time.monotonic(), account, peer)
        return account, peer

    async def _add_key(self, relay: Relay, account: Account, public_key: str) -> _Added:
        config = self._env.apis.get("pia-server") or self.apis["pia-server"]
        authority = self._authority(account.credentials)
        port = config.url.rpartition(":")[2].rstrip("/")
        number = int(port) if port.isdigit() else ADD_KEY_PORT
        url = f"https://{relay.details['cn']}:{number}"
        api = Api(
            self._env.outgoing, ApiConfig(url, (IPv4Address(relay.ipv4 or ""),), authority), f"{WHO} {relay.hostname}"
        )
        token = account.token.reveal() if account.token is not None else ""
        answer = await api.request("GET", "/addKey", query={"pt": token, "pubkey": public_key})
        if answer.status in {401, 403}:
            raise WrongCredentialsError("PIA's server does not accept this sign-in; sign in again", field="password")
        added: _Added = answer.json(_Added, WHO)
        if added.status != "OK":
            raise KeyRevokedError(f"{relay.hostname} did not take this gateway's key")
        return added

    def _understood(self, relay: Relay, account: Account, added: _Added) -> tuple[Account, Peer]:
        try:
            address = ipaddress.IPv4Interface(added.peer_ip.partition("/")[0])
            dns = tuple(ipaddress.ip_address(text) for text in added.dns_servers[:4])
            key = keys.check_public_key(added.server_key)
        except ValueError as error:
            raise BadAnswerError(f"{WHO} gave something that cannot be used: {error}") from None
        if not 0 < added.server_port < 65536 or added.server_ip not in {"", relay.ipv4}:
            raise BadAnswerError(f"{WHO} names another server than the one asked")
        endpoint = Endpoint(relay.ipv4 or "", added.server_port)
        peer = Peer(public_key=key, endpoint=endpoint, allowed_ips=V4_ONLY)
        return replace(account, addresses=(address,), dns=dns), peer

    async def _fetch(self, etag: str | None) -> Fetched | None:
        answer = await self._api("pia-list").request(
            "GET", "/vpninfo/servers/v6", etag=etag, limit=LIST_LIMIT, timeout=LIST_TIMEOUT
        )
        if answer.status == 304:
            return None
        if not answer.ok:
            raise BadAnswerError(f"{WHO} gave no server list (HTTP {answer.status})", code="bad_server_list")
        return Fetched(answer.body, answer.headers.get("etag"))

    def _parse(self, fetched: Fetched, guard: Guard, old: RelayList | None) -> RelayList:  # noqa: ARG002
        return parse(fetched.body, guard)
