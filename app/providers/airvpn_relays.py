"""AirVPN's server list, ``GET /api/status/`` (pure). It is public: no account is needed for it.

WireGuard listens at the first entry address of every server, with one key for all of them.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from app.providers.decode import decode_list
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.collector import Collector, NotOfferedError
from app.providers.server_list.relay import UNKNOWN, Relay, RelayList
from app.providers.server_list.source import ListSource, body_only

TITLE = "AirVPN"
SERVER_KEY = "PyLCXAQT8KkM4T+dUsOQfn+Ub3pGxfGlxkIApuig+hk="  # of every server
PORTS = (1637, 47107)  # UDP; the usual one first


class _Server(Struct, frozen=True):
    public_name: str
    ip_v4_in1: str = ""
    ip_v6_in1: str = ""
    country_code: str = ""
    country_name: str = UNKNOWN
    location: str = UNKNOWN
    health: str = ""
    currentload: float | None = None


class _List(Struct, frozen=True):
    servers: list[msgspec.Raw]


def parse(data: bytes, policy: AddressPolicy) -> RelayList:
    """The servers of ``/api/status/?format=json``. Raises BadAnswerError."""
    collector = Collector()

    def make(server: _Server) -> Relay:
        name = entry_fields.hostname(server.public_name)
        if server.health != "ok":  # "warning": full or under maintenance; "error": down
            raise NotOfferedError("AirVPN reports a problem with it")
        if not server.ip_v4_in1:
            raise NotOfferedError("it has no IPv4 address")
        return Relay(
            hostname=name,
            public_key=SERVER_KEY,
            country=entry_fields.words(server.country_name, "country"),
            city=entry_fields.words(server.location, "location"),
            country_code=entry_fields.country_code(server.country_code),
            ipv4=policy.address(server.ip_v4_in1, 4, "ip_v4_in1"),
            ipv6=policy.address(server.ip_v6_in1, 6, "ip_v6_in1") if server.ip_v6_in1 else None,
            load=entry_fields.percent(server.currentload),
        )

    document: _List = decode_list(data, _List, TITLE)
    collector.each(document.servers, "servers", _Server, make)
    return collector.finish(TITLE, port_ranges=tuple((port, port) for port in PORTS))


SOURCE = ListSource("/api/status/", body_only(parse), query={"format": "json"})
