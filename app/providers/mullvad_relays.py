"""Mullvad's relay lists: ``/app/v1/relays``, and ``/www/relays/wireguard/`` for the multihop ports (pure)."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import msgspec
from msgspec import Struct

from app.providers.decode import decode_list
from app.providers.errors import BadAnswerError
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy, BadEntryError
from app.providers.server_list.collector import Collector, NotOfferedError
from app.providers.server_list.relay import Relay, RelayList
from app.providers.server_list.source import ListAnswer, ListSource

TITLE = "Mullvad"
MAX_RANGES = 64
_FEATURES = ("daita", "ipv6", "multihop", "quic", "lwo")


class _Location(Struct, frozen=True):
    country: str
    city: str
    latitude: float | None = None
    longitude: float | None = None


class _Place(Struct, frozen=True):
    """A location that was judged; thousands of servers share it."""

    country: str
    city: str
    country_code: str | None
    latitude: float | None
    longitude: float | None


class _WireGuard(Struct, frozen=True):
    relays: list[msgspec.Raw]
    port_ranges: list[tuple[int, int]] = []
    ipv4_gateway: str | None = None
    ipv6_gateway: str | None = None


class _Others(Struct, frozen=True):
    relays: list[msgspec.Raw] = []


class _List(Struct, frozen=True):
    locations: dict[str, msgspec.Raw]
    wireguard: _WireGuard
    openvpn: _Others = _Others()
    bridge: _Others = _Others()


class _Features(Struct, frozen=True, gc=False):
    daita: Any = None
    quic: Any = None
    lwo: Any = None


class _Relay(Struct, frozen=True, gc=False):
    hostname: str
    location: str
    active: bool
    public_key: str
    ipv4_addr_in: str
    ipv6_addr_in: str | None = None
    owned: bool | None = None
    provider: str | None = None
    weight: int = 100
    daita: bool = False
    features: _Features = _Features()


class _WwwRelay(Struct, frozen=True):
    hostname: str
    multihop_port: int | None = None


def parse(data: bytes, www: bytes | None, policy: AddressPolicy, old: RelayList | None = None) -> RelayList:
    """The list, with multihop ports from ``www``, or from ``old`` where ``www`` is missing. Raises BadAnswerError."""
    document: _List = decode_list(data, _List, TITLE)
    collector = Collector()
    places: dict[str, _Place] = {}
    for code, raw in document.locations.items():
        try:
            place = msgspec.json.decode(bytes(raw), type=_Location)
            places[code] = _Place(
                entry_fields.words(place.country, "country"),
                entry_fields.words(place.city, "city"),
                entry_fields.country_code(code[:2]) if code[2:3] == "-" else None,
                entry_fields.degrees(place.latitude, 90),
                entry_fields.degrees(place.longitude, 180),
            )
        except (ValueError, RecursionError) as error:
            shown = code if len(code) <= 20 and code.isascii() and code.isprintable() else "?"
            collector.skip(f"locations.{shown}", str(error))
    ports = _multihop_ports(www, old)

    @functools.cache  # few, each with many servers
    def hoster(name: str) -> str:
        return entry_fields.words(name, "provider")

    def make(entry: _Relay) -> Relay:
        name = entry_fields.hostname(entry.hostname)
        if not entry.active:
            raise NotOfferedError("it is not active")
        place = places.get(entry.location)
        if place is None:
            raise BadEntryError("its location is not in the list")
        ipv6 = policy.address(entry.ipv6_addr_in, 6, "ipv6_addr_in") if entry.ipv6_addr_in else None
        hop = ports.get(name)
        more = entry.features
        features = _features(
            entry.daita or more.daita is not None,
            ipv6 is not None,
            hop is not None,
            more.quic is not None,
            more.lwo is not None,
        )
        return Relay(
            hostname=name,
            public_key=entry_fields.public_key(entry.public_key),
            country=place.country,
            city=place.city,
            country_code=place.country_code,
            ipv4=policy.address(entry.ipv4_addr_in, 4, "ipv4_addr_in"),
            ipv6=ipv6,
            multihop_port=hop,
            owned=entry.owned,
            hosted_by=hoster(entry.provider) if entry.provider else None,
            features=features,
            latitude=place.latitude,
            longitude=place.longitude,
            weight=max(0, min(entry.weight, 1000)),
        )

    collector.each(document.wireguard.relays, "wireguard.relays", _Relay, make)
    for kind, others, what in (
        ("openvpn.relays", document.openvpn, "it speaks OpenVPN, not WireGuard"),
        ("bridge.relays", document.bridge, "it is a bridge, not a WireGuard server"),
    ):
        collector.leave_out(others.relays, kind, what)
    return collector.finish(TITLE, port_ranges=_ranges(document.wireguard), general=_general(document.wireguard))


@functools.cache
def _features(*known: bool) -> tuple[str, ...]:
    return tuple(itertools.compress(_FEATURES, known))


def _ranges(wireguard: _WireGuard) -> tuple[tuple[int, int], ...]:
    good = [(low, high) for low, high in wireguard.port_ranges[:MAX_RANGES] if 0 < low <= high < 65536]
    return tuple(sorted(good))


def _general(wireguard: _WireGuard) -> dict[str, str]:
    """The resolvers inside the tunnel, which must have private addresses."""
    everything = AddressPolicy(allowed=[*_TUNNEL_NETWORKS])
    found: dict[str, str] = {}
    for name, text, version in (("dns4", wireguard.ipv4_gateway, 4), ("dns6", wireguard.ipv6_gateway, 6)):
        try:
            found[name] = everything.address(text, version, name)
        except BadEntryError:
            continue
    return found


_TUNNEL_NETWORKS = entry_fields.networks("10.0.0.0/8", "100.64.0.0/10", "fc00::/7")


def _multihop_ports(www: bytes | None, old: RelayList | None) -> dict[str, int]:
    ports = {r.hostname: r.multihop_port for r in old.relays if r.multihop_port} if old is not None else {}
    if www is None:
        return ports
    try:
        entries = decode_list(www, list[msgspec.Raw], TITLE)
    except BadAnswerError:  # only multihop depends on it
        return ports
    for raw in entries:
        try:
            entry = msgspec.json.decode(bytes(raw), type=_WwwRelay)
        except (ValueError, RecursionError):
            continue
        if entry.multihop_port is not None and 0 < entry.multihop_port < 65536:
            ports[entry.hostname] = entry.multihop_port
    return ports


def _has_multihop(relays: RelayList) -> bool:
    """Whether the second list arrived as well; it is only fetched together with the first."""
    return any(relay.multihop_port for relay in relays.relays)


def _parse_answer(answer: ListAnswer, policy: AddressPolicy) -> RelayList:
    return parse(answer.body, answer.more.get("www"), policy, answer.previous)


SOURCE = ListSource(
    "/app/v1/relays",
    _parse_answer,
    more={"www": "/www/relays/wireguard/"},  # only multihop needs it, and known ports stay
    complete=_has_multihop,
)
