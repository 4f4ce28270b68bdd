"""IVPN's server list, ``GET /v5/servers.json`` (pure)."""

from __future__ import annotations

import contextlib

import msgspec
from msgspec import Struct

from app.providers.decode import decode_list
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy, BadEntryError
from app.providers.server_list.collector import Collector
from app.providers.server_list.relay import API_ADDRESSES, Relay, RelayList
from app.providers.server_list.source import ListSource, body_only

TITLE = "IVPN"

MAX_API_ADDRESSES = 8

_TUNNEL = entry_fields.networks("10.0.0.0/8", "172.16.0.0/12", "fd00::/8")


class _Ipv6(Struct, frozen=True):
    local_ip: str | None = None


class _Host(Struct, frozen=True):
    hostname: str
    host: str
    public_key: str
    local_ip: str | None = None
    ipv6: _Ipv6 | None = None  # missing on hosts that carry no IPv6
    load: float | None = None
    multihop_port: int | None = None
    isp: str | None = None


class _Gateway(Struct, frozen=True):
    country: str
    city: str
    hosts: list[msgspec.Raw]
    country_code: str = ""
    latitude: float | None = None
    longitude: float | None = None


class _Range(Struct, frozen=True):
    min: int
    max: int


class _Port(Struct, frozen=True):
    type: str = ""
    port: int | None = None
    range: _Range | None = None


class _Ports(Struct, frozen=True):
    wireguard: list[_Port] = []


class _Tracker(Struct, frozen=True):
    ip: str | None = None


class _Api(Struct, frozen=True):
    ips: list[str] = []
    ipv6s: list[str] = []


class _Config(Struct, frozen=True):
    ports: _Ports = _Ports()
    api: _Api = _Api()
    antitracker: dict[str, _Tracker] = {}


class _List(Struct, frozen=True):
    wireguard: list[msgspec.Raw]
    openvpn: list[msgspec.Raw] = []
    config: _Config = _Config()


class _OtherHosts(Struct, frozen=True):
    hosts: list[msgspec.Raw] = []


def parse(data: bytes, policy: AddressPolicy) -> RelayList:
    """``GET /v5/servers.json``. Raises BadAnswerError."""
    document: _List = decode_list(data, _List, TITLE)
    collector = Collector()
    for place, raw in enumerate(document.wireguard):
        try:
            gateway = msgspec.json.decode(bytes(raw), type=_Gateway)
            country, city = entry_fields.words(gateway.country, "country"), entry_fields.words(gateway.city, "city")
        except (ValueError, RecursionError) as error:
            collector.skip(f"wireguard[{place}]", str(error))
            continue

        def make(host: _Host, gateway: _Gateway = gateway, country: str = country, city: str = city) -> Relay:
            hop = entry_fields.port(host.multihop_port, "multihop_port")
            try:
                resolver = AddressPolicy(allowed=_TUNNEL).address(
                    (host.local_ip or "").partition("/")[0], 4, "local_ip"
                )
            except BadEntryError:
                resolver = ""
            has_ipv6 = host.ipv6 is not None and bool(host.ipv6.local_ip)
            return Relay(
                hostname=entry_fields.hostname(host.hostname),
                public_key=entry_fields.public_key(host.public_key),
                country=country,
                city=city,
                country_code=entry_fields.country_code(gateway.country_code),
                ipv4=policy.address(host.host, 4, "host"),
                multihop_port=hop,
                load=entry_fields.percent(host.load),
                hosted_by=entry_fields.words(host.isp, "isp") if host.isp else None,
                features=("multihop",) if hop else (),
                latitude=entry_fields.degrees(gateway.latitude, 90),
                longitude=entry_fields.degrees(gateway.longitude, 180),
                details={**({"dns": resolver} if resolver else {}), **({} if has_ipv6 else {"ipv6": "no"})},
            )

        collector.each(gateway.hosts, f"wireguard[{place}].hosts", _Host, make)
    for place, raw in enumerate(document.openvpn):
        try:
            others = msgspec.json.decode(bytes(raw), type=_OtherHosts)
        except (ValueError, RecursionError):
            continue
        collector.leave_out(others.hosts, f"openvpn[{place}].hosts", "it speaks OpenVPN, not WireGuard")
    return collector.finish(TITLE, port_ranges=_ranges(document.config), general=_general(document.config, policy))


def _ranges(config: _Config) -> tuple[tuple[int, int], ...]:
    found: set[tuple[int, int]] = set()
    for entry in config.ports.wireguard:
        low, high = (entry.range.min, entry.range.max) if entry.range else (entry.port or 0, entry.port or 0)
        if entry.type.upper() == "UDP" and 0 < low <= high < 65536:
            found.add((low, high))
    return tuple(sorted(found))


def _general(config: _Config, policy: AddressPolicy) -> dict[str, str]:
    """The blocking resolvers inside the tunnel, and the API's own addresses on the Internet."""
    found: dict[str, str] = {}
    addresses: list[str] = []
    for texts, version in ((config.api.ips, 4), (config.api.ipv6s, 6)):
        for text in texts[:MAX_API_ADDRESSES]:
            with contextlib.suppress(BadEntryError):
                addresses.append(policy.address(text, version, "ips"))
    if addresses:
        found[API_ADDRESSES] = " ".join(addresses)
    for ours, theirs in (("trackers", "default"), ("hardcore", "hardcore")):
        tracker = config.antitracker.get(theirs)
        if tracker is not None and tracker.ip is not None:
            try:
                found[f"dns_{ours}"] = AddressPolicy(allowed=_TUNNEL).address(tracker.ip, 4, "ip")
            except BadEntryError:
                continue
    return found


SOURCE = ListSource("/v5/servers.json", body_only(parse))
