"""What the exits use of the network, the providers, failover and the keys."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from app.addresses import Address
from app.errors import GatewayError
from app.model import Links, Server
from app.netd.network_parts import NetworkChange
from app.netd.protocols import ProviderLookup
from app.network.plan import ExitPlan, TunnelPlan
from app.network.resolvers import ResolverChoice
from app.tunnel.context import Advice
from app.tunnel.exitcheck import Confirm
from app.tunnel.states import Target, Tunnel


class ExitNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    @property
    def links(self) -> Links: ...

    async def apply(self, plan: ExitPlan, *, routed: Callable[[], Awaitable[None]] | None = None) -> None: ...

    async def forget_flows(self, index: int) -> None: ...

    def resolvers(self, exit_name: str) -> ResolverChoice: ...

    async def lookup(self, host: str) -> list[Address]: ...

    def freeze(self) -> None: ...

    def subscribe(self, subscriber: Callable[[NetworkChange], object]) -> None: ...

    def clash(self, exit_name: str, plan: TunnelPlan) -> str | None: ...

    async def add_exit(self, name: str, index: int) -> None: ...

    async def drop_exit(self, index: int) -> None: ...

    def rename_exit(self, index: int, name: str) -> None: ...


class TunnelSource(ProviderLookup, Protocol):
    """What is used of :class:`app.providers.registry.Registry`."""

    def exit_confirmation(self, name: str) -> Confirm: ...

    def exit_addresses(self, name: str, hostname: str) -> tuple[Address, ...] | None: ...


class FallbackAdvisor(Protocol):
    async def advise(self, exit_name: str, failed: Target) -> Advice: ...


class KeyRecord(Protocol):
    """What is used of :class:`app.netd.unproven_keys.UnprovenKeys`."""

    def on_silence(self, tunnel: Tunnel, initiations: int) -> None: ...

    def problem(self, target: Target) -> GatewayError | None: ...

    def is_unproven(self, target: Target) -> bool: ...


class ServerUses(Protocol):
    """What is used of :class:`app.netd.server_judge.ServerJudge`."""

    def check(self, exit_name: str, server: Server) -> None:
        """Raises ConflictError (``server_in_use``, ``never_used``)."""
        ...

    def check_free(self, exit_name: str, target: Target) -> None:
        """Raises ConflictError (``server_in_use``)."""
        ...
