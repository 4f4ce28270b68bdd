"""hide.me's server list, ``GET /v1/network/free/en`` (pure). It is public: no account is needed for it.

A place may have further ones below it, such as a country its cities. All have DNS names, and a balancer behind each.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

from app.providers.decode import decode_list
from app.providers.server_list import entry_fields
from app.providers.server_list.address_policy import AddressPolicy, BadEntryError
from app.providers.server_list.collector import Collector
from app.providers.server_list.relay import UNKNOWN, Relay, RelayList
from app.providers.server_list.source import ListSource, body_only
from app.wgconf.countries import COUNTRIES

TITLE = "hide.me"
DOMAIN = ".hideservers.net"  # of every server
_V4 = "-v4"  # the list's names are those with IPv4 addresses alone; hide.me's own client leaves this out
_DEEPEST = 4  # levels of places below places
_FEATURES = frozenset({"free", "10g"})  # of the tags: open to free accounts, 10 Gbit/s


class _Geo(Struct, frozen=True, rename={"city": "cityName", "country": "countryCode"}):
    lat: float | None = None
    lon: float | None = None
    city: str | None = None
    country: str | None = None


class _Place(Struct, frozen=True, rename={"name": "displayName"}):
    hostname: str | None = None
    name: str = UNKNOWN
    tags: list[str] | None = None
    geo: _Geo | None = None
    children: list[msgspec.Raw] | None = None


def label(hostname: str) -> str:
    """The part of a server's name by which hide.me's API calls it. Raises BadEntryError."""
    name = entry_fields.dns_name(hostname)
    found = name.removesuffix(DOMAIN)
    if found == name or "." in found:
        raise BadEntryError(f"its name is not in {DOMAIN[1:]}")
    return found.removesuffix(_V4)


def parse(data: bytes, _: AddressPolicy) -> RelayList:
    """The places of the list, and those below them. Raises BadAnswerError."""
    collector = Collector()
    _collect(collector, decode_list(data, list[msgspec.Raw], TITLE), "places", None, _DEEPEST)
    return collector.finish(TITLE)


def _collect(collector: Collector, places: list[msgspec.Raw], where: str, above: str | None, depth: int) -> None:
    """Add ``places``, which are below the server ``above``."""

    def make(place: _Place) -> Relay | None:
        relay = _relay(place) if place.hostname else None
        if place.children and depth > 0:
            below.append((relay.hostname if relay is not None else above, place.children))
        return relay if relay is not None and relay.hostname != above else None

    below: list[tuple[str | None, list[msgspec.Raw]]] = []
    collector.each(places, where, _Place, make)
    for name, children in below:
        _collect(collector, children, f"{where}.children", name, depth - 1)


def _relay(place: _Place) -> Relay:
    name = label(place.hostname or "")
    geo = place.geo or _Geo()
    code = entry_fields.country_code(geo.country or "")
    shown = entry_fields.words(place.name, "displayName")
    country = COUNTRIES.get(code or "", shown)
    city = entry_fields.words(geo.city or "", "cityName")
    if city == UNKNOWN and shown != country:
        city = shown
    return Relay(
        hostname=entry_fields.hostname(name),
        country=country,
        city=city,
        country_code=code,
        endpoint_name=name + DOMAIN,
        features=tuple(tag for tag in place.tags or () if tag in _FEATURES),
        latitude=entry_fields.degrees(geo.lat, 90),
        longitude=entry_fields.degrees(geo.lon, 180),
    )


SOURCE = ListSource("/v1/network/free/en", body_only(parse), api="hideme-list")
