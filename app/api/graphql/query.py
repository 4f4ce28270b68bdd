"""What can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import strawberry
from msgspec import Struct

from app import model
from app.api import devices, history, providers, status, traffic
from app.api.context import gateway, snapshot
from app.api.graphql import types
from app.api.graphql.access import require
from app.api.graphql.limits import MAX_FIRST
from app.api.graphql.twin import call
from app.errors import InvalidFieldError
from app.gateway import ListServers, ServerList


class Page(Struct, frozen=True):
    provider: str
    total: int
    servers: tuple[model.Server, ...]


def matching(
    servers: Iterable[model.Server], country: str | None, city: str | None, search: str | None
) -> list[model.Server]:
    """Country and city as a whole, ``search`` anywhere in host name, city or country; upper and lower case alike."""

    def wanted(server: model.Server) -> bool:
        names = (server.country.casefold(), server.city.casefold(), server.hostname.casefold())
        return (
            (country is None or names[0] == country.casefold())
            and (city is None or names[1] == city.casefold())
            and (search is None or any(search.casefold() in name for name in names))
        )

    return [server for server in servers if wanted(server)]


def check_first(first: int) -> None:
    """Raises InvalidFieldError."""
    if not 1 <= first <= MAX_FIRST:
        raise InvalidFieldError(f"first: 1 to {MAX_FIRST}", field="first")


@strawberry.type
class Query:
    @strawberry.field
    async def status(self) -> types.Status:
        """As ``GET /api/status``."""
        return cast("types.Status", await call(status.status))

    @strawberry.field
    async def exits(self) -> list[types.Exit]:
        """Every tunnel with its state."""
        require("read")
        return cast("list[types.Exit]", (await snapshot()).exits)

    @strawberry.field
    async def devices(self) -> list[types.Device]:
        """The devices seen on the LAN and their policies."""
        return cast("list[types.Device]", (await call(devices.list_devices)).devices)

    @strawberry.field
    async def leases(self) -> list[types.Lease]:
        """The DHCP leases in force."""
        return cast("list[types.Lease]", (await call(devices.list_leases)).leases)

    @strawberry.field
    async def providers(self) -> types.Providers:
        """The providers, and which of them is current."""
        return cast("types.Providers", await call(providers.list_providers))

    @strawberry.field
    async def servers(
        self,
        provider: str | None = None,
        country: str | None = None,
        city: str | None = None,
        search: str | None = None,
        first: int = 100,
    ) -> types.ServerPage:
        """The servers of the current provider, or of another; ``search`` looks in host name, city and country."""
        require("read")
        check_first(first)
        result = await gateway().submit(ListServers(provider or None))
        assert isinstance(result, ServerList)
        found = matching(result.servers, country, city, search)
        return cast("types.ServerPage", Page(result.provider, len(found), tuple(found[:first])))

    @strawberry.field
    async def traffic(
        self,
        device: str | None = None,
        exit: str | None = None,  # noqa: A002
        range: str | None = None,  # noqa: A002
        step: str | None = None,
    ) -> types.Traffic:
        """Bytes over time, as ``GET /api/traffic``."""
        given = {"device": device, "exit": exit, "range": range, "step": step}
        return cast("types.Traffic", await call(traffic.traffic, given))

    @strawberry.field
    async def history(
        self,
        first: int = 100,
        before: types.Long | None = None,
        exit: str | None = None,  # noqa: A002
    ) -> types.History:
        """The exits' transitions, the newest first; ``before`` is the ``next`` of the page before."""
        check_first(first)
        given = {"limit": first, "before": before, "exit": exit}
        return cast("types.History", await call(history.history, given))
