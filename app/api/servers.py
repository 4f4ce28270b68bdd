"""``GET /api/servers``: country -> city -> servers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint

from app.api.context import gateway
from app.api.operation import operation
from app.api.providers import shown_as
from app.gateway import ListServers, ServerList
from app.model import Server

blueprint = Blueprint("servers", __name__)


class ServerBody(Struct, frozen=True):
    hostname: str
    ipv4: str | None  # None while the endpoint is a name not yet resolved
    type: str
    provider: str  # as people write it
    ipv6: str | None
    endpoint: str | None
    location: str
    missing: tuple[str, ...]  # fields still needed before it can be connected
    warnings: tuple[str, ...]


Grouped = dict[str, dict[str, list[ServerBody]]]


class ServersBody(Struct, frozen=True):
    servers: Grouped
    provider: str


def grouped(servers: Iterable[Server]) -> Grouped:
    """By country and city, all three levels in the order of their names."""
    groups: Grouped = {}
    for s in sorted(servers, key=lambda s: (s.country.casefold(), s.city.casefold(), s.hostname.casefold())):
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
        )
        groups.setdefault(s.country, {}).setdefault(s.city, []).append(body)
    return groups


class ServersQuery(Struct, frozen=True, forbid_unknown_fields=True):
    provider: Annotated[str, Meta(max_length=255)] | None = None


@operation(blueprint, "GET", "/api/servers", errors=(404,))
async def list_servers(query: ServersQuery) -> ServersBody:
    """The servers of the current provider, or of ``?provider=``."""
    result = await gateway().submit(ListServers(query.provider or None))
    assert isinstance(result, ServerList)
    return ServersBody(grouped(result.servers), result.provider)
