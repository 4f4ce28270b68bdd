"""The network controller: the only owner of the kernel's network. It applies one plan at a time.

A plan that cannot be computed is treated like one that the kernel refuses: the last one stays in force, and an event
says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

from app.addresses import Address
from app.errors import InvalidFieldError, KernelError
from app.model import Links
from app.netd.network_parts import (
    DriftRepaired,
    LinkSource,
    MakeKernel,
    NetworkChange,
    PlanApplied,
    WanMoved,
)
from app.netd.timesync import TimeSync
from app.netd.wan_activation import WanActivation
from app.network import conntrack
from app.network.plan import ExitPlan, NetworkPlan, PlanInput, TransportPeer, exit_mark
from app.network.planner import plan as make_plan
from app.protocol.events import EventSink, SecurityAlert, StatusChanged, WanChanged
from app.protocol.status import Attestation
from app.store import Store
from app.tunnel.resolve import lookup

log = logging.getLogger(__name__)


class NetworkController:
    """The owner of the plan in force, of the observed links, and of the lock under which both change."""

    def __init__(
        self,
        *,
        store: Store,
        make_kernel: MakeKernel,
        link_source: LinkSource,
        links: Links,
        exit_plans: Mapping[str, ExitPlan],
        time_sync: TimeSync,
        flowtable: bool,
        http_ports: tuple[int, ...],
        publish: EventSink,
        wan_activation: WanActivation | None = None,
    ) -> None:
        """``make_kernel`` receives the callback for drift; ``exit_plans`` are the plans of adopted tunnels."""
        self._store = store
        self._kernel = make_kernel(self._on_drift)
        self._link_source = link_source
        self._links = links
        self._exit_plans = {
            name: exit_plans.get(name) or ExitPlan(name, index) for index, name in enumerate(store.settings.exits)
        }
        self._time_sync = time_sync
        self._flowtable = flowtable
        self._http_ports = http_ports
        self._publish = publish
        self._wan_activation = wan_activation or WanActivation()
        self._lookup_servers: list[tuple[Address, ...]] = []
        self._clear_api: list[tuple[TransportPeer, ...]] = []
        self._applying = asyncio.Lock()
        self._observing = asyncio.Lock()  # an observation made before a change of settings is not published after it
        self._frozen = False
        self._plan_problem: str | None = None  # why the present settings and links yield no plan
        self._subscribers: list[Callable[[NetworkChange], object]] = []

    # --- present state -----------------------------------------------------------------------------------------------

    @property
    def links(self) -> Links:
        return self._links

    @property
    def plan(self) -> NetworkPlan | None:
        return self._kernel.plan

    @property
    def exit_plans(self) -> tuple[ExitPlan, ...]:
        """The plans in force of all exits, in the order of their numbers."""
        return tuple(self._exit_plans.values())

    @property
    def attestation(self) -> Attestation:
        return self._kernel.attestation

    @property
    def problem(self) -> str | None:
        return self._plan_problem

    async def verify(self) -> tuple[str, ...]:
        """The differences between the kernel and the plan. Raises KernelError, OSError, TimeoutError."""
        return await self._kernel.verify()

    async def drops(self) -> dict[str, int]:
        return await self._kernel.drops()

    async def foreign(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return await self._kernel.foreign()

    def subscribe(self, subscriber: Callable[[NetworkChange], object]) -> None:
        """Call ``subscriber`` synchronously with every change from now on."""
        self._subscribers.append(subscriber)

    # --- changes -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Apply the first plan. If that fails, netd stays up and the boot ruleset keeps everything blocked."""
        try:
            await self.replan()
        except KernelError as error:
            log.error("the first plan could not be applied: %s", error.message)
            self._publish(SecurityAlert("plan_failed", error.message))
            return
        await self._activate_wan()

    async def replan(self) -> None:
        """Apply a plan of the present settings. Raises KernelError."""
        await self._apply()
        self._notify(PlanApplied())

    async def apply(self, plan: ExitPlan, *, routed: Callable[[], Awaitable[None]] | None = None) -> None:
        """Apply ``plan`` of one exit. It becomes the exit's present plan only if that succeeds.

        ``routed`` is called once the new routes are in place. Raises KernelError, and InvalidFieldError if ``plan``
        itself is at fault.
        """
        await self._apply(plan, routed)
        self._notify(PlanApplied())

    async def relink(self) -> None:
        """Observe the links and apply a plan if they have changed. Raises KernelError."""
        async with self._observing:
            links = await self._link_source.observe(self._store.settings)
            if links != self._links:
                before, self._links = self._links, links
                try:
                    await self.replan()
                finally:
                    self._publish_links(before)
            await self._activate_wan()  # a port that was plugged in again looks the same

    async def forget_flows(self, index: int) -> None:
        """Drop the flows of exit ``index``: they are translated to the old tunnel's address."""
        await conntrack.flush_mark(exit_mark(index))

    async def forget_device(self, mac: str) -> None:
        """Drop the connection tracking of a device whose policy changed, so that no old flow survives it."""
        for address in await self._kernel.neighbours(mac):
            await conntrack.flush_source(address)

    def freeze(self) -> None:
        """Stop all changes for good: a task that tries to make one waits until it is cancelled."""
        self._frozen = True

    # --- temporary openings ------------------------------------------------------------------------------------------

    async def lookup(self, host: str) -> list[Address]:
        """Ask the WAN's name servers, opened for this look-up alone. Raises LookupFailedError, KernelError."""
        wan = self._links.wan
        servers = wan.nameservers if wan else ()
        self._lookup_servers.append(servers)
        try:
            await self._apply()
            want4 = wan is not None and any(a.version == 4 for a in wan.addresses)
            want6 = wan is not None and wan.gateway6 is not None
            return await lookup(host, servers, want4=want4, want6=want6)
        finally:
            self._lookup_servers.remove(servers)
            await self._apply()

    @contextlib.asynccontextmanager
    async def allow_cleartext(self, peers: tuple[TransportPeer, ...]) -> AsyncGenerator[None, None]:
        """Put TCP destinations on the cleartext allowlist for the context. Raises KernelError; then nothing is open."""
        self._clear_api.append(peers)
        try:
            await self._apply()
            yield
        finally:
            self._clear_api.remove(peers)
            # Shielded, so that a cancelled exchange closes its opening now and not with the next plan.
            await asyncio.shield(self._apply())

    # --- tasks -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Repair drift until cancelled."""
        await self._kernel.run()

    async def watch_links(self) -> None:
        """Follow changes of the links until cancelled."""
        async for _ in self._link_source.changes():
            try:
                await self.relink()
            except KernelError as error:
                log.error("the links changed, but the plan could not be applied: %s", error.message)
                self._publish(SecurityAlert("plan_failed", error.message))

    # --- parts -------------------------------------------------------------------------------------------------------

    async def _apply(self, plan: ExitPlan | None = None, routed: Callable[[], Awaitable[None]] | None = None) -> None:
        async with self._applying:
            if self._frozen:
                await asyncio.Event().wait()  # until cancelled
            await self._kernel.apply(self._make_plan(plan), routed=routed)
            if plan is not None:
                self._exit_plans[plan.name] = plan

    async def _activate_wan(self) -> None:
        plan = self._kernel.plan if self._kernel.attestation.ok else None
        await self._wan_activation.follow(self._store.settings.links, self._links, plan)

    def _make_plan(self, changed: ExitPlan | None) -> NetworkPlan:
        """The plan of all exits, with ``changed`` as the plan of its exit.

        Raises InvalidFieldError if ``changed`` is at fault, and KernelError if the settings or the links are: callers
        handle that error already.
        """
        exits = {**self._exit_plans, changed.name: changed} if changed is not None else self._exit_plans
        try:
            plan = make_plan(self._inputs(tuple(exits.values())))
        except InvalidFieldError as error:
            if changed is not None:
                self._make_plan(None)
                raise
            self._plan_problem = f"the network cannot be planned: {error.message}"
            raise KernelError(self._plan_problem, code="unplannable") from None
        self._plan_problem = None
        return plan

    def _inputs(self, exits: tuple[ExitPlan, ...]) -> PlanInput:
        settings = self._store.settings
        time_access = self._time_sync.access
        return PlanInput(
            links=self._links,
            lan=settings.lan,
            exits=exits,
            default_policy=settings.default_policy,
            devices=tuple((d.mac, d.policy) for d in settings.devices),
            lookup_servers=tuple(dict.fromkeys(a for servers in self._lookup_servers for a in servers)),
            clear_api=tuple(dict.fromkeys(p for peers in self._clear_api for p in peers)),
            time_sync_uid=time_access[0] if time_access else None,
            time_servers=time_access[1] if time_access else (),
            flowtable=self._flowtable,
            http_ports=self._http_ports,
        )

    def _notify(self, change: NetworkChange) -> None:
        for subscriber in self._subscribers:
            subscriber(change)

    def _publish_links(self, before: Links) -> None:
        links = self._links
        wan, was = links.wan, before.wan
        if (wan and (wan.name, wan.port)) != (was and (was.name, was.port)):
            reason = links.problem.reason if links.problem else None
            self._publish(WanChanged(wan and wan.name, wan and (wan.port or wan.name), reason))
        if (wan, links.problem) != (was, before.problem):
            self._publish(StatusChanged())
        if wan != was:
            self._notify(WanMoved())

    def _on_drift(self, drift: tuple[str, ...]) -> None:
        log.warning("drift repaired: %s", "; ".join(drift))
        self._publish(SecurityAlert("drift", "; ".join(drift), drift=drift))
        self._notify(DriftRepaired(drift))
