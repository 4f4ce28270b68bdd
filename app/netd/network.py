"""The network controller: the only owner of the kernel's network. It applies one plan at a time.

A plan that cannot be computed is treated like one that the kernel refuses: the last one stays in force, and an event
says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from functools import partial

from msgspec.structs import replace

from app import admission
from app.addresses import Address
from app.canary.identity import policies as canary_policies
from app.errors import InvalidFieldError, KernelError
from app.exit_settings import exit_settings, numbered
from app.model import Links, PolicyException, Settings, VpnPolicy
from app.netd.network_parts import (
    DriftRepaired,
    LinkSource,
    MakeKernel,
    NetworkChange,
    PlanApplied,
    WanMoved,
)
from app.netd.openings import Opening, Openings, in_order
from app.netd.overlap_reports import limits, tunnel_clash, with_overlap
from app.netd.timesync import TimeSync
from app.netd.wan_activation import WanActivation
from app.network import conntrack
from app.network.plan import ExitPlan, NetworkPlan, PlanInput, TransportPeer, TunnelPlan, exception_mark, exit_mark
from app.network.planner import plan as make_plan
from app.network.resolvers import Answer, ResolverChoice, choose
from app.policies import planned
from app.protocol.events import EventSink, SecurityAlert, StatusChanged, WanChanged
from app.protocol.status import Attestation
from app.store import Store
from app.tunnel.dialable import OwnAddresses, reason_against
from app.tunnel.inside import name_servers_inside
from app.tunnel.resolve import LookupFailedError, lookup

log = logging.getLogger(__name__)

# Seconds after which what was opened for one purpose is closed, whatever became of it.
MAX_LOOKUP = 60.0
MAX_EXCHANGE = 300.0


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
        exits_shut: bool = False,
        exceptions: Callable[[], tuple[PolicyException, ...]] = tuple,
    ) -> None:
        """``make_kernel`` receives the callback for drift; ``exit_plans`` are the plans of adopted tunnels."""
        self._exits_shut = exits_shut
        self._store = store
        self._kernel = make_kernel(self._on_drift)
        self._link_source = link_source
        self._links = with_overlap(links, store.settings.lan)
        self._exit_plans = {  # by number
            index: exit_plans.get(name) or ExitPlan(name, index) for index, name in numbered(store.settings)
        }
        self._time_sync = time_sync
        self._flowtable = flowtable
        self._http_ports = http_ports
        self._publish = publish
        self._exceptions = exceptions
        self._wan_activation = wan_activation or WanActivation()
        self._openings = Openings(self._apply, publish, time_sync.opening)
        self._answers: dict[int, Mapping[Address, Answer]] = {}  # of an exit's resolvers, as they were last asked
        self._applying = asyncio.Lock()
        self._begun = 0  # applications of a plan
        self._in_force = 0  # the number of the last one; 0 = it failed, or is under way
        self._observing = asyncio.Lock()  # an observation made before a change of settings is not published after it
        self._followed: Settings | None = None  # the settings that the last plan was made of
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
    def inputs(self) -> PlanInput:
        """The inputs of the plan as they are now."""
        return self._inputs(tuple(self._exit_plans.values()), self._openings.present)

    @property
    def exit_plans(self) -> tuple[ExitPlan, ...]:
        """The plans in force of all exits, in the order of their numbers, with the resolvers that are in use."""
        return tuple(self._with_resolvers(self._exit_plans[index]) for index in sorted(self._exit_plans))

    @property
    def carrying_plans(self) -> tuple[ExitPlan, ...]:
        """The same as they are while all exits are shut."""
        return tuple(shut(plan) if self._exits_shut else plan for plan in self.exit_plans)

    def resolvers(self, exit_name: str) -> ResolverChoice:
        """The resolvers of the exit's tunnel; none where no tunnel is up, or where there is no such exit any more."""
        plan = self._plan_of(exit_name)
        return self._choose(plan, plan.active) if plan is not None and plan.active is not None else ResolverChoice()

    def _plan_of(self, exit_name: str) -> ExitPlan | None:
        return next((plan for plan in self._exit_plans.values() if plan.name == exit_name), None)

    @property
    def followed(self) -> Settings | None:
        """The settings that the plan in force was made of, maybe no longer the latest; None = there is no plan."""
        return self._followed

    @property
    def attestation(self) -> Attestation:
        return self._kernel.attestation

    @property
    def problem(self) -> str | None:
        return self._plan_problem

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is wrong with the present settings and links, for people."""
        found = limits(self._exit_plans.values(), self._links, self._store.settings.lan)
        return found if self._plan_problem is None else (self._plan_problem, *found)

    def clash(self, exit_name: str, plan: TunnelPlan) -> str | None:
        """What overlaps so that the tunnel of ``plan`` must not be made; None where nothing does."""
        found = tunnel_clash(plan, exit_name, self._exit_plans.values(), self._links, self._store.settings.lan)
        return None if found is None else found.message

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

    async def plan_again(self) -> None:
        """Apply a plan of the present settings once the cause of a refused one is taken back.

        Without it the kernel's repair would go on to try the refused plan, and might succeed. A failure is its to mend.
        """
        with contextlib.suppress(KernelError):
            await self.replan()

    async def apply(self, plan: ExitPlan, *, routed: Callable[[], Awaitable[None]] | None = None) -> None:
        """Apply ``plan`` of one exit. It becomes the exit's present plan only if that succeeds.

        ``routed`` is called once the new routes are in place. Raises KernelError, and InvalidFieldError if ``plan``
        itself is at fault.
        """
        before = self._exit_plans.get(plan.index)
        if before is None or plan.active != before.active:
            self._answers.pop(plan.index, None)  # those of the tunnel before it
        await self._apply(plan, routed)
        self._notify(PlanApplied())

    async def use_answers(self, exit_name: str, answers: Mapping[Address, Answer]) -> None:
        """Order the resolvers of the exit by their ``answers``. Raises KernelError."""
        plan = self._plan_of(exit_name)
        if plan is None:  # the exit was removed or renamed while its resolvers were being asked
            return
        before = self.resolvers(exit_name).order
        self._answers[plan.index] = answers
        if self.resolvers(exit_name).order != before:
            await self._apply()

    async def add_exit(self, name: str, index: int) -> None:
        """Plan exit ``name`` as well, blocked at first. Raises KernelError; then it is not there."""
        self._exit_plans[index] = ExitPlan(name, index)
        try:
            await self.replan()
        except BaseException:
            del self._exit_plans[index]
            raise

    async def drop_exit(self, index: int) -> None:
        """Plan exit ``index``, whose tunnel is down, no more. Raises KernelError; then it is still there, blocked."""
        plan = self._exit_plans.pop(index)
        self._answers.pop(index, None)
        try:
            await self.replan()
        except BaseException:
            self._exit_plans.setdefault(index, plan)
            raise
        await self.forget_flows(index)

    def rename_exit(self, index: int, name: str) -> None:
        """Call exit ``index`` ``name`` from now on: call it at the same moment as the settings change."""
        self._exit_plans[index] = replace(self._exit_plans[index], name=name)

    async def relink(self) -> None:
        """Observe the links and apply a plan if they have changed. Raises KernelError.

        The kernel refuses a plan of links that have changed since, as where udev renames a port: the plan of those that
        there are then is tried at once.
        """
        async with self._observing:
            links = await self._observe()
            while links != self._links:
                before, self._links = self._links, links
                try:
                    await self.replan()
                except KernelError as error:
                    links = await self._observe()
                    if links == self._links:
                        raise
                    log.info("the links changed again while their plan was applied: %s", error.message)
                finally:
                    self._publish_links(before)
            await self._activate_wan()  # a port that was plugged in again looks the same

    async def shut_exits(self, *, shut: bool) -> None:
        """Block the devices of all exits, whatever their tunnels do, or end that.

        Raises KernelError: they cannot be opened, and stay shut, or they are not shut yet, which is tried again.
        """
        self._exits_shut = shut
        try:
            await self.replan()
        except BaseException:
            self._exits_shut = True  # the next plan must not open what was not to be opened yet
            if not shut:
                await self.plan_again()
            raise
        if shut:
            for index in tuple(self._exit_plans):  # one may be made or removed meanwhile
                await self.forget_flows(index)

    async def forget_flows(self, index: int) -> None:
        """Drop the flows of exit ``index``: they are translated to the old tunnel's address."""
        plan = self._exit_plans.get(index)
        name = plan.name if plan is not None else None
        slots = (e.slot for e in self._exceptions() if isinstance(e.policy, VpnPolicy) and e.policy.exit == name)
        for mark in (exit_mark(index), *map(exception_mark, slots)):
            await conntrack.flush_mark(mark)

    async def forget_exception(self, slot: int) -> None:
        """Drop the connections that an exception opened."""
        await conntrack.flush_mark(exception_mark(slot))

    async def forget_device(self, mac: str) -> None:
        """Drop the connection tracking of a device whose policy changed, so that no old flow survives it."""
        for address in await self._kernel.neighbours(mac):
            await conntrack.flush_source(address)

    def freeze(self) -> None:
        """Stop all changes for good: a task that tries to make one waits until it is cancelled."""
        self._frozen = True

    # --- temporary openings ------------------------------------------------------------------------------------------

    async def lookup(self, host: str) -> list[Address]:
        """The addresses of ``host`` that can be dialled over the WAN. Raises LookupFailedError, KernelError.

        The name servers inside a tunnel are asked first, so that the ISP sees no names while one is up. Only where
        they give no address are the WAN's asked, opened for this look-up alone.
        """
        wan, settings = self._links.wan, self._store.settings
        own = OwnAddresses.of(self._links, settings.lan, self.exit_plans)
        ask = partial(
            lookup,
            host,
            want4=wan is not None and any(a.version == 4 for a in wan.addresses),
            want6=wan is not None and wan.gateway6 is not None,
            judge=lambda address: reason_against(address, own),
        )
        reasons: tuple[str, ...] = ()
        inside = name_servers_inside(self.exit_plans, settings.lan.networks)
        if inside is not None:
            try:
                return await ask(inside.servers, mark=inside.mark, rounds=1, place=" in the tunnel")
            except LookupFailedError as error:
                reasons = error.reasons
        try:
            async with self._opened_for_lookup(wan.nameservers if wan else ()) as servers:
                return await ask(servers, place=" of the WAN" if reasons else "")
        except LookupFailedError as error:
            raise LookupFailedError(*reasons, *error.reasons) from None

    @contextlib.asynccontextmanager
    async def _opened_for_lookup(self, servers: tuple[Address, ...]) -> AsyncGenerator[tuple[Address, ...], None]:
        if not servers:
            yield servers
            return
        async with self._openings.hold(Opening("look-up", name_servers=servers), MAX_LOOKUP):
            yield servers

    @contextlib.asynccontextmanager
    async def allow_cleartext(self, peers: tuple[TransportPeer, ...]) -> AsyncGenerator[None, None]:
        """Put TCP destinations on the cleartext allowlist for the context. Raises KernelError; then nothing is open."""
        async with self._openings.hold(Opening("provider", peers=peers), MAX_EXCHANGE):
            yield

    async def close_openings(self) -> None:
        """Close, until cancelled, what was opened for a while and has ended."""
        await self._openings.run()

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

    async def _observe(self) -> Links:
        settings = self._store.settings
        return with_overlap(await self._link_source.observe(settings), settings.lan)

    async def _apply(self, plan: ExitPlan | None = None, routed: Callable[[], Awaitable[None]] | None = None) -> None:
        """Apply the plan of the present inputs, with ``plan`` as that of its exit.

        Those who wait share one application: all that began after a caller's change has the change in it. So however
        many devices, look-ups and exchanges ask for a plan, a state's policy waits for two applications at most.
        """
        began = self._begun
        async with self._applying:
            if self._frozen:
                await asyncio.Event().wait()  # until cancelled
            if plan is None and self._in_force > began:
                return
            self._begun += 1
            number, self._in_force = self._begun, 0  # after a failure nobody shares
            openings, settings = self._openings.present, self._store.settings
            new = self._make_plan(plan, openings)
            self._openings.applying(openings)
            await self._kernel.apply(new, routed=routed)
            self._openings.applied(openings)
            self._followed = settings
            if plan is not None:
                self._exit_plans[plan.index] = self._with_present_name(plan)
            self._in_force = number

    async def _activate_wan(self) -> None:
        plan = self._kernel.plan if self._kernel.attestation.ok else None
        await self._wan_activation.follow(self._store.settings.links, self._links, plan)

    def _make_plan(self, changed: ExitPlan | None, openings: frozenset[Opening]) -> NetworkPlan:
        """The plan of all exits, with ``changed`` as the plan of its exit.

        Raises InvalidFieldError if ``changed`` is at fault, and KernelError if the settings or the links are: callers
        handle that error already.
        """
        exits = self._exit_plans
        if changed is not None:
            exits = {**exits, changed.index: self._with_present_name(changed)}
        try:
            plan = make_plan(self._inputs(tuple(exits.values()), openings))
        except InvalidFieldError as error:
            if changed is not None:
                self._make_plan(None, openings)
                raise
            self._plan_problem = f"the network cannot be planned: {error.message}"
            raise KernelError(self._plan_problem, code="unplannable") from None
        self._plan_problem = None
        return plan

    def _inputs(self, exits: tuple[ExitPlan, ...], openings: frozenset[Opening]) -> PlanInput:
        settings = self._store.settings
        policies = planned(settings, time.time(), self._exceptions())
        opened = in_order(openings)
        return PlanInput(
            links=self._links,
            lan=settings.lan,
            exits=tuple(shut(plan) if self._exits_shut else self._with_resolvers(plan) for plan in exits),
            default_policy=admission.default_policy(settings),
            devices=policies.devices,
            exceptions=policies.exceptions,
            canary=canary_policies(settings.exits),
            lookup_servers=tuple(dict.fromkeys(a for opening in opened for a in opening.name_servers)),
            clear_api=tuple(dict.fromkeys(p for opening in opened for p in opening.peers)),
            time_sync_uid=self._time_sync.uid if any(o.purpose == "time" for o in opened) else None,
            time_servers=tuple(dict.fromkeys(a for opening in opened for a in opening.time_servers)),
            flowtable=self._flowtable,
            http_ports=self._http_ports,
        )

    def _with_present_name(self, plan: ExitPlan) -> ExitPlan:
        """``plan`` as its exit is called now: it may have been made before the exit was renamed."""
        present = self._exit_plans.get(plan.index)
        if present is None:
            raise KernelError("the exit has been removed", code="no_exit")
        return plan if present.name == plan.name else replace(plan, name=present.name)

    def _choose(self, plan: ExitPlan, tunnel: TunnelPlan) -> ResolverChoice:
        settings = self._store.settings
        own = exit_settings(settings, plan.name).dns
        named = replace(tunnel, dns=own) if own else tunnel
        return choose(named, settings.fallback_dns, settings.lan.networks, self._answers.get(plan.index, {}))

    def _with_resolvers(self, plan: ExitPlan) -> ExitPlan:
        """``plan`` with the resolvers that its tunnel uses now, in place of those that its server names."""
        if plan.active is None:
            return plan
        order = self._choose(plan, plan.active).order
        return replace(plan, active=replace(plan.active, dns=order))

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


def shut(plan: ExitPlan) -> ExitPlan:
    """``plan`` with its tunnels up, so that it can go on at once, and none of them carrying anything (pure)."""
    tunnels = [t for t in (plan.active, plan.candidate, plan.draining) if t is not None]
    candidate, draining = (*tunnels, None, None)[:2]
    return ExitPlan(plan.name, plan.index, candidate=candidate, draining=draining)
