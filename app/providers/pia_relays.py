"""PIA's server list, ``GET /vpninfo/servers/v6`` (pure)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from app.providers.decode import decode_list
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.collector import Collector, NotOfferedError
from app.providers.server_list.relay import UNKNOWN, Relay, RelayList
from app.providers.server_list.source import ListSource, body_only
from app.wgconf.countries import COUNTRIES

TITLE = "PIA"
ADD_KEY_PORT = 1337


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


def parse(data: bytes, policy: AddressPolicy) -> RelayList:
    """``/vpninfo/servers/v6``: JSON in the first line, a signature below it. Raises BadAnswerError.

    A server is named after its region, with a number where a region has several: ``se_stockholm``, ``se_stockholm-2``.
    """
    document: _List = decode_list(data.partition(b"\n")[0], _List, TITLE)
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
                    hostname=entry_fields.hostname(name),
                    country=country,
                    city=city,
                    country_code=entry_fields.country_code(region.country),
                    ipv4=policy.address(server.ip, 4, "ip"),
                    features=tuple(f for f, there in features.items() if there),
                    details={"cn": entry_fields.dns_name(server.cn)},
                )

            collector.each([msgspec.Raw(b'{"id":"%s"}' % name.encode())], name, dict[str, str], make)
    ports = {p for g in document.groups.get("wg", []) for p in g.ports if 0 < p < 65536}
    return collector.finish(TITLE, port_ranges=tuple((p, p) for p in sorted(ports)) or ((ADD_KEY_PORT, ADD_KEY_PORT),))


def _region(raw: msgspec.Raw, place: int, collector: Collector) -> _Region | None:
    found: list[_Region] = []

    def look(region: _Region) -> None:
        entry_fields.hostname(region.id)
        _where(region)
        if region.offline:
            raise NotOfferedError("it is offline")
        if not region.servers.get("wg"):
            raise NotOfferedError("it does not speak WireGuard")
        found.append(region)

    collector.each([raw], f"regions[{place}]", _Region, look)
    return found[0] if found else None


def _where(region: _Region) -> tuple[str, str]:
    """City and country of a region, whose name has one or both: "DE Frankfurt", "Sweden"."""
    name = entry_fields.words(region.name, "name")
    country = COUNTRIES.get(region.country.lower(), name)
    code, _, rest = name.partition(" ")
    city = rest if code.isupper() and len(code) == 2 and rest else name
    return (UNKNOWN if city == country else city), country


SOURCE = ListSource("/vpninfo/servers/v6", body_only(parse), api="pia-list")
