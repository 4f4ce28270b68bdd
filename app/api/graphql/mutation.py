"""The mutations. Each one needs the scope of its REST endpoint, and does the same."""

from __future__ import annotations

from typing import Annotated, Any, cast

import strawberry

from app.api import (
    connection,
    custom_servers,
    devices,
    exceptions,
    exits,
    groups,
    import_config,
    leaktest,
    own_device,
    proof,
    provider_accounts,
    providers,
    self_service,
    settings,
    wan,
)
from app.api.graphql import explanation_types, types
from app.api.graphql.rest_bridge import call
from app.model import DEFAULT_EXIT


@strawberry.input
class CustomServer:
    """The parts of a server, as for ``POST /api/custom/add``."""

    name: str
    endpoint: str
    public_key: str
    private_key: str | None = None
    address: str | None = None
    dns: str | None = None
    allowed_ips: str | None = None
    location: str | None = None
    preshared_key: str | None = None
    mtu: int | None = None
    persistent_keepalive: int | None = None

    def __repr__(self) -> str:
        return f"CustomServer({self.name!r})"  # never the keys


@strawberry.input
class FallbackInput:
    target: str
    provider: str | None = None


@strawberry.input
class ServerChangeInput:
    """``at`` in minutes after midnight, on ``days`` (0 = Monday; every day where they are left out)."""

    at: int
    days: list[int] | None = None
    select: str | None = None


@strawberry.input
class NeverInput:
    servers: list[str] | None = None
    hosters: list[str] | None = None
    countries: list[str] | None = None


@strawberry.input
class ExitInput:
    """The settings of an exit, as for ``POST`` and ``PATCH /api/exits``; what is left out keeps its value."""

    name: str | None = strawberry.UNSET
    label: str | None = strawberry.UNSET
    provider: str | None = strawberry.UNSET
    target: str | None = strawberry.UNSET
    fallbacks: list[FallbackInput] | None = strawberry.UNSET
    dns: list[str] | None = strawberry.UNSET
    mtu: int | None = strawberry.UNSET
    auto_connect: bool | None = strawberry.UNSET
    server_changes: list[ServerChangeInput] | None = strawberry.UNSET
    never: NeverInput | None = strawberry.UNSET


def _plain(value: object, *, nulls: bool = True) -> Any:
    """An input as the endpoint's body: without what was left out, at the top also with the nulls that were given."""
    if isinstance(value, list):
        return [_plain(item, nulls=False) for item in cast("list[object]", value)]
    if not hasattr(value, "__strawberry_definition__"):
        return value
    given = {name: item for name, item in vars(value).items() if item is not strawberry.UNSET}
    return {name: _plain(item, nulls=False) for name, item in given.items() if nulls or item is not None}


@strawberry.input
class ScheduleInput:
    """A policy from ``start`` to ``end`` (minutes after midnight) on ``days`` (0 = Monday)."""

    days: list[int]
    start: int
    end: int
    policy: str


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def make_exit(self, exit: ExitInput) -> types.ExitAnswer:  # noqa: A002
        """Make an exit; the others are not touched."""
        return cast("types.ExitAnswer", await call(exits.make_exit, _plain(exit), nulls=True))

    @strawberry.mutation
    async def change_exit(self, name: str, change: ExitInput) -> types.ExitAnswer:
        """Change the given settings of an exit; a new ``name`` renames it."""
        return cast("types.ExitAnswer", await call(exits.change_exit, _plain(change), nulls=True, name=name))

    @strawberry.mutation
    async def remove_exit(
        self, name: str, then: str | None = None, password: str | None = None, code: str | None = None
    ) -> types.Success:
        """Remove an exit; ``then`` is what its devices do next: blocked, default, exit:<name>, direct (password)."""
        given = {"then": then, "password": password, "code": code}
        return cast("types.Success", await call(exits.remove_exit, given, name=name))

    @strawberry.mutation
    async def connect(
        self,
        server: str | None = None,
        exit: str = DEFAULT_EXIT,  # noqa: A002
        provider: str | None = None,
    ) -> types.Success:
        """Connect to a server, without one to the exit's target; answers once a handshake has completed."""
        given = {"server": server, "exit": exit, "provider": provider}
        return cast("types.Success", await call(connection.connect, given))

    @strawberry.mutation
    async def disconnect(self, exit: str = DEFAULT_EXIT) -> types.Success:  # noqa: A002
        """Disconnect; the devices of the exit are blocked from then on."""
        return cast("types.Success", await call(connection.disconnect, {"exit": exit}))

    @strawberry.mutation
    async def select_provider(self, provider: str) -> types.Providers:
        """Make a provider the current one; a running tunnel is left alone."""
        await call(providers.select_provider, provider=provider)
        return cast("types.Providers", await call(providers.list_providers))

    @strawberry.mutation
    async def add_custom_server(self, server: CustomServer) -> types.Success:
        """Add a server from its parts."""
        return cast("types.Success", await call(custom_servers.add_custom_server, vars(server)))

    @strawberry.mutation
    async def remove_custom_server(self, name: str) -> types.Success:
        """Remove a custom or imported server and its keys."""
        return cast("types.Success", await call(custom_servers.remove_custom_server, name=name))

    @strawberry.mutation
    async def import_config(self, name: str, config: str) -> types.Success:
        """Import a .conf; its hooks are never run."""
        return cast("types.Success", await call(import_config.import_config, {"name": name, "config": config}))

    @strawberry.mutation
    async def use_file_key(self, provider: str, server: str) -> types.Account:
        """Use the key of an imported file for all of its provider's servers."""
        answer = await call(provider_accounts.use_file_key, {"server": server}, name=provider)
        return cast("types.Account", answer.account)

    @strawberry.mutation
    async def set_device_policy(
        self, mac: str, policy: str, name: str | None = None, password: str | None = None, code: str | None = None
    ) -> types.Success:
        """Decide what one device may do: vpn, vpn:<exit>, blocked, inherit, or with the admin's password direct."""
        given = {"policy": policy, "name": name, "password": password, "code": code}
        return cast("types.Success", await call(devices.set_device_policy, given, mac=mac))

    @strawberry.mutation
    async def change_device(
        self,
        mac: str,
        name: str | None = strawberry.UNSET,
        group: str | None = strawberry.UNSET,
        address: str | None = strawberry.UNSET,
        password: str | None = None,
        code: str | None = None,
    ) -> types.Success:
        """Name a device, put it in a group, or fix its address; null removes it."""
        fields = {"name": name, "group": group, "address": address}
        given = {key: value for key, value in fields.items() if value is not strawberry.UNSET}
        given |= {"password": password, "code": code}
        return cast("types.Success", await call(devices.change_device, given, nulls=True, mac=mac))

    @strawberry.mutation
    async def admit_device(self, mac: str, password: str | None = None, code: str | None = None) -> types.Success:
        """Let a device in that waits for its admission."""
        return cast("types.Success", await call(devices.admit_device, {"password": password, "code": code}, mac=mac))

    @strawberry.mutation
    async def forget_device(self, mac: str, password: str | None = None, code: str | None = None) -> types.Success:
        """Forget a device and all that was decided about it."""
        return cast("types.Success", await call(devices.forget_device, {"password": password, "code": code}, mac=mac))

    @strawberry.mutation
    async def set_self_service(
        self,
        allow: str,
        mac: str | None = None,
        exits: list[str] | None = None,
        longest_pause: int | None = None,
        password: str | None = None,
        code: str | None = None,
    ) -> types.Success:
        """Decide what a device, or every device without a rule of its own, may decide for itself."""
        given = {"allow": allow, "exits": exits, "longest_pause": longest_pause, "password": password, "code": code}
        if mac is None:
            return cast("types.Success", await call(self_service.set_self_service, given))
        return cast("types.Success", await call(self_service.set_device_self_service, given, mac=mac))

    @strawberry.mutation
    async def change_me(
        self,
        exit: str | None = strawberry.UNSET,  # noqa: A002
        pause: int | None = strawberry.UNSET,
    ) -> explanation_types.Me:
        """Choose the exit of the device that asks (null = the admin's choice), or pause its VPN for some seconds."""
        given = {"exit": exit, "pause": pause}
        named = {name: value for name, value in given.items() if value is not strawberry.UNSET}
        return cast("explanation_types.Me", await call(own_device.change_me, named, nulls=True))

    @strawberry.mutation
    async def change_device_settings(
        self,
        default_policy: str | None = None,
        new_device_policy: str | None = None,
        time_zone: str | None = None,
        password: str | None = None,
        code: str | None = None,
    ) -> types.DeviceSettings:
        """Change what holds for all devices; what is left out keeps its value."""
        given = {
            "default_policy": default_policy,
            "new_device_policy": new_device_policy,
            "time_zone": time_zone,
            "password": password,
            "code": code,
        }
        return cast("types.DeviceSettings", await call(settings.change_settings, given))

    @strawberry.mutation
    async def set_group(
        self,
        name: str,
        policy: str | None = None,
        schedule: list[ScheduleInput] | None = None,
        password: str | None = None,
        code: str | None = None,
    ) -> types.Success:
        """Give a group of devices a policy and a schedule; it is made where there is none of this name."""
        given = {"policy": policy, "schedule": _entries(schedule), "password": password, "code": code}
        return cast("types.Success", await call(groups.set_group, given, name=name))

    @strawberry.mutation
    async def remove_group(self, name: str, password: str | None = None, code: str | None = None) -> types.Success:
        """Remove a group; its devices stay, in no group."""
        return cast("types.Success", await call(groups.remove_group, {"password": password, "code": code}, name=name))

    @strawberry.mutation
    async def set_device_schedule(
        self, mac: str, schedule: list[ScheduleInput], password: str | None = None, code: str | None = None
    ) -> types.Success:
        """Give one device a schedule of its own; an empty one takes it away."""
        given = {"schedule": _entries(schedule), "password": password, "code": code}
        return cast("types.Success", await call(groups.set_device_schedule, given, mac=mac))

    @strawberry.mutation
    async def start_exception(
        self,
        policy: str,
        device: str | None = None,
        group: str | None = None,
        seconds: Annotated[float | None, strawberry.argument(name="for")] = None,
        until: float | None = None,
        reason: str | None = None,
        password: str | None = None,
        code: str | None = None,
    ) -> types.PolicyException:
        """Give a device or a group another policy for some seconds, or until a Unix time."""
        given = {
            "policy": policy,
            "device": device,
            "group": group,
            "for": seconds,
            "until": until,
            "reason": reason,
            "password": password,
            "code": code,
        }
        return cast("types.PolicyException", (await call(exceptions.start_exception, given)).exception)

    @strawberry.mutation
    async def change_exception(
        self,
        id: int,  # noqa: A002
        seconds: Annotated[float | None, strawberry.argument(name="for")] = None,
        until: float | None = None,
        password: str | None = None,
        code: str | None = None,
    ) -> types.PolicyException:
        """Have an exception end later or sooner."""
        given = {"for": seconds, "until": until, "password": password, "code": code}
        answer = await call(exceptions.change_exception, given, number=str(id))
        return cast("types.PolicyException", answer.exception)

    @strawberry.mutation
    async def end_exception(
        self,
        id: int,  # noqa: A002
        password: str | None = None,
        code: str | None = None,
    ) -> types.Success:
        """End an exception now."""
        return cast(
            "types.Success", await call(exceptions.end_exception, {"password": password, "code": code}, number=str(id))
        )

    @strawberry.mutation
    async def choose_wan(self, port: str | None = strawberry.UNSET) -> types.Wan:
        """Make a port the WAN, by its name, MAC address or place; null goes back to automatic detection."""
        given = {} if port is strawberry.UNSET else {"port": port}  # left out, it is no choice
        return cast("types.Wan", await call(wan.choose_wan, given, nulls=True))

    @strawberry.mutation
    async def leak_test(self, exit: str = DEFAULT_EXIT) -> types.LeakTest:  # noqa: A002
        """Test whether anything could leave in the clear, with probes of a device of the LAN."""
        return cast("types.LeakTest", await call(leaktest.leak_test, {"exit": exit}))

    @strawberry.mutation
    async def start_proof(self) -> types.Proof:
        """Watch for some seconds what this browser sends."""
        return cast("types.Proof", await call(proof.start_proof))

    @strawberry.mutation
    async def open_exits(self) -> types.Success:
        """Open the exits that a leak of the canary's packets has shut."""
        return cast("types.Success", await call(proof.open_exits))


def _entries(schedule: list[ScheduleInput] | None) -> list[dict[str, object]] | None:
    return None if schedule is None else [vars(entry) for entry in schedule]
