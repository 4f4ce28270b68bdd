"""The core of netd: holds what is wanted and what is so, and turns both into one plan for the reconciler.

Every change of the network goes through :meth:`Core._apply`, one at a time: plan from everything known, make the kernel
match, and only then say that it is so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from app import __version__
from app.addresses import Address, Network
from app.errors import InvalidFieldError, KernelError, NotFoundError
from app.model import DirectPolicy, Links, Settings, TunnelConfig
from app.netd import runtime
from app.netd.adapters import RECORD, Adapters
from app.netd.archive import Archive, forget
from app.netd.clockstep import ClockSteps, keep_leases
from app.netd.commands import Commands
from app.netd.events import EventBus
from app.netd.failover import Failover
from app.netd.leases import watch_leases
from app.netd.records import Records
from app.netd.schedule import Schedule
from app.netd.servers import Servers
from app.netd.services import Services
from app.netd.stalls import Stalls
from app.netd.statistics import Statistics
from app.netd.status import exit_status
from app.netd.subscriptions import Subscriptions
from app.netd.timesync import TimeSync
from app.netd.upkeep import Upkeep
from app.netd.wanport import WanPort
from app.netd.wiring import Wiring
from app.network import conntrack
from app.network.drift import missing
from app.network.leasefile import Step
from app.network.plan import ExitPlan, NetworkPlan, PlanInput, TransportPeer, exit_interface, exit_mark
from app.network.planner import plan as make_plan
from app.network.reconcile import Reconciler
from app.network.wireguard.types import WireGuardBackend
from app.protocol.commands import Command
from app.protocol.events import Event, SecurityAlert, StatusChanged, WanChanged
from app.protocol.status import Snapshot
from app.providers.registry import Registry
from app.store import Store
from app.tunnel.exitcheck import Confirm
from app.tunnel.handshake import peer_of
from app.tunnel.machine import ExitMachine
from app.tunnel.ports import Advice
from app.tunnel.resolve import lookup
from app.tunnel.states import MOVES, Connected, Reason, State, Target, policy_for, tunnels_of

R = TypeVar("R")

log = logging.getLogger(__name__)

SERVICES_CHECK = 10.0  # seconds between looks at dnsmasq; it outlives netd, so this is only the net below


class Core:
    """netd's state and its one way to the kernel; a :class:`app.protocol.gateway.Gateway`, and ``ExitPorts``."""

    def __init__(
        self,
        *,
        store: Store,
        state_dir: Path,
        backend: WireGuardBackend,
        registry: Registry,
        services: Services,
        run_dir: Path,
        flowtable: bool,
        time_sync: TimeSync,
        wan_port: WanPort,
    ) -> None:
        self.events = EventBus()
        self.store = store
        self.state_dir = state_dir
        self.registry = registry
        self._backend = backend
        self._services = services
        self._runtime_path = run_dir / "runtime.json"
        self._ran_before = self._runtime_path.exists()  # in this boot: /run is empty after a start of the machine
        self._flowtable = flowtable
        self._time_sync = time_sync
        self.wan_port = wan_port
        self._links = Links(wan=None, lan=())
        self._states: dict[str, State] = {}
        self._entered: dict[str, float] = {}
        self._lookup_servers: list[tuple[Address, ...]] = []
        self._clear_api: list[tuple[TransportPeer, ...]] = []
        self._applying = asyncio.Lock()
        self._looking = asyncio.Lock()  # at the ports: what was seen before a change of settings is not told after it
        self._leaving = False  # for good: the next process goes on
        self._unplannable: str | None = None  # why no network can be planned from the settings and links as they are
        self._started = time.time()
        self._services_due = asyncio.Event()
        self._clock = ClockSteps()
        self.machines: dict[str, ExitMachine] = {}
        self.servers = Servers(self)
        self.failover = Failover(self)
        self.subscriptions = Subscriptions(self)
        self._schedule = Schedule(self)
        self.archive = Archive(store, state_dir, leave=self._leave)
        self.records = Records(
            Statistics(
                state_dir,
                flowtable=flowtable,
                exits=lambda: self.settings.exits,
                lan=lambda: ([link.name for link in self._links.lan], self.lan_networks),
                on_rates=self.events.tell_rates,
                on_problem=self._on_statistics_problem,
            )
        )
        self.reconciler = Reconciler(backend, on_drift=self._on_drift)
        self._wiring = Wiring(
            problem=lambda: self._links.problem,
            drops=self.reconciler.drops,
            foreign=self.reconciler.foreign,
            publish=self.events.publish,
        )
        self._adapters = Adapters(run_dir / RECORD, publish=self.events.publish)
        self._stalls = Stalls(
            ports=lambda: [p.name for p in self._links.ports if p.carrier and not p.radio], publish=self.events.publish
        )
        self._commands = Commands(self)

    # --- ExitPorts -------------------------------------------------------------------------------------------------

    @property
    def backend(self) -> WireGuardBackend:
        return self._backend

    @property
    def links(self) -> Links:
        return self._links

    @property
    def clock_behind(self) -> float:
        return self._clock.behind

    @property
    def settings(self) -> Settings:
        return self.store.settings

    async def tunnel_config(self, target: Target) -> tuple[TunnelConfig, str | None]:
        provider = self.registry.get(target.provider)
        config = await provider.tunnel(target.hostname)
        server = next((s for s in await provider.servers() if s.hostname == target.hostname), None)
        return config, server.location if server else None

    async def enter(self, exit_name: str, state: State) -> None:
        old = self._states[exit_name]
        if type(state) not in MOVES[type(old)]:
            raise AssertionError(f"no move from {type(old).__name__} to {type(state).__name__}")
        machine = self.machines[exit_name]
        moved = self.records.leaving(machine.index, old, state)
        await self._apply({exit_name: state})
        machine.state = state
        self._entered[exit_name] = time.time()
        self.records.entered(exit_name, old, state, moved)
        self.failover.entered(exit_name, old, state)
        if isinstance(old, Connected) and not isinstance(state, Connected):
            await self._forget_flows(machine.index)
        self._remember()
        self.changed(exit_name)
        self._services_due.set()

    async def flip(self, exit_name: str, state: Connected, draining: Connected) -> None:
        machine = self.machines[exit_name]
        both = ExitPlan(exit_name, machine.index, active=state.tunnel.plan, draining=draining.tunnel.plan)
        # The devices' connections start anew the moment the route has changed: until then they would go out by the new
        # tunnel with the old one's address, and nobody would answer.
        await self._apply({}, {exit_name: both}, routed=lambda: self._forget_flows(machine.index))

    def exit_confirmation(self, provider: str) -> Confirm:
        return self.registry.exit_confirmation(provider)

    async def fallback(self, exit_name: str, failed: Target) -> Advice:
        return await self.failover.advice(exit_name, failed)

    async def lookup(self, host: str) -> list[Address]:
        wan = self._links.wan
        servers = wan.nameservers if wan else ()
        self._lookup_servers.append(servers)
        try:
            await self._apply({})
            want4 = wan is not None and any(a.version == 4 for a in wan.addresses)
            want6 = wan is not None and wan.gateway6 is not None
            return await lookup(host, servers, want4=want4, want6=want6)
        finally:
            self._lookup_servers.remove(servers)
            await self._apply({})

    @contextlib.asynccontextmanager
    async def clear_way(self, peers: tuple[TransportPeer, ...]) -> AsyncGenerator[None, None]:
        """The closed list with these TCP destinations in it. Raises KernelError; then nothing is open."""
        self._clear_api.append(peers)
        try:
            await self._apply({})
            yield
        finally:
            self._clear_api.remove(peers)
            # To its end also where the exchange was cancelled: what was opened must not wait for the next plan.
            await asyncio.shield(self._apply({}))

    def tunnel_way(self) -> tuple[int, tuple[Address, ...]] | None:
        """The mark that leads into a tunnel that is up and its resolvers; None while there is none."""
        for machine in self.machines.values():
            state = self._states[machine.name]
            plan = state.tunnel.plan if isinstance(state, Connected) else None
            if plan is not None and (plan.carries_all(4) or plan.carries_all(6)):
                return exit_mark(machine.index), plan.dns
        return None

    def changed(self, exit_name: str) -> None:
        self.events.publish(StatusChanged(exit_name))

    # --- Gateway ---------------------------------------------------------------------------------------------------

    async def snapshot(self) -> Snapshot:
        self.archive.check_open()
        return Snapshot(
            seq=self.events.seq,
            version=__version__,
            provider=self.settings.provider,
            exits=tuple(exit_status(m, self._entered[m.name]) for m in self.machines.values()),
            attestation=self.reconciler.attestation,
            wireguard=self._backend.kind,
            wan=self._links.wan,
            lan=self.settings.lan,
            ports=self._links.ports,
            wan_problem=self._links.problem,
            wan_choice=self.wan_port.choice(self.settings.links),
            problems=(*self.store.problems, *([self._unplannable] if self._unplannable else [])),
            devices=self.settings.devices,
            default_policy=self.settings.default_policy,
            leases=self._services.leases(),
            drops=await self.reconciler.drops(),
            started=self._started,
            events_after=self.events.kept_after,
        )

    def subscribe(self, after: int | None = None) -> AsyncIterator[Event]:
        return self.events.subscribe(after)

    async def submit(self, command: Command[R]) -> R:
        return await self._commands.run(command)

    async def providers(self) -> tuple[str, ...]:
        return self.registry.names

    # --- what commands do to the network ---------------------------------------------------------------------------

    def exit(self, name: str) -> ExitMachine:
        """Raises NotFoundError."""
        try:
            return self.machines[name]
        except KeyError:
            raise NotFoundError(f"there is no exit {name!r}", field="exit") from None

    @property
    def lan_networks(self) -> tuple[Network, ...]:
        lan = self.settings.lan
        return (lan.address.network, lan.ula.network) if lan.ula else (lan.address.network,)

    async def want(self, exit_name: str, target: Target | None) -> None:
        """Remember, for after a restart, what the exit should be connected to."""

        def change(settings: Settings) -> Settings:
            desired = {k: v for k, v in settings.desired.items() if k != exit_name}
            if target is not None:
                desired[exit_name] = str(target)
            first = {k: v for k, v in settings.first_choice.items() if k != exit_name}
            return msgspec.structs.replace(settings, desired=desired, first_choice=first)

        self.store.update_settings(change)

    async def replan(self) -> None:
        """Make the kernel follow changed settings. Raises KernelError."""
        await self._apply({})
        self._services_due.set()

    async def relink(self) -> None:
        """Look which port is which, and make the kernel follow. Raises KernelError."""
        async with self._looking:
            links = await self._services.observe(self.settings)
            if links == self._links:
                return
            before, self._links = self._links, links
            try:
                await self.replan()
            finally:
                self._tell_links(before)

    def _tell_links(self, before: Links) -> None:
        links = self._links
        wan, was = links.wan, before.wan
        if (wan and (wan.name, wan.port)) != (was and (was.name, was.port)):
            reason = links.problem.reason if links.problem else None
            self.events.publish(WanChanged(wan and wan.name, wan and (wan.port or wan.name), reason))
        if (wan, links.problem) != (was, before.problem):
            self.events.publish(StatusChanged())
        if wan != was:
            for machine in self.machines.values():
                machine.nudge(Reason.WAN_DOWN)

    async def forget_device(self, mac: str) -> None:
        """Drop the connection tracking of a device whose policy changed, so that no old flow survives it."""
        for address in await self.reconciler.neighbours(mac):
            await conntrack.flush_source(address)

    # --- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> list[asyncio.Task[None]]:
        """Bring the network to where it was wanted; returns the tasks that keep it there."""
        self.store.update_settings(self.wan_port.settled)
        self.wan_port.tell(self.settings.links)
        self._links = await self._services.observe(self.settings)
        adopted = await self._adoptable()
        for index, name in enumerate(self.settings.exits):
            state = adopted.get(name)
            machine = ExitMachine(name, index, self, state)
            self.machines[name] = machine
            self._states[name] = machine.state
            self._entered[name] = state.since if state else time.time()
            desired = self.settings.desired.get(name)
            if state is not None:
                self.records.adopted(name, state)
            elif desired is not None and (self.settings.connect_at_boot or self._ran_before):
                self.records.resuming(name)
                machine.resume(Target.parse(desired))
        try:
            await self._apply({})
        except KernelError as error:
            # Stay up and stay blocked: the boot ruleset holds, and the reconciler tries again.
            log.error("the first plan could not be applied: %s", error.message)
            self.events.publish(SecurityAlert("plan_failed", error.message))
        self._services_due.set()
        upkeep = Upkeep(self.registry, self.machines, self.events.publish, because=self.records.because)
        return [
            asyncio.create_task(self.reconciler.run(), name="reconciler"),
            asyncio.create_task(self._watch_links(), name="links"),
            asyncio.create_task(self._time_sync.watch(self.replan, self.events.publish), name="time"),
            asyncio.create_task(self._time_sync.resolve(self.lookup), name="time servers"),
            asyncio.create_task(self._keep_services(), name="services"),
            asyncio.create_task(
                keep_leases(self._clock, self._services.lease_file, self._move_leases), name="clock steps"
            ),
            asyncio.create_task(upkeep.run(), name="providers"),
            asyncio.create_task(watch_leases(self._services.leases, self.events.publish), name="leases"),
            asyncio.create_task(self.records.statistics.run(), name="statistics"),
            asyncio.create_task(self.failover.run(), name="failover"),
            asyncio.create_task(self._schedule.run(), name="schedule"),
            asyncio.create_task(self._wiring.run(), name="wiring"),
            asyncio.create_task(self._adapters.run(), name="adapters"),
            asyncio.create_task(self._stalls.run(), name="stalls"),
            *(asyncio.create_task(m.run(), name=f"exit {m.name}") for m in self.machines.values()),
        ]

    async def _adoptable(self) -> dict[str, Connected]:
        """Tunnels that run already, as the last netd left them, whose peer still has a session."""
        found: dict[str, Connected] = {}
        existing = await self._backend.names()
        for index, name in enumerate(self.settings.exits):
            record = runtime.load(self._runtime_path).connected.get(name)
            if record is None or self.settings.desired.get(name) != str(record.tunnel.target):
                continue
            interface = exit_interface(index, record.tunnel.slot)
            peer = (
                peer_of(await self._backend.stats(interface), record.tunnel.peer_key) if interface in existing else None
            )
            if peer is not None and peer.latest_handshake is not None:
                found[name] = msgspec.structs.replace(record, candidate=None)
        return found

    async def _apply(
        self,
        states: dict[str, State],
        plans: dict[str, ExitPlan] | None = None,
        *,
        routed: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Put the plan with ``states`` in force; then, and only then, they are the present ones."""
        async with self._applying:
            if self._leaving:
                await asyncio.Event().wait()  # until we are cancelled
            await self.reconciler.apply(self._plan(states, plans or {}), routed=routed)
            self._states = {**self._states, **states}

    def _plan(self, states: dict[str, State], plans: dict[str, ExitPlan]) -> NetworkPlan:
        """The plan with ``states`` and ``plans`` in it.

        Raises InvalidFieldError where a tunnel in them is at fault; KernelError where it is the settings or the links,
        for whoever changes the network is ready for a kernel that does not follow.
        """
        merged = {**self._states, **states}
        exits = tuple(
            plans.get(name) or policy_for(name, index, merged[name]) for index, name in enumerate(self.settings.exits)
        )
        try:
            plan = make_plan(self._inputs(exits))
        except InvalidFieldError as error:
            if states or plans:
                self._plan({}, {})
                raise
            self._unplannable = f"the network cannot be planned: {error.message}"
            raise KernelError(self._unplannable, code="unplannable") from None
        self._unplannable = None
        return plan

    def _inputs(self, exits: tuple[ExitPlan, ...]) -> PlanInput:
        settings = self.settings
        asked = self._time_sync.access
        return PlanInput(
            links=self._links,
            lan=settings.lan,
            exits=exits,
            default_policy=settings.default_policy,
            devices=tuple((d.mac, d.policy) for d in settings.devices),
            lookup_servers=tuple(dict.fromkeys(a for servers in self._lookup_servers for a in servers)),
            clear_api=tuple(dict.fromkeys(p for peers in self._clear_api for p in peers)),
            time_sync_uid=asked[0] if asked else None,
            time_servers=asked[1] if asked else (),
            flowtable=self._flowtable,
            http_ports=self._services.http_ports,
        )

    async def _forget_flows(self, index: int) -> None:
        """Connections that were translated to the old tunnel's address must start anew on the next one."""
        await conntrack.flush_mark(exit_mark(index))

    def _leave(self) -> None:
        """Change nothing any more, and leave nothing to adopt: the next process begins with other settings."""
        self._leaving = True
        forget(self._runtime_path)
        for machine in self.machines.values():
            self.records.replaced(machine.name, machine.index, machine.state)

    def _remember(self) -> None:
        if self._leaving:
            return
        connected = {n: s for n, s in self._states.items() if isinstance(s, Connected) and s.candidate is None}
        with contextlib.suppress(OSError):  # only adoption suffers
            runtime.save(self._runtime_path, runtime.Runtime(connected))

    def _on_statistics_problem(self, problem: str) -> None:
        self.events.publish(SecurityAlert("statistics", problem))

    def _on_drift(self, drift: tuple[str, ...]) -> None:
        log.warning("drift repaired: %s", "; ".join(drift))
        self.events.publish(SecurityAlert("drift", "; ".join(drift), drift=drift))
        for machine in self.machines.values():
            for tunnel in tunnels_of(machine.state):
                if missing(exit_interface(machine.index, tunnel.slot)) in drift:
                    machine.nudge(Reason.TUNNEL_LOST)

    async def _watch_links(self) -> None:
        async for _ in self._services.link_changes():
            try:
                await self.relink()
            except KernelError as error:
                log.error("the links changed and the plan could not follow: %s", error.message)
                self.events.publish(SecurityAlert("plan_failed", error.message))

    async def _keep_services(self) -> None:
        """DHCP and DNS follow the plan, apart from it: they are never in the way of a change of tunnel."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SERVICES_CHECK):
                    await self._services_due.wait()
            self._services_due.clear()
            try:
                await self._services.apply(
                    self.settings, self._links, ipv6_default=self._ipv6_default(), direct=self._any_direct()
                )
            except Exception as error:
                log.exception("DHCP and DNS could not be brought up to date")
                self.events.publish(SecurityAlert("lan_services", str(error)))

    def _move_leases(self, before: str, seconds: float) -> None:
        self._services.move_leases(before, Step(seconds, time.time(), self.settings.lan.lease_time))
        self._services_due.set()

    def _ipv6_default(self) -> bool:
        """Whether the LAN may be told of an IPv6 default route: only while the default exit carries IPv6."""
        state = self._states.get(self.settings.exits[0])
        return isinstance(state, Connected) and state.tunnel.plan.carries_all(6)

    def _any_direct(self) -> bool:
        return any(
            isinstance(p, DirectPolicy)
            for p in (self.settings.default_policy, *(d.policy for d in self.settings.devices))
        )
