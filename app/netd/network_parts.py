"""The parts of the network controller: the kernel, the source of links, and the changes that it announces."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from msgspec import Struct

from app.addresses import Address
from app.model import Links, Settings
from app.network.plan import NetworkPlan
from app.protocol.status import Attestation


class KernelNetwork(Protocol):
    """What is used of :class:`app.network.reconcile.Reconciler`."""

    attestation: Attestation

    @property
    def plan(self) -> NetworkPlan | None: ...

    async def apply(self, plan: NetworkPlan, *, routed: Callable[[], Awaitable[None]] | None = None) -> None: ...

    async def verify(self) -> tuple[str, ...]: ...

    async def run(self) -> None: ...

    async def drops(self) -> dict[str, int]: ...

    async def foreign(self) -> tuple[tuple[str, ...], tuple[str, ...]]: ...

    async def neighbours(self, mac: str) -> list[Address]: ...


class LinkSource(Protocol):
    """What is used of :class:`app.netd.link_observer.LinkObserver`."""

    async def observe(self, settings: Settings) -> Links: ...

    def changes(self) -> AsyncIterator[None]: ...


class PlanApplied(Struct, frozen=True):
    """A new plan is in force. Temporary openings are not announced."""


class WanMoved(Struct, frozen=True):
    """The WAN is another port, or has other addresses."""


class DriftRepaired(Struct, frozen=True):
    """The kernel differed from the plan and was repaired."""

    drift: tuple[str, ...]


NetworkChange = PlanApplied | WanMoved | DriftRepaired
MakeKernel = Callable[[Callable[[tuple[str, ...]], None]], KernelNetwork]
