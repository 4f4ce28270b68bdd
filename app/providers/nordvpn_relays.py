"""NordVPN's server list, ``GET /v1/servers`` (pure)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from app.providers.decode import decode_list
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy, BadEntryError
from app.providers.server_list.collector import Collector, NotOfferedError
from app.providers.server_list.relay import UNKNOWN, Relay, RelayList
from app.providers.server_list.source import ListSource, body_only

TITLE = "NordVPN"
WIREGUARD = "wireguard_udp"
WIREGUARD_ID = 35  # for entries that give only the number of a technology

# The whole list is 33 MB, and these fields alone have some 6 MB before compression. What the filters say already is not
# asked for: that a server is online, and the name of the technology.
FIELDS = (
    "hostname",
    "station",
    "load",
    "groups.id",
    "specifications.identifier",
    "specifications.values.value",
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
    name: str = ""
    value: Any = None  # NordVPN's own app allows for any type here


class _Technology(Struct, frozen=True):
    id: int = 0
    identifier: str = ""
    metadata: list[_Metadata] = []
    pivot: _Pivot = _Pivot()


class _City(Struct, frozen=True):
    name: str = UNKNOWN
    latitude: float | None = None
    longitude: float | None = None


class _Country(Struct, frozen=True):
    name: str = UNKNOWN
    code: str = ""
    city: _City = _City()


class _Location(Struct, frozen=True):
    country: _Country = _Country()


class _Group(Struct, frozen=True):
    id: int = 0


class _Value(Struct, frozen=True):
    value: Any = None


class _Specification(Struct, frozen=True):
    identifier: str = ""
    values: list[_Value] = []


class _Server(Struct, frozen=True):
    hostname: str
    station: str
    technologies: list[_Technology]
    status: str = "online"
    load: float | None = None
    locations: list[_Location] = []
    groups: list[_Group] = []
    specifications: list[_Specification] = []

    @property
    def is_virtual(self) -> bool:
        """Whether the server stands in another country than the one it is listed in."""
        found = (v.value for s in self.specifications if s.identifier == "virtual_location" for v in s.values)
        return any(value in (True, "true") for value in found)


_FEATURES = {15: "p2p", 1: "multihop", 3: "onion"}  # by the group's number
_DEDICATED = frozenset({9, 99})  # groups of servers that accept nobody but the customer who rents them


def parse(data: bytes, policy: AddressPolicy) -> RelayList:
    """``GET /v1/servers``, or recommendations, which have the same format. Raises BadAnswerError."""
    collector = Collector()

    def make(server: _Server) -> Relay:
        name = entry_fields.hostname(server.hostname)
        if server.status != "online":
            raise NotOfferedError("it is not online")
        wireguard = next((t for t in server.technologies if t.identifier == WIREGUARD or t.id == WIREGUARD_ID), None)
        if wireguard is None:
            raise NotOfferedError("it does not speak WireGuard")
        if wireguard.pivot.status != "online":
            raise NotOfferedError("its WireGuard is not online")
        groups = [group.id for group in server.groups]
        if not _DEDICATED.isdisjoint(groups):
            raise NotOfferedError("it is dedicated to another customer")
        key = next((m.value for m in wireguard.metadata if m.name == "public_key" and isinstance(m.value, str)), None)
        if key is None:
            raise BadEntryError("it has no public key")
        country = server.locations[0].country if server.locations else _Country()
        return Relay(
            hostname=name,
            public_key=entry_fields.public_key(key.strip()),
            country=entry_fields.words(country.name, "country"),
            city=entry_fields.words(country.city.name, "city"),
            country_code=entry_fields.country_code(country.code),
            ipv4=policy.address(server.station, 4, "station"),
            load=entry_fields.percent(server.load),
            features=(*(_FEATURES[g] for g in groups if g in _FEATURES), *(("virtual",) if server.is_virtual else ())),
            latitude=entry_fields.degrees(country.city.latitude, 90),
            longitude=entry_fields.degrees(country.city.longitude, 180),
        )

    collector.each(decode_list(data, list[msgspec.Raw], TITLE), "servers", _Server, make)
    return collector.finish(TITLE)


SOURCE = ListSource("/v1/servers", body_only(parse), query=QUERY)
