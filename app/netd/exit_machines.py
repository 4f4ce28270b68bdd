"""The machines of the exits, and the context in which they run: fetching, planning, storing, telling."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence

from app.addresses import Address
from app.errors import GatewayError, NotFoundError
from app.exit_settings import numbered
from app.model import Links, Server, Settings, TunnelConfig
from app.netd.adoption import AdoptionRecord
from app.netd.exit_parts import ExitNetwork, FallbackAdvisor, KeyRecord, ServerUses, TunnelSource
from app.netd.exit_tasks import ExitTasks
from app.netd.intent import Intent
from app.netd.network_parts import DriftRepaired, NetworkChange, WanMoved
from app.netd.server_claims import ServerClaims
from app.netd.server_judge import in_use
from app.netd.transition import ExitTransition, TransitionObserver
from app.network.drift import missing
from app.network.plan import ExitPlan, TunnelPlan, exit_interface
from app.network.wireguard.types import WireGuardBackend
from app.protocol.events import EventSink, StatusChanged
from app.protocol.statistics import InterfaceBytes
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
    Reason,
    State,
    Target,
    Tunnel,
    policy_for,
    tunnels_of,
)

log = logging.getLogger(__name__)

FETCHED_AGE = 2.0  # seconds for which a configuration that was just fetched is not fetched again


class ExitMachines:
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
        self._fetched: tuple[Target, float, tuple[TunnelConfig, Server | None]] | None = None
        network.subscribe(self._on_network_change)

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

    @contextlib.asynccontextmanager
    async def _fetched_once(self, target: Target) -> AsyncGenerator[Server]:
        """Fetch the configuration, so that an unusable server changes nothing; an attempt made inside uses it.

        An attempt made later fetches it again: the key may be another one by then. Yields what the list has of it.
        """
        config, server = await self._fetch(target)
        self._fetched = target, time.monotonic(), (config, server)
        try:
            yield server or Server(target.hostname, target.provider)
        finally:
            self._fetched = None

    async def tunnel_config(self, target: Target) -> tuple[TunnelConfig, str | None]:
        fetched, self._fetched = self._fetched, None
        if fetched is not None and fetched[0] == target and time.monotonic() - fetched[1] < FETCHED_AGE:
            config, server = fetched[2]
        else:
            config, server = await self._fetch(target)
        return config, server.location if server is not None else None

    async def _fetch(self, target: Target) -> tuple[TunnelConfig, Server | None]:
        provider = self._providers.get(target.provider)
        config = await provider.tunnel(target.hostname)
        return config, next((s for s in await provider.servers() if s.hostname == target.hostname), None)

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
