"""AzireVPN's server list, ``GET /v3/locations`` (pure)."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from app.providers.decode import decode_list
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.collector import Collector
from app.providers.server_list.relay import Relay, RelayList
from app.providers.server_list.source import ListSource, body_only

TITLE = "AzireVPN"


class _Location(Struct, frozen=True):
    name: str
    city: str
    country: str
    pool: str
    pubkey: str
    iso: str = ""


class _List(Struct, frozen=True):
    status: str
    locations: list[msgspec.Raw]


def parse(data: bytes, policy: AddressPolicy) -> RelayList:  # noqa: ARG001 - the list has names and no addresses
    """``GET /v3/locations``. Raises BadAnswerError."""
    collector = Collector()

    def make(place: _Location) -> Relay:
        return Relay(
            hostname=entry_fields.hostname(place.name),
            public_key=entry_fields.public_key(place.pubkey),
            country=entry_fields.words(place.country, "country"),
            city=entry_fields.words(place.city, "city"),
            country_code=entry_fields.country_code(place.iso),
            endpoint_name=entry_fields.dns_name(place.pool),
        )

    document: _List = decode_list(data, _List, TITLE)
    collector.each(document.locations, "locations", _Location, make)
    return collector.finish(TITLE)


SOURCE = ListSource("/v3/locations", body_only(parse))
