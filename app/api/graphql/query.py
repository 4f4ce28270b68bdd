"""The queries."""

from __future__ import annotations

from typing import Annotated, cast

import strawberry
from msgspec import Struct

from app import model
from app.api import (
    device_history,
    devices,
    exceptions,
    exits,
    explanations,
    groups,
    history,
    own_device,
    proof,
    providers,
    self_service,
    servers,
    settings,
    status,
    traffic,
    wan,
)
from app.api.body import convert
from app.api.context import snapshot
from app.api.graphql import explanation_types, types
from app.api.graphql.access import require
from app.api.graphql.limits import MAX_FIRST
from app.api.graphql.rest_bridge import call, chosen
from app.errors import InvalidFieldError


class Page(Struct, frozen=True):
    provider: str
    total: int
    servers: tuple[model.Server, ...]


def check_first(first: int) -> None:
    """Check the size of a page. Raises InvalidFieldError."""
    if not 1 <= first <= MAX_FIRST:
        raise InvalidFieldError(f"first: 1 to {MAX_FIRST}", field="first")


@strawberry.type
class Query:
    @strawberry.field
    async def status(self) -> types.Status:
        """The status, as ``GET /api/status``."""
        return cast("types.Status", await call(status.status))

    @strawberry.field
    async def wan(self) -> types.Wan:
        """The network ports, and which one is the WAN."""
        return cast("types.Wan", await call(wan.get_wan))

    @strawberry.field
    async def exits(self) -> list[types.Exit]:
        """Every tunnel with its state."""
        require("read")
        return cast("list[types.Exit]", (await snapshot()).exits)

    @strawberry.field
    async def exit_settings(self) -> list[types.ExitSettings]:
        """Every exit with its settings, as ``GET /api/exits``."""
        return cast("list[types.ExitSettings]", (await call(exits.list_exits)).exits)

    @strawberry.field
    async def devices(self) -> list[types.Device]:
        """The devices seen on the LAN and their policies."""
        return cast("list[types.Device]", (await call(devices.list_devices)).devices)

    @strawberry.field
    async def device(self, mac: str) -> types.Device:
        """One device."""
        return cast("types.Device", await call(devices.get_device, mac=mac))

    @strawberry.field
    async def device_history(self, mac: str, first: int = 100, before: types.Long | None = None) -> types.DeviceHistory:
        """What happened to a device, the newest first; ``before`` is the ``next`` of the page before."""
        check_first(first)
        given = {"limit": first, "before": before}
        return cast("types.DeviceHistory", await call(device_history.device_history, given, mac=mac))

    @strawberry.field
    async def why(self, mac: str) -> explanation_types.Why:
        """Why a device has Internet, or has none."""
        return cast("explanation_types.Why", await call(explanations.why, mac=mac))

    @strawberry.field
    async def explain(
        self,
        device: str,
        destination: str,
        protocol: str | None = None,
        port: int | None = None,
        when: float | None = None,
        suppose: Annotated[explanation_types.Supposition | None, strawberry.argument(name="if")] = None,
    ) -> explanation_types.Explanation:
        """What would become of a packet of a device, as ``POST /api/explain``."""
        named = {"device": device, "destination": destination, "protocol": protocol, "port": port, "when": when}
        given = named | ({} if suppose is None else {"if": vars(suppose)})
        return cast("explanation_types.Explanation", await call(explanations.explain, given))

    @strawberry.field
    async def me(self) -> explanation_types.Me:
        """The device that asks."""
        return cast("explanation_types.Me", await call(own_device.get_me))

    @strawberry.field
    async def self_service(self) -> explanation_types.SelfServices:
        """What devices may decide for themselves."""
        found = await call(self_service.get_self_service)
        own = [
            explanation_types.DeviceSelfService(mac=mac, service=cast("explanation_types.SelfService", service))
            for mac, service in found.devices.items()
        ]
        return explanation_types.SelfServices(
            everybody=cast("explanation_types.SelfService", found.everybody), devices=own
        )

    @strawberry.field
    async def device_settings(self) -> types.DeviceSettings:
        """What holds for all devices, of ``GET /api/settings``."""
        return cast("types.DeviceSettings", await call(settings.get_settings))

    @strawberry.field
    async def groups(self) -> list[types.Group]:
        """The groups of devices, with their policies, schedules and members."""
        return cast("list[types.Group]", (await call(groups.list_groups)).groups)

    @strawberry.field
    async def exceptions(self) -> list[types.PolicyException]:
        """The exceptions that are open, the first to end first."""
        return cast("list[types.PolicyException]", (await call(exceptions.list_exceptions)).exceptions)

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
        feature: str | None = None,
        owned: bool | None = None,
        favourite: bool | None = None,
        max_latency: float | None = None,
        sort: str | None = None,
        first: int = 100,
    ) -> types.ServerPage:
        """The servers of the current provider, or of another, narrowed as by ``GET /api/servers``."""
        require("read")
        check_first(first)
        given = {
            "provider": provider,
            "country": country,
            "city": city,
            "search": search,
            "feature": feature,
            "owned": owned,
            "favourite": favourite,
            "max_latency": max_latency,
            "sort": sort,
        }
        found = await servers.find(convert(chosen(given), servers.ServersQuery))
        return cast("types.ServerPage", Page(found.provider, len(found.servers), found.servers[:first]))

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

    @strawberry.field
    async def canary(self) -> types.Canary:
        """What the canary's probes have shown, as ``GET /api/canary``."""
        return cast("types.Canary", await call(proof.canary))

    @strawberry.field
    async def proof(self, id: str) -> types.Proof:  # noqa: A002
        """A proof by its id, as ``GET /api/proof/{id}``."""
        return cast("types.Proof", await call(proof.proof, id=id))
