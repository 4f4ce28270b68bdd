"""AirVPN's public list of servers, ``GET /api/status/?format=json`` (pure)."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from app.providers.decode import decode_list
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.collector import Collector, NotOfferedError
from app.providers.server_list.relay import Relay, RelayList
from app.providers.server_list.source import ListSource, body_only

TITLE = "AirVPN"

PUBLIC_KEY = "PyLCXAQT8KkM4T+dUsOQfn+Ub3pGxfGlxkIApuig+hk="  # of all servers
PORTS = (1637, 47107)


class _Server(Struct, frozen=True):
    public_name: str
    country_name: str = entry_fields.UNKNOWN
    location: str = entry_fields.UNKNOWN
    country_code: str = ""
    health: str = "ok"
    ip_v4_in1: str | None = None  # of the addresses, the first one speaks WireGuard
    ip_v6_in1: str | None = None
    currentload: float | None = None


class _List(Struct, frozen=True):
    servers: list[msgspec.Raw]


def parse(data: bytes, policy: AddressPolicy) -> RelayList:
    """The list. Raises BadAnswerError."""
    document: _List = decode_list(data, _List, TITLE)
    collector = Collector()

    def make(server: _Server) -> Relay:
        if server.health != "ok":
            raise NotOfferedError("it is not well")
        if not server.ip_v4_in1:
            raise NotOfferedError("it has no IPv4 address")
        return Relay(
            hostname=entry_fields.hostname(server.public_name),
            public_key=PUBLIC_KEY,
            country=entry_fields.words(server.country_name, "country_name"),
            city=entry_fields.words(server.location, "location"),
            country_code=entry_fields.country_code(server.country_code),
            ipv4=policy.address(server.ip_v4_in1, 4, "ip_v4_in1"),
            ipv6=policy.address(server.ip_v6_in1, 6, "ip_v6_in1") if server.ip_v6_in1 else None,
            load=entry_fields.percent(server.currentload),
            features=("ipv6",) if server.ip_v6_in1 else (),
        )

    collector.each(document.servers, "servers", _Server, make)
    return collector.finish(TITLE, port_ranges=tuple((port, port) for port in PORTS))


SOURCE = ListSource("/api/status/", body_only(parse), query={"format": "json"})
