"""``GET /api/servers``: country -> city -> servers."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from quart import Blueprint, request

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


@operation(blueprint, "GET", "/api/servers")
async def list_servers() -> ServersBody:
    """The servers of the current provider, or of ``?provider=``."""
    result = await gateway().submit(ListServers(request.args.get("provider") or None))
    assert isinstance(result, ServerList)
    return ServersBody(grouped(result.servers), result.provider)
