"""The servers, ``GET /api/servers``: country -> city -> servers; and the favourites among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct
from quart import Blueprint

from app.api.context import gateway
from app.api.operation import Success, operation
from app.api.providers import shown_as
from app.model import Server, ServerFilter
from app.protocol.answers import ServerList
from app.protocol.commands import ListServers, SetFavourite

blueprint = Blueprint("servers", __name__)

Text = Annotated[str, Meta(min_length=1, max_length=255)]


class ServerBody(Struct, frozen=True):
    hostname: str
    ipv4: str | None  # None while the endpoint is a name not yet resolved
    type: str
    provider: str  # the provider's title
    ipv6: str | None
    endpoint: str | None
    location: str
    missing: tuple[str, ...]  # fields still needed before it can be connected
    warnings: tuple[str, ...]
    latency: float | None  # milliseconds, measured from here
    load: float | None  # percent
    owned: bool | None  # the machine is the provider's own
    hosted_by: str | None
    features: tuple[str, ...]
    favourite: bool
    country_code: str | None
    latitude: float | None  # degrees, of the city
    longitude: float | None


class ServersQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The filter of the list; text is compared without case and accents."""

    provider: Annotated[str, Meta(max_length=255)] | None = None  # None = the current one
    country: Text | None = None  # name or code
    city: Text | None = None
    search: Text | None = None  # every word is in the name, the city, the country or the host
    feature: Text | None = None  # several: with commas, all of them
    owned: bool | None = None
    favourite: bool | None = None
    max_latency: Annotated[float, Meta(ge=0, le=1e6)] | None = None  # milliseconds; only servers that were measured
    sort: Literal["name", "latency", "load", "recent"] = "name"
    limit: Annotated[int, Meta(ge=1, le=100_000)] | None = None


Grouped = dict[str, dict[str, list[ServerBody]]]


class ServersBody(Struct, frozen=True):
    servers: Grouped
    provider: str


def by_name(servers: Iterable[Server]) -> list[Server]:
    return sorted(servers, key=lambda s: (s.country.casefold(), s.city.casefold(), s.hostname.casefold()))


def grouped(servers: Iterable[Server]) -> Grouped:
    """``servers`` by country and city, each in the order of its first server."""
    groups: Grouped = {}
    for s in servers:
        body = ServerBody(
            hostname=s.hostname,
            ipv4=s.ipv4,
            type="WireGuard",
            provider=shown_as(s.provider),
            ipv6=s.ipv6,
            endpoint=s.endpoint,
            location=s.location,
            missing=s.missing,
            warnings=s.warnings,
            latency=s.latency,
            load=s.load,
            owned=s.owned,
            hosted_by=s.hosted_by,
            features=s.features,
            favourite=s.favourite,
            country_code=s.country_code,
            latitude=s.latitude,
            longitude=s.longitude,
        )
        groups.setdefault(s.country, {}).setdefault(s.city, []).append(body)
    return groups


async def find(query: ServersQuery) -> ServerList:
    """The servers that ``query`` asks for, in its order. Raises NotFoundError (no such provider)."""
    wanted = ServerFilter(
        country=query.country,
        city=query.city,
        search=query.search,
        features=tuple(f for f in (query.feature or "").split(",") if f.strip()),
        owned=query.owned,
        favourite=query.favourite,
        max_latency=query.max_latency,
    )
    by_order = query.sort != "name"
    # By name the grouping sorts, so that a limit cuts the sorted list.
    limit = query.limit if by_order else None
    result = await gateway().submit(
        ListServers(query.provider or None, wanted if wanted != ServerFilter() else None, query.sort, limit)
    )
    return result if by_order else ServerList(result.provider, tuple(by_name(result.servers)[: query.limit]))


@operation(blueprint, "GET", "/api/servers", errors=(404,))
async def list_servers(query: ServersQuery) -> ServersBody:
    """List the servers of the current provider, or of another.

    All levels are in the order of their names, or, sorted otherwise, in the order of their first server.
    """
    found = await find(query)
    return ServersBody(grouped(found.servers), found.provider)


@operation(blueprint, "PUT", "/api/favourites/<provider>/<server>", scope="connect")
async def add_favourite(provider: Text, server: Text) -> Success:
    """Mark a server as a favourite. Idempotent."""
    return await _favourite(provider, server, favourite=True)


@operation(blueprint, "DELETE", "/api/favourites/<provider>/<server>", scope="connect")
async def remove_favourite(provider: Text, server: Text) -> Success:
    """Remove a server from the favourites. Idempotent."""
    return await _favourite(provider, server, favourite=False)


async def _favourite(provider: str, server: str, *, favourite: bool) -> Success:
    await gateway().submit(SetFavourite(provider, server, favourite))
    return Success(True)
