"""Surfshark's server list, ``GET /v4/server/clusters/generic`` (pure)."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from app.providers.decode import decode_list
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy
from app.providers.server_list.collector import Collector, NotOfferedError
from app.providers.server_list.relay import Relay, RelayList
from app.providers.server_list.source import ListSource, body_only

TITLE = "Surfshark"


class _Coordinates(Struct, frozen=True):
    latitude: float | None = None
    longitude: float | None = None


class _Cluster(Struct, frozen=True):
    connectionName: str  # noqa: N815 - as the provider writes it
    country: str
    location: str
    pubKey: str | None = None  # noqa: N815
    countryCode: str = ""  # noqa: N815
    load: float | None = None
    tags: list[str] = []
    coordinates: _Coordinates | None = None


_TAGS = {"p2p", "physical", "virtual"}


def parse(data: bytes, policy: AddressPolicy) -> RelayList:  # noqa: ARG001 - the list has names and no addresses
    """``GET /v4/server/clusters/generic``. Raises BadAnswerError."""
    collector = Collector()

    def make(cluster: _Cluster) -> Relay:
        if not cluster.pubKey:
            raise NotOfferedError("it does not speak WireGuard")
        place = cluster.coordinates or _Coordinates()
        return Relay(
            hostname=entry_fields.hostname(cluster.connectionName),
            public_key=entry_fields.public_key(cluster.pubKey),
            country=entry_fields.words(cluster.country, "country"),
            city=entry_fields.words(cluster.location, "location"),
            country_code=entry_fields.country_code(cluster.countryCode),
            endpoint_name=entry_fields.dns_name(cluster.connectionName),
            load=entry_fields.percent(cluster.load),
            features=tuple(tag for tag in cluster.tags if tag in _TAGS),
            latitude=entry_fields.degrees(place.latitude, 90),
            longitude=entry_fields.degrees(place.longitude, 180),
        )

    collector.each(decode_list(data, list[msgspec.Raw], TITLE), "clusters", _Cluster, make)
    return collector.finish(TITLE)


SOURCE = ListSource("/v4/server/clusters/generic", body_only(parse))
