"""The mutations. Each one needs the scope of its REST endpoint, and does the same."""

from __future__ import annotations

from typing import cast

import strawberry

from app.api import connection, custom_servers, devices, import_config, provider_accounts, providers, wan
from app.api.graphql import types
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


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def connect(self, server: str, exit: str = DEFAULT_EXIT, provider: str | None = None) -> types.Success:  # noqa: A002
        """Connect to a server; answers once a handshake has completed."""
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
        """Decide what one device may do: vpn, vpn:<exit>, blocked, or with the admin's password direct."""
        given = {"policy": policy, "name": name, "password": password, "code": code}
        return cast("types.Success", await call(devices.set_device_policy, given, mac=mac))

    @strawberry.mutation
    async def choose_wan(self, port: str | None = strawberry.UNSET) -> types.Wan:
        """Make a port the WAN, by its name, MAC address or place; null goes back to automatic detection."""
        given = {} if port is strawberry.UNSET else {"port": port}  # left out, it is no choice
        return cast("types.Wan", await call(wan.choose_wan, given, nulls=True))
