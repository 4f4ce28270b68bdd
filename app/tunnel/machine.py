"""The tunnel state machine of one exit: one task, one state, one goal.

Whoever wants something sets the goal (a server, or nothing) and wakes the task; only the task moves the state. Each
move goes through ``ports.enter``, which has the next state's firewall policy in force before the state is entered. A
failure never opens anything: it ends in ``Blocked`` with a reason, and the task tries again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any

from app.addresses import Address
from app.errors import ConflictError, ConnectTimeoutError, GatewayError, KernelError
from app.network.plan import Slot, exit_interface, exit_mark
from app.network.wireguard.types import DeviceConfig, DeviceStats
from app.tasks import end
from app.tunnel import backoff, handshake, probe
from app.tunnel.clock import boottime
from app.tunnel.exitcheck import ExitAddress
from app.tunnel.health import Health, Verdict
from app.tunnel.outside import Outside
from app.tunnel.ports import ExitPorts
from app.tunnel.prepare import prepare
from app.tunnel.resolve import LookupFailedError, literal
from app.tunnel.states import (
    Blocked,
    Connected,
    Connecting,
    Disconnected,
    Disconnecting,
    Reason,
    State,
    Target,
    Tunnel,
)

log = logging.getLogger(__name__)

TICK = 1.0  # seconds between looks at a connected tunnel's counters
WAN_RETRY = 10.0  # seconds; a WAN that came back is told by an event, this is only the net below it
ATTEMPTS_BEFORE_ANSWER = 2  # a caller of connect hears of a failure after this many attempts; retries go on


class _BlockedError(Exception):
    """An attempt cannot go on; carries what ``Blocked`` will say."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class ExitMachine:
    """Drives exit ``name`` (number ``index``). ``state`` is read by others and written by :meth:`run` alone."""

    def __init__(self, name: str, index: int, ports: ExitPorts, state: State | None = None) -> None:
        self.name = name
        self.index = index
        self.state: State = state or Disconnected()
        self.stats: DeviceStats | None = None
        self._ports = ports
        self._goal: Target | None = state.tunnel.target if isinstance(state, Connected) else None
        self._waiters: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self._nudged: Reason | None = None
        self._renewing = False
        self._at_once = False  # somebody asked again while blocked: the back-off is over
        self._health: Health | None = None
        self._outside = Outside(name, exit_mark(index), ports)

    # --- what others may ask ---------------------------------------------------------------------------------------

    async def connect(self, target: Target) -> None:
        """Return once the exit is connected to ``target``.

        Raises NotFoundError or ConflictError before anything changes, ConnectTimeoutError with the cause when no
        handshake came (the machine then keeps trying, unless an older tunnel is still up, which stays), ConflictError
        when a later request took over.
        """
        await self._ports.tunnel_config(target)  # a server that cannot work changes nothing
        if isinstance(self.state, Connected) and self.state.tunnel.target == target and self._goal == target:
            return
        await self._want(target)

    async def renew(self) -> None:
        """Move to a new tunnel to the same server, its configuration asked for anew (a key was rotated).

        Make before break, like a switch, and raises as :meth:`connect` does: the old tunnel then stays. Returns at once
        where none is up, since the next attempt asks for the configuration anyway.
        """
        if isinstance(self.state, Connected) and self._goal == self.state.tunnel.target:
            self._renewing = True
            await self._want(self._goal)

    async def disconnect(self) -> None:
        """Return once the exit is disconnected and its devices blocked. Idempotent."""
        if self._goal is None and isinstance(self.state, Disconnected):
            return
        await self._want(None)

    def resume(self, target: Target) -> None:
        """Set the goal without waiting: what was wanted before a restart is wanted still. Ends a back-off."""
        self._goal = target
        self._at_once = isinstance(self.state, Blocked)
        self._wake.set()

    def nudge(self, reason: Reason) -> None:
        """Something outside changed: the WAN (``WAN_DOWN``), or the tunnel's interface is gone (``TUNNEL_LOST``)."""
        self._nudged = reason
        self._wake.set()

    @property
    def seen(self) -> ExitAddress | None:
        """What the outside sees of the tunnel that is up; None while it is not known."""
        return self._outside.seen(self.state)

    @property
    def confirmed(self) -> bool | None:
        """Whether the provider in use says that the address seen is an exit of its own; None where it says nothing."""
        return self.seen.confirmed if self.seen is not None else None

    @property
    def goal(self) -> Target | None:
        return self._goal

    # --- the task --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until cancelled. Never ends by itself: an error of ours becomes ``Blocked(internal)``."""
        while True:
            try:
                await self._step()
            except asyncio.CancelledError:
                raise
            except KernelError as error:
                log.error("exit %s: the kernel refused a change: %s", self.name, error.message)
                await self._fail(Reason.FIREWALL_FAILED, f"the kernel refused a change: {error.message}")
            except Exception:
                log.exception("exit %s: internal error", self.name)
                await self._fail(Reason.INTERNAL, "internal error, see the log")

    async def _step(self) -> None:
        self._wake.clear()
        goal, state = self._goal, self.state
        self._outside.follow(state)
        match state:
            case Disconnected():
                if goal is None:
                    self._answer(None, goal)
                    await self._wake.wait()
                else:
                    await self._attempt(goal, 1)
            case Connected():
                if goal is None:
                    await self._take_down(state.tunnel)
                elif goal != state.tunnel.target or self._renewing:
                    self._renewing = False
                    await self._switch(state, goal)
                else:
                    self._answer(None, goal)
                    await self._watch(state)
            case Connecting():
                if goal is None:
                    await self._take_down(state.tunnel)
                else:
                    same = goal == state.tunnel.target
                    await self._attempt(goal, state.attempt + 1 if same else 1)
            case Blocked():
                if goal is None:
                    await self._take_down(None)
                elif goal != state.target:
                    await self._attempt(goal, 1)
                elif (
                    self._at_once
                    or self._nudged is not None
                    or (state.retry_at_boot is not None and boottime() >= state.retry_at_boot)
                ):
                    self._nudged = None
                    await self._attempt(goal, state.attempt + 1)
                else:
                    until = state.retry_at_boot or boottime() + WAN_RETRY
                    await self._sleep(until - boottime())
            case Disconnecting():
                await self._ports.enter(self.name, Disconnected())

    async def _attempt(self, goal: Target, number: int) -> None:
        """One attempt from a state in which the devices are blocked."""
        self._nudged = None
        self._at_once = False
        try:
            tunnel, device = await self._prepare(goal, "a")
            await self._ports.enter(self.name, Connecting(tunnel, number))
            await self._configure(tunnel, device)
            arrived = await self._handshake(tunnel, goal, backoff.handshake_timeout(number))
            if self._goal != goal:
                return
            if not arrived:
                raise _BlockedError(Reason.HANDSHAKE_TIMEOUT, await self._cause(tunnel))
        except _BlockedError as error:
            await self._attempt_failed(goal, number, error)
        except GatewayError as error:
            if isinstance(error, KernelError):
                raise
            # The server is gone or no longer complete: only the user can change that, so say so and wait.
            blocked = Blocked(Reason.SERVER_UNAVAILABLE, error.message, goal, number, boottime() + backoff.LONGEST)
            await self._ports.enter(self.name, blocked)
            self._answer(error, goal)
            await self._fall_back(goal, number, error)
        else:
            await self._connected(Connected(tunnel, time.time(), boottime()))

    async def _attempt_failed(self, goal: Target, number: int, error: _BlockedError) -> None:
        log.warning("exit %s: attempt %d on %s failed: %s", self.name, number, goal, error.message)
        final = number >= ATTEMPTS_BEFORE_ANSWER or error.reason is not Reason.HANDSHAKE_TIMEOUT
        if not final and self._waiters and isinstance(self.state, Connecting):
            return  # straight on to the next attempt: somebody is waiting for the answer
        wait = WAN_RETRY if error.reason is Reason.WAN_DOWN else backoff.delay(number)
        await self._ports.enter(self.name, Blocked(error.reason, error.message, goal, number, boottime() + wait))
        failure = ConnectTimeoutError(f"{goal.hostname}: {error.message}", code=error.reason.value)
        if error.reason is Reason.WAN_DOWN:
            self._answer(failure, goal)
        else:
            await self._fall_back(goal, number, failure)

    async def _fall_back(self, failed: Target, number: int, failure: GatewayError) -> None:
        """Ask where to go instead of ``failed``; who waits for it hears what is at fault, or else ``failure``.

        Who sets another goal meanwhile is not kept waiting.
        """
        asking = asyncio.create_task(self._ports.fallback(self.name, failed))
        if not await self._finished(asking, failed):
            return
        advice = asking.result()
        if advice.target is not None and advice.target != failed:
            self._answer(failure, failed)
            self._goal = advice.target  # the next step goes there
        elif advice.reason is not None:
            retry = boottime() + backoff.LONGEST
            await self._ports.enter(self.name, Blocked(advice.reason, advice.message, failed, number, retry))
            self._answer(ConflictError(advice.message, code=advice.reason.value), failed)
        else:
            self._answer(failure, failed)

    async def _switch(self, state: Connected, goal: Target) -> None:
        """Make before break: the old tunnel carries the devices until the new one has shaken hands."""
        failure: GatewayError | None = None
        for number in range(1, ATTEMPTS_BEFORE_ANSWER + 1):
            try:
                tunnel, device = await self._prepare(goal, "b" if state.tunnel.slot == "a" else "a")
                await self._ports.enter(
                    self.name, Connected(state.tunnel, state.since, state.since_boot, candidate=tunnel)
                )
                await self._configure(tunnel, device)
                arrived = await self._handshake(tunnel, goal, backoff.handshake_timeout(number))
                if self._goal != goal:
                    break
                if arrived:
                    new = Connected(tunnel, time.time(), boottime())
                    await self._ports.flip(self.name, new, state)
                    await self._connected(new)
                    return
                raise _BlockedError(Reason.HANDSHAKE_TIMEOUT, await self._cause(tunnel))
            except _BlockedError as error:
                failure = ConnectTimeoutError(f"{goal.hostname}: {error.message}", code=error.reason.value)
                if error.reason is not Reason.HANDSHAKE_TIMEOUT:
                    break
            except KernelError:
                raise
            except GatewayError as error:
                failure = error
                break
        await self._ports.enter(self.name, Connected(state.tunnel, state.since, state.since_boot))
        if self._goal == goal:
            self._answer(failure, goal)
            self._goal = state.tunnel.target  # still there, still working: keep it

    async def _connected(self, state: Connected) -> None:
        self._health = None
        self._nudged = None
        self._renewing = False
        await self._ports.enter(self.name, state)
        log.info("exit %s: connected to %s on %s", self.name, state.tunnel.target, self._interface(state.tunnel))
        self._answer(None, state.tunnel.target)

    async def _watch(self, state: Connected) -> None:
        """One look at a connected tunnel; returns after a tick, or at once when something happened."""
        name = self._interface(state.tunnel)
        self.stats = await self._ports.backend.stats(name)
        now = boottime()
        peer = handshake.peer_of(self.stats, state.tunnel.peer_key)
        if self.stats is None or peer is None or self._nudged is Reason.TUNNEL_LOST:
            self._nudged = None
            await self._lost(state, Reason.TUNNEL_LOST, "the tunnel's interface was removed; it is being made anew")
            return
        rx = sum(p.rx_bytes for p in self.stats.peers)
        tx = sum(p.tx_bytes for p in self.stats.peers)
        if self._nudged is Reason.WAN_DOWN:
            self._nudged = None
            await self._wan_changed(state)
            self._health = Health(rx, tx, last_rx=now - 60.0)  # the next tick probes the new path at once
        wan = self._ports.links.wan
        wan_up = wan is not None and wan.up and bool(wan.addresses)
        if self._health is None:
            self._health = Health(rx, tx, last_rx=now)
        self._health, verdict = self._health.observe(now, rx, tx, wan_up=wan_up)
        if verdict is Verdict.DEAD:
            reason = Reason.TUNNEL_DEAD if wan_up else Reason.WAN_DOWN
            what = "the server has stopped answering" if wan_up else "the WAN is down"
            await self._lost(state, reason, f"{what}; reconnecting")
            return
        if verdict is Verdict.PROBE and state.tunnel.plan.dns:
            resolvers = state.tunnel.plan.dns
            probe.send(name, resolvers[self._health.probes % len(resolvers)])
        await self._sleep(TICK)

    async def _lost(self, state: Connected, reason: Reason, message: str) -> None:
        log.warning("exit %s: %s", self.name, message)
        await self._ports.enter(self.name, Blocked(reason, message, state.tunnel.target, 0, boottime()))

    async def _take_down(self, tunnel: Tunnel | None) -> None:
        self.stats = None
        await self._ports.enter(self.name, Disconnecting(tunnel))
        await self._ports.enter(self.name, Disconnected())

    async def _fail(self, reason: Reason, message: str) -> None:
        goal = self._goal
        retry = boottime() + backoff.FIRST
        try:
            if goal is None:
                await self._ports.enter(self.name, Disconnected())
            else:
                await self._ports.enter(self.name, Blocked(reason, message, goal, 0, retry))
        except Exception:
            log.exception("exit %s: the blocked state could not be entered either", self.name)
            await asyncio.sleep(backoff.FIRST)  # the reconciler keeps trying to put the last plan back meanwhile
        self._answer(KernelError(message, code=reason.value), goal)

    # --- parts -----------------------------------------------------------------------------------------------------

    async def _prepare(self, goal: Target, slot: Slot) -> tuple[Tunnel, DeviceConfig]:
        config, location = await self._ports.tunnel_config(goal)
        wan = self._ports.links.wan
        if wan is None or not wan.up or not wan.addresses:
            problem = self._ports.links.problem
            raise _BlockedError(Reason.WAN_DOWN, problem.message if problem else handshake.cause(wan, None, None))
        resolved: dict[str, list[Address]] = {}
        for peer in config.peers:
            if peer.endpoint is None:
                continue
            host = peer.endpoint.host
            try:
                fixed = literal(host)
                resolved[host] = [fixed] if fixed else await self._ports.lookup(host)
            except LookupFailedError as error:
                raise _BlockedError(Reason.ENDPOINT_UNRESOLVABLE, str(error)) from None
        return prepare(goal, config, slot, wan, resolved, self._ports.settings.fallback_dns, location)

    async def _configure(self, tunnel: Tunnel, device: DeviceConfig) -> None:
        await self._ports.backend.configure(self._interface(tunnel), device)

    async def _handshake(self, tunnel: Tunnel, goal: Target, timeout: float) -> bool:
        """Whether the handshake came; returns early, False, when the goal is no longer ``goal``."""
        waiting = asyncio.create_task(
            handshake.wait(self._ports.backend, self._interface(tunnel), tunnel.peer_key, timeout)
        )
        return await self._finished(waiting, goal) and waiting.result()

    async def _finished(self, task: asyncio.Task[Any], goal: Target) -> bool:
        """Wait for ``task``; False, and the task ended, as soon as the goal is no longer ``goal``."""
        try:
            while not task.done():
                woken = asyncio.create_task(self._wake.wait())
                await asyncio.wait({task, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                if self._goal != goal:
                    return False
                self._wake.clear()
            return True
        finally:
            if not task.done():
                await end([task])

    async def _cause(self, tunnel: Tunnel) -> str:
        peer = handshake.peer_of(await self._ports.backend.stats(self._interface(tunnel)), tunnel.peer_key)
        return handshake.cause(self._ports.links.wan, tunnel.endpoint, peer, self._ports.clock_behind)

    async def _wan_changed(self, state: Connected) -> None:
        """Point every peer at its endpoint again: WireGuard forgets the old source address and takes the new one."""
        wan = self._ports.links.wan
        if wan is None or not wan.up or not wan.addresses:
            return
        stats = await self._ports.backend.stats(self._interface(state.tunnel))
        for peer in stats.peers if stats else ():
            if peer.endpoint is not None:
                await self._ports.backend.set_endpoint(
                    self._interface(state.tunnel), peer.public_key, peer.endpoint[0], peer.endpoint[1]
                )

    async def _want(self, goal: Target | None) -> None:
        if goal != self._goal:
            self._answer(ConflictError("a later request took over", code="superseded"), self._goal)
        self._goal = goal
        self._at_once = isinstance(self.state, Blocked)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wake.set()
        await waiter

    def _answer(self, error: GatewayError | None, goal: Target | None) -> None:
        """Answer those who wait for ``goal``; whoever has set another one since waits for that."""
        if goal != self._goal:
            return
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()

    def _interface(self, tunnel: Tunnel) -> str:
        return exit_interface(self.index, tunnel.slot)
