"""The exits: their operations, and the context in which their state machines run.

An operation changes intent and machine together, and restores the intent if the machine does not follow.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec.structs import replace

from app.addresses import Address
from app.errors import GatewayError, NotFoundError
from app.exit_settings import exit_settings, numbered
from app.model import Links, Settings, TunnelConfig
from app.netd.adoption import AdoptionRecord
from app.netd.exit_status import exit_status
from app.netd.exit_tasks import ExitTasks
from app.netd.intent import Intent
from app.netd.network_parts import DriftRepaired, NetworkChange, WanMoved
from app.netd.protocols import ProviderLookup
from app.netd.server_claims import ServerClaims
from app.netd.server_judge import in_use
from app.netd.transition import ExitTransition, TransitionObserver
from app.network.drift import missing
from app.network.plan import ExitPlan, TunnelPlan, exit_interface
from app.network.resolvers import ResolverChoice
from app.network.wireguard.types import WireGuardBackend
from app.protocol.events import EventSink, StatusChanged
from app.protocol.statistics import InterfaceBytes
from app.protocol.status import ExitStatus
from app.store import Store
from app.tunnel.context import Advice
from app.tunnel.exit_confirmation import by_address
from app.tunnel.exitcheck import Confirm
from app.tunnel.machine import ExitMachine
from app.tunnel.states import (
    MOVES,
    Blocked,
    Connected,
    Connecting,
    Disconnected,
    Reason,
    State,
    Target,
    Tunnel,
    policy_for,
    tunnels_of,
)

log = logging.getLogger(__name__)

FETCHED_AGE = 2.0  # seconds for which a configuration that was just fetched is not fetched again


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

    def check(self, exit_name: str, target: Target) -> None:
        """Raises ConflictError (``server_in_use``)."""
        ...


class Exits:
    """The owner of the exits' machines. It implements :class:`app.tunnel.context.ExitContext`."""

    def __init__(
        self,
        *,
        network: ExitNetwork,
        backend: WireGuardBackend,
        intent: Intent,
        store: Store,
        providers: TunnelSource,
        failover: FallbackAdvisor,
        keys: KeyRecord,
        claims: ServerClaims,
        uses: ServerUses,
        record: AdoptionRecord,
        adopted: Mapping[str, Connected],
        last_traffic: Callable[[int, State], InterfaceBytes | None],
        clock_behind: Callable[[], float],
        observers: Sequence[TransitionObserver],
        publish: EventSink,
    ) -> None:
        """``claims`` are the servers of the tunnels that there are; ``uses`` knows those of the goals as well.

        ``last_traffic`` reads the last counters of a tunnel; ``observers`` receive every transition.
        """
        self._network = network
        self._backend = backend
        self._intent = intent
        self._store = store
        self._providers = providers
        self._failover = failover
        self._keys = keys
        self._claims = claims
        self._uses = uses
        self._tasks = ExitTasks()
        self._record = record
        self._last_traffic = last_traffic
        self._clock_behind = clock_behind
        self._observers = tuple(observers)
        self._publish = publish
        self._machines = {
            name: ExitMachine(name, index, self, adopted.get(name)) for index, name in numbered(store.settings)
        }
        for machine in self._machines.values():
            claims.settle(machine.index, tunnels_of(machine.state))
        self._entered = {
            name: adopted[name].since if name in adopted else time.time() for name in self._machines
        }  # Unix time
        self._fetched: tuple[Target, float, tuple[TunnelConfig, str | None]] | None = None
        network.subscribe(self._on_network_change)

    def start(self) -> None:
        """Announce the adopted tunnels and resume the stored goals. Call it before the machines run."""
        ran_before = self._record.ran_before
        for name, machine in self._machines.items():
            goal = self._intent.goal(name)
            at_boot = self.settings.connect_at_boot and exit_settings(self.settings, name).auto_connect
            if isinstance(machine.state, Connected):
                self._notify(ExitTransition(name, Disconnected(), machine.state))
            elif goal is not None and (at_boot or ran_before):
                machine.set_goal_nowait(goal.target, "resumed")

    async def run(self) -> None:
        """Run the machines until cancelled."""
        await self._tasks.run(self.machines)

    # --- which exits there are ---------------------------------------------------------------------------------------

    async def follow_settings(self) -> None:
        """Have the machines follow the settings: end, rename and begin those that differ. The others are not touched.

        Raises KernelError; then the machine that could not follow is as it was.
        """
        wanted = dict(numbered(self.settings))
        for machine in self.machines:
            if machine.index not in wanted:
                await self._end(machine)
        self._rename(wanted)
        present = {machine.index for machine in self.machines}
        for index, name in wanted.items():
            if index not in present:
                await self._begin(name, index)

    def rename(self) -> None:
        """Call the exits as the settings do; call it at the moment at which those have changed."""
        self._rename(dict(numbered(self.settings)))

    async def take_down(self, exit_name: str) -> None:
        """Return once the exit is down and its devices blocked; its goal stays stored. Raises as :meth:`disconnect`."""
        machine = self.get(exit_name)
        if self._tasks.runs(machine):
            await machine.disconnect()

    def resume(self, exit_name: str, cause: str | None = None) -> None:
        """Go for the stored goal of the exit again, without waiting for it."""
        goal, machine = self._intent.goal(exit_name), self._machines.get(exit_name)
        if goal is not None and machine is not None:
            machine.set_goal_nowait(goal.target, cause)

    async def _begin(self, name: str, index: int) -> None:
        await self._network.add_exit(name, index)
        machine = self._machines[name] = ExitMachine(name, index, self)
        self._entered[name] = time.time()
        self._tasks.begin(machine)
        self.resume(name, "restored")  # one that was removed and is there again
        self.changed(name)

    async def _end(self, machine: ExitMachine) -> None:
        if self._tasks.runs(machine):
            await machine.disconnect()
        await self._network.drop_exit(machine.index)
        await self._tasks.end(machine)
        del self._machines[machine.name]
        self._entered.pop(machine.name, None)
        self._claims.settle(machine.index, ())
        self._intent.forget(machine.name)
        self._record.save({m.name: m.state for m in self.machines})

    def _rename(self, names: Mapping[int, str]) -> None:
        moved = {m.name: names[m.index] for m in self.machines if m.index in names and names[m.index] != m.name}
        if not moved:
            return
        machines = self._machines.values()
        self._entered = {moved.get(name, name): entered for name, entered in self._entered.items()}
        for old, new in moved.items():
            machine = self._machines[old]
            machine.rename(new)
            self._network.rename_exit(machine.index, new)
            self._intent.rename(old, new)
        self._machines = {machine.name: machine for machine in machines}
        self._record.save({m.name: m.state for m in self.machines})

    # --- operations --------------------------------------------------------------------------------------------------

    async def connect(
        self, exit_name: str, target: Target, *, asked: str | None = None, cause: str | None = None
    ) -> None:
        """Return once the exit is connected to ``target``, to which ``asked`` was resolved (None = named directly).

        Raises NotFoundError, and what :meth:`ExitMachine.connect` raises. An unusable server changes nothing.
        """
        machine = self.get(exit_name)
        await self._fetch_once(target)
        self._uses.check(machine.name, target)  # with no wait before the goal is noted: nobody comes in between
        # A transaction of the store keeps what was stored, too, and undoes what its own task has changed.
        if isinstance(machine.state, Connected) and not self._store.in_transaction:
            await self._switch(machine, target, cause, asked)
            return
        before = self._intent.goal(exit_name)
        self._intent.set_goal(exit_name, target, asked)
        try:
            await machine.connect(target, cause)
        except BaseException:
            # A failed switch leaves the old tunnel up, which is what a restart should restore.
            if before is not None and machine.goal == before.target != target:
                self._intent.restore_goal(machine.name, before, failed=target)
            raise

    def connect_nowait(self, exit_name: str, target: Target, *, asked: str, cause: str) -> None:
        """Make ``target`` the goal of an exit without waiting for it. Raises NotFoundError, ConflictError."""
        machine = self.get(exit_name)
        self._uses.check(machine.name, target)
        self._intent.set_goal(machine.name, target, asked)
        machine.set_goal_nowait(target, cause)

    async def switch(self, exit_name: str, target: Target, cause: str, *, asked: str | None = None) -> None:
        """Switch from the present tunnel to ``target``. Raises what :meth:`connect` raises.

        A key that no server has ever answered and that has had its attempts is not tried by a timer.
        """
        machine = self.get(exit_name)
        if (problem := self._keys.problem(target)) is not None:
            raise problem
        await self._fetch_once(target)
        self._uses.check(machine.name, target)
        await self._switch(machine, target, cause, asked)

    async def _switch(self, machine: ExitMachine, target: Target, cause: str | None, asked: str | None) -> None:
        """Switch to ``target``; then the intent follows. Until then a restart comes back to the tunnel that is up."""
        self._intent.propose(machine.name, target, asked)
        try:
            await machine.connect(target, cause)
        except BaseException:
            if machine.goal != target:
                self._intent.withdraw(machine.name, target)
            raise
        self._intent.settle(machine.name, target)

    async def disconnect(self, exit_name: str) -> None:
        """Return once the exit is down and its devices are blocked. Raises NotFoundError. Idempotent."""
        machine = self.get(exit_name)
        self._intent.set_goal(exit_name, None)
        await machine.disconnect()

    async def renew(self, provider: str) -> bool:
        """Renew the tunnels of ``provider`` with its present key; an exit that waits for the account retries at once.

        Returns whether older keys are needed no more: not while an exit waits for a server that answers the present
        one, if none ever did. Raises GatewayError; then the old tunnel is still up.
        """
        proven = True
        for machine in [m for m in self.machines if any(target.provider == provider for target in _targets(m))]:
            if machine.goal is not None and (problem := self._keys.problem(machine.goal)) is not None:
                raise problem
            if isinstance(machine.state, Connected):
                await machine.renew("key_changed")
            elif machine.goal is not None:
                machine.set_goal_nowait(machine.goal)
                proven = proven and not self._keys.is_unproven(machine.goal)
        return proven

    async def restore_goals(self, before: Mapping[str, Target | None], own_goals: Mapping[str, Target | None]) -> None:
        """Move exits from the goals ``own_goals`` back to those of ``before``; the settings are restored already.

        An exit that another request has moved since stays, and the settings follow it.
        """
        for name, machine in self._machines.items():
            goal = before.get(name)
            if name in own_goals and machine.goal == own_goals[name] and machine.goal != goal:
                if goal is not None:
                    machine.set_goal_nowait(goal)
                else:
                    with contextlib.suppress(GatewayError):  # the machine's state then says that it is blocked
                        await machine.disconnect()
            wanted = self._intent.goal(name)
            if machine.goal != (wanted.target if wanted is not None else None):
                asked = self._intent.asked_for(name, machine.goal) if machine.goal is not None else None
                self._intent.set_goal(name, machine.goal, asked)

    # --- present state -----------------------------------------------------------------------------------------------

    @property
    def machines(self) -> tuple[ExitMachine, ...]:
        """All machines, by number."""
        return tuple(sorted(self._machines.values(), key=lambda machine: machine.index))

    def get(self, name: str) -> ExitMachine:
        """Raises NotFoundError."""
        try:
            return self._machines[name]
        except KeyError:
            raise NotFoundError(f"there is no exit {name!r}", field="exit") from None

    def goals(self) -> dict[str, Target | None]:
        return {name: machine.goal for name, machine in self._machines.items()}

    def using(self, provider: str) -> list[str]:
        """The exits whose tunnel or goal is a server of ``provider``."""
        return [m.name for m in self.machines if any(target.provider == provider for target in _targets(m))]

    def servers_in_use(self, provider: str) -> frozenset[str]:
        """The servers of ``provider`` that are a tunnel's or a goal, by host name."""
        targets = (target for machine in self.machines for target in _targets(machine))
        return frozenset(target.hostname for target in targets if target.provider == provider)

    def user_of(self, target: Target) -> str | None:
        """An exit whose tunnel or goal is ``target``."""
        return next((m.name for m in self.machines if target in _targets(m)), None)

    def status(self) -> tuple[ExitStatus, ...]:
        return tuple(self._status(machine) for machine in self.machines)

    def _status(self, machine: ExitMachine) -> ExitStatus:
        goal = self._intent.goal(machine.name)
        first = goal.first_choice if goal is not None else None
        return replace(
            exit_status(machine, self._entered[machine.name]),
            label=exit_settings(self.settings, machine.name).label,
            asked=goal.asked if goal is not None else None,
            fallback_for=first.hostname if first is not None else None,
        )

    def freeze(self) -> None:
        """Stop all changes and remove the adoption record: the next process begins with other settings."""
        self._network.freeze()
        self._record.close()
        for machine in self.machines:
            traffic = self._last_traffic(machine.index, machine.state)
            self._notify(ExitTransition(machine.name, machine.state, Disconnected(), "restored", traffic))

    # --- the machines' context ---------------------------------------------------------------------------------------

    @property
    def backend(self) -> WireGuardBackend:
        return self._backend

    @property
    def links(self) -> Links:
        return self._network.links

    @property
    def settings(self) -> Settings:
        return self._store.settings

    @property
    def clock_behind(self) -> float:
        return self._clock_behind()

    async def _fetch_once(self, target: Target) -> None:
        """Fetch the configuration, so that an unusable server changes nothing; the attempt that follows uses it."""
        self._fetched = target, time.monotonic(), await self._fetch(target)

    async def tunnel_config(self, target: Target) -> tuple[TunnelConfig, str | None]:
        fetched, self._fetched = self._fetched, None
        if fetched is not None and fetched[0] == target and time.monotonic() - fetched[1] < FETCHED_AGE:
            return fetched[2]
        return await self._fetch(target)

    async def _fetch(self, target: Target) -> tuple[TunnelConfig, str | None]:
        provider = self._providers.get(target.provider)
        config = await provider.tunnel(target.hostname)
        server = next((s for s in await provider.servers() if s.hostname == target.hostname), None)
        return config, server.location if server else None

    def resolvers(self, exit_name: str) -> tuple[Address, ...]:
        return self._network.resolvers(exit_name).order

    def exit_confirmation(self, tunnel: Tunnel) -> Confirm:
        target, wan = tunnel.target, self.links.wan
        listed = self._providers.exit_addresses(target.provider, target.hostname)
        return by_address(
            self._providers.exit_confirmation(target.provider),
            (tunnel.endpoint.address, *(listed or ())),
            networks=listed is not None,
            own=[a.ip for a in wan.addresses] if wan is not None else (),
        )

    async def enter(self, exit_name: str, state: State, cause: str | None = None) -> None:
        machine = self._machines[exit_name]
        old = machine.state
        if type(state) not in MOVES[type(old)]:
            raise AssertionError(f"no move from {type(old).__name__} to {type(state).__name__}")
        traffic = self._last_traffic(machine.index, old) if _leaves_tunnel(old, state) else None
        await self._network.apply(policy_for(exit_name, machine.index, state))
        exit_name = machine.name  # it may have been renamed in the meantime
        machine.state = state
        self._entered[exit_name] = time.time()
        self._claims.settle(machine.index, tunnels_of(state))
        self._settle(exit_name, state)
        self._notify(ExitTransition(exit_name, old, state, cause, traffic))
        if isinstance(old, Connected) and not isinstance(state, Connected):
            await self._network.forget_flows(machine.index)
        self._record.save({m.name: m.state for m in self.machines})
        self.changed(machine.name)

    async def flip(self, exit_name: str, state: Connected, draining: Connected) -> None:
        index = self._machines[exit_name].index
        both = ExitPlan(exit_name, index, active=state.tunnel.plan, draining=draining.tunnel.plan)
        # The devices' flows are dropped as soon as the route has changed: they would leave through the new tunnel with
        # the old tunnel's source address and get no answer.
        await self._network.apply(both, routed=lambda: self._network.forget_flows(index))

    async def lookup(self, host: str) -> list[Address]:
        return await self._network.lookup(host)

    def clash(self, exit_name: str, plan: TunnelPlan) -> str | None:
        return self._network.clash(exit_name, plan)

    def claim(self, exit_name: str, tunnel: Tunnel, peer_keys: Iterable[str]) -> str | None:
        machine = self._machines.get(exit_name)
        if machine is None:
            return None
        holder = self._claims.claim(machine.index, tunnel, peer_keys)
        name = next((m.name for m in self.machines if m.index == holder), None)
        return in_use(tunnel.target.hostname, name).message if name is not None else None

    def unanswered(self, tunnel: Tunnel, initiations: int) -> None:
        self._keys.on_silence(tunnel, initiations)

    async def fallback(self, exit_name: str, failed: Target) -> Advice:
        return await self._failover.advise(exit_name, failed)

    def changed(self, exit_name: str) -> None:
        self._publish(StatusChanged(exit_name))

    # --- parts -------------------------------------------------------------------------------------------------------

    def _settle(self, exit_name: str, state: State) -> None:
        """Store the goal of a switch once ``state`` belongs to it, or once there is no tunnel left to come back to."""
        target = _target(state)
        if target is not None:
            try:
                self._intent.settle(exit_name, target)
            except GatewayError as error:  # whoever asked for the switch receives it
                log.error("exit %s: the new goal could not be stored: %s", exit_name, error.message)

    def _notify(self, move: ExitTransition) -> None:
        for observer in self._observers:
            observer(move)

    def _on_network_change(self, change: NetworkChange) -> None:
        for machine in self.machines:
            if isinstance(change, WanMoved):
                machine.notify(Reason.WAN_DOWN)
            elif isinstance(change, DriftRepaired):
                names = (exit_interface(machine.index, tunnel.slot) for tunnel in tunnels_of(machine.state))
                if any(missing(name) in change.drift for name in names):
                    machine.notify(Reason.TUNNEL_LOST)


def _targets(machine: ExitMachine) -> set[Target]:
    """The servers of the machine's tunnels and goal."""
    used = {tunnel.target for tunnel in tunnels_of(machine.state)}
    return used if machine.goal is None else used | {machine.goal}


def _target(state: State) -> Target | None:
    """The server that ``state`` is about; of a switch, the one whose tunnel carries the devices."""
    match state:
        case Connected(tunnel=tunnel) | Connecting(tunnel=tunnel):
            return tunnel.target
        case Blocked(target=target):
            return target
        case _:
            return None


def _leaves_tunnel(old: State, new: State) -> bool:
    return isinstance(old, Connected) and not (isinstance(new, Connected) and new.since_boot == old.since_boot)
