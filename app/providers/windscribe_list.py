"""Windscribe's server list, ``GET /serverlist/mob-v2/1/TIME`` (pure)."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.providers.decode import decode_list
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.collector import Collector, NotOfferedError
from app.providers.server_list.relay import Relay, RelayList
from app.providers.server_list.source import TIME, ListSource, body_only

TITLE = "Windscribe"

PORTS = (1194, 53, 80, 123, 443, 65142)  # the first one unless another is chosen


class _Group(Struct, frozen=True):
    nodes: list[msgspec.Raw]
    city: str = entry_fields.UNKNOWN
    wg_pubkey: str | None = None


class _Region(Struct, frozen=True):
    groups: list[msgspec.Raw]
    name: str = entry_fields.UNKNOWN
    country_code: str = ""


class _List(Struct, frozen=True):
    data: list[msgspec.Raw]


class _Node(Struct, frozen=True):
    hostname: str
    ip3: str | None = None  # the address that speaks WireGuard


def parse(data: bytes, policy: AddressPolicy) -> RelayList:
    """The list. Raises BadAnswerError."""
    document: _List = decode_list(data, _List, TITLE)
    collector = Collector()
    for place, raw in enumerate(document.data):
        try:
            region = msgspec.json.decode(bytes(raw), type=_Region)
            country = entry_fields.words(region.name, "name")
        except (ValueError, RecursionError) as error:
            collector.skip(f"data[{place}]", str(error))
            continue
        general = Relay("", country=country, country_code=entry_fields.country_code(region.country_code))
        for number, group in enumerate(region.groups):
            _add_group(collector, group, f"data[{place}].groups[{number}]", general, policy)
    return collector.finish(TITLE, port_ranges=tuple((port, port) for port in PORTS))


def _add_group(collector: Collector, raw: msgspec.Raw, where: str, general: Relay, policy: AddressPolicy) -> None:
    """Add the servers of one place; ``general`` holds what is said about the whole country."""
    try:
        group = msgspec.json.decode(bytes(raw), type=_Group)
        city = entry_fields.words(group.city, "city")
    except (ValueError, RecursionError) as error:
        collector.skip(where, str(error))
        return

    def make(node: _Node) -> Relay:
        if not node.ip3 or not group.wg_pubkey:
            raise NotOfferedError("it does not speak WireGuard")
        return replace(
            general,
            hostname=entry_fields.hostname(node.hostname),
            public_key=entry_fields.public_key(group.wg_pubkey),
            city=city,
            ipv4=policy.address(node.ip3, 4, "ip3"),
        )

    collector.each(group.nodes, f"{where}.nodes", _Node, make)


SOURCE = ListSource(f"/serverlist/mob-v2/1/{TIME}", body_only(parse))
