"""The tunnel state machine of one exit: one task, one state, one goal.

Whoever wants something sets the goal (:mod:`app.tunnel.goal`), which wakes the task; only the task moves the state.
Each move goes through ``context.enter``, which has the next state's firewall policy in force before the state is
entered. A failure never opens anything: it ends in ``Blocked`` with a reason, and the task tries again by itself.
"""

from __future__ import annotations

import asyncio
import logging
import time

from app.errors import ConflictError, ConnectTimeoutError, GatewayError, KernelError
from app.network.plan import exit_mark
from app.network.wireguard.types import DeviceConfig, DeviceStats
from app.tunnel import backoff, handshake, probe
from app.tunnel.clock import boottime
from app.tunnel.context import ExitContext
from app.tunnel.exit_address import ExitAddressCheck
from app.tunnel.exitcheck import ExitAddress
from app.tunnel.goal import GoalSlot
from app.tunnel.health import Health, Verdict
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
from app.tunnel.tunnel_setup import AttemptFailedError, TunnelSetup

log = logging.getLogger(__name__)

TICK = 1.0  # seconds between looks at a connected tunnel's counters
WAN_RETRY = 10.0  # seconds; a WAN that came back is told by an event, this is only the net below it
ATTEMPTS_BEFORE_ANSWER = 2  # a caller of connect hears of a failure after this many attempts; retries go on


class ExitMachine:
    """Drives exit ``name`` (number ``index``). ``state`` is written by ``context.enter`` alone, once it is in force."""

    def __init__(self, name: str, index: int, context: ExitContext, state: State | None = None) -> None:
        self.name = name
        self.index = index
        self.state: State = state or Disconnected()
        self.stats: DeviceStats | None = None
        self._context = context
        self._goal = GoalSlot(state.tunnel.target if isinstance(state, Connected) else None)
        self._setup = TunnelSetup(index, context)
        self._exit_address = ExitAddressCheck(name, exit_mark(index), context)
        self._nudged: Reason | None = None
        self._health: Health | None = None

    # --- what others may ask ---------------------------------------------------------------------------------------

    async def connect(self, target: Target, cause: str | None = None) -> None:
        """Return once the exit is connected to ``target``; ``cause`` is why, where it was not asked for.

        Raises NotFoundError or ConflictError where the server cannot be connected, ConnectTimeoutError with the cause
        when no handshake came (the machine then keeps trying, unless an older tunnel is still up, which stays),
        ConflictError when a later request took over.
        """
        if isinstance(self.state, Connected) and self.state.tunnel.target == target == self.goal:
            return
        await self._request(target, cause)

    async def renew(self, cause: str | None = None) -> None:
        """Move to a new tunnel to the same server, its configuration asked for anew (a key was rotated).

        Make before break, like a switch, and raises as :meth:`connect` does: the old tunnel then stays. Returns at once
        where none is up, since the next attempt asks for the configuration anyway.
        """
        if isinstance(self.state, Connected) and self.goal == self.state.tunnel.target:
            self._goal.renewing = True
            await self._request(self.goal, cause)

    async def disconnect(self) -> None:
        """Return once the exit is disconnected and its devices blocked. Idempotent."""
        if self.goal is None and isinstance(self.state, Disconnected):
            return
        await self._request(None)

    def resume(self, target: Target, cause: str | None = None) -> None:
        """Set the goal without waiting: what was wanted before a restart is wanted still. Ends a back-off."""
        self._goal.set_nowait(target, cause, at_once=isinstance(self.state, Blocked))

    def notify(self, reason: Reason) -> None:
        """Something outside changed: the WAN (``WAN_DOWN``), or the tunnel's interface is gone (``TUNNEL_LOST``)."""
        self._nudged = reason
        self._goal.wake()

    @property
    def exit_address(self) -> ExitAddress | None:
        """What the outside sees of the tunnel that is up; None while it is not known."""
        return self._exit_address.seen(self.state)

    @property
    def goal(self) -> Target | None:
        return self._goal.target

    async def _request(self, target: Target | None, cause: str | None = None) -> None:
        await self._goal.request(target, cause, at_once=isinstance(self.state, Blocked))

    # --- the task --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until cancelled. Never ends by itself: an error of ours becomes ``Blocked(internal)``."""
        self._exit_address.entered(self.state)  # a tunnel that was taken over
        try:
            while True:
                try:
                    await self._step()
                except KernelError as error:
                    log.error("exit %s: the kernel refused a change: %s", self.name, error.message)
                    await self._fail(Reason.FIREWALL_FAILED, f"the kernel refused a change: {error.message}")
                except Exception:
                    log.exception("exit %s: internal error", self.name)
                    await self._fail(Reason.INTERNAL, "internal error, see the log")
        finally:
            self._exit_address.stop()

    async def _enter(self, state: State, cause: str | None = None) -> None:
        await self._context.enter(self.name, state, cause)
        self._exit_address.entered(state)

    async def _begin(self, state: Connecting | Connected) -> None:
        """Enter ``state``, in which a tunnel is begun: the cause of its goal is this move's, and no later one's."""
        cause = self._goal.cause if self.goal == state.tunnel.target else None
        await self._enter(state, cause)
        self._goal.begun(cause)

    async def _step(self) -> None:
        self._goal.seen()
        goal, state = self.goal, self.state
        match state:
            case Disconnected():
                if goal is None:
                    self._goal.answer(None, goal)
                    await self._goal.news()
                else:
                    await self._attempt(goal, 1)
            case Connected():
                if goal is None:
                    await self._take_down(state.tunnel)
                elif goal != state.tunnel.target or self._goal.renewing:
                    self._goal.renewing = False
                    await self._switch(state, goal)
                else:
                    self._goal.answer(None, goal)
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
                    self._goal.at_once
                    or self._nudged is not None
                    or (state.retry_at_boot is not None and boottime() >= state.retry_at_boot)
                ):
                    self._nudged = None
                    await self._attempt(goal, state.attempt + 1)
                else:
                    until = state.retry_at_boot or boottime() + WAN_RETRY
                    await self._goal.sleep(until - boottime())
            case Disconnecting():
                await self._enter(Disconnected())

    async def _attempt(self, goal: Target, number: int) -> None:
        """One attempt from a state in which the devices are blocked."""
        self._nudged = None
        self._goal.at_once = False
        try:
            tunnel, device = await self._setup.prepare(goal, "a")
            await self._begin(Connecting(tunnel, number))
            if not await self._establish(tunnel, device, goal, number):
                return
        except AttemptFailedError as error:
            await self._attempt_failed(goal, number, error)
        except GatewayError as error:
            if isinstance(error, KernelError):
                raise
            # The server is gone or no longer complete: only the user can change that, so say so and wait.
            blocked = Blocked(Reason.SERVER_UNAVAILABLE, error.message, goal, number, boottime() + backoff.LONGEST)
            await self._enter(blocked)
            self._goal.answer(error, goal)
            await self._fall_back(goal, number, error)
        else:
            await self._connected(Connected(tunnel, time.time(), boottime()))

    async def _attempt_failed(self, goal: Target, number: int, error: AttemptFailedError) -> None:
        log.warning("exit %s: attempt %d on %s failed: %s", self.name, number, goal, error.message)
        final = number >= ATTEMPTS_BEFORE_ANSWER or error.reason is not Reason.HANDSHAKE_TIMEOUT
        if not final and self._goal.awaited and isinstance(self.state, Connecting):
            return  # straight on to the next attempt: somebody is waiting for the answer
        wait = WAN_RETRY if error.reason is Reason.WAN_DOWN else backoff.delay(number)
        await self._enter(Blocked(error.reason, error.message, goal, number, boottime() + wait))
        failure = ConnectTimeoutError(f"{goal.hostname}: {error.message}", code=error.reason.value)
        if error.reason is Reason.WAN_DOWN:
            self._goal.answer(failure, goal)
        else:
            await self._fall_back(goal, number, failure)

    async def _fall_back(self, failed: Target, number: int, failure: GatewayError) -> None:
        """Ask where to go instead of ``failed``; who waits for it hears what is at fault, or else ``failure``.

        Who sets another goal meanwhile is not kept waiting.
        """
        asking = asyncio.create_task(self._context.fallback(self.name, failed))
        if not await self._goal.finished(asking, failed):
            return
        advice = asking.result()
        if advice.target is not None and advice.target != failed:
            self._goal.answer(failure, failed)
            self._goal.turn_to(advice.target, "failover")  # the next step goes there
        elif advice.reason is not None:
            retry = boottime() + backoff.LONGEST
            await self._enter(Blocked(advice.reason, advice.message, failed, number, retry))
            self._goal.answer(ConflictError(advice.message, code=advice.reason.value), failed)
        else:
            self._goal.answer(failure, failed)

    async def _switch(self, state: Connected, goal: Target) -> None:
        """Make before break: the old tunnel carries the devices until the new one has shaken hands."""
        failure: GatewayError | None = None
        for number in range(1, ATTEMPTS_BEFORE_ANSWER + 1):
            try:
                tunnel, device = await self._setup.prepare(goal, "b" if state.tunnel.slot == "a" else "a")
                await self._enter(Connected(state.tunnel, state.since, state.since_boot, candidate=tunnel))
                if not await self._establish(tunnel, device, goal, number):
                    break
                new = Connected(tunnel, time.time(), boottime())
                await self._context.flip(self.name, new, state)
                await self._connected(new)
                return
            except AttemptFailedError as error:
                failure = ConnectTimeoutError(f"{goal.hostname}: {error.message}", code=error.reason.value)
                if error.reason is not Reason.HANDSHAKE_TIMEOUT:
                    break
            except KernelError:
                raise
            except GatewayError as error:
                failure = error
                break
        await self._enter(Connected(state.tunnel, state.since, state.since_boot))
        if self.goal == goal:
            self._goal.answer(failure, goal)
            self._goal.turn_to(state.tunnel.target)  # still there, still working: keep it

    async def _establish(self, tunnel: Tunnel, device: DeviceConfig, goal: Target, number: int) -> bool:
        """Whether ``tunnel`` has shaken hands; False where the goal has changed. Raises AttemptFailedError."""
        await self._setup.configure(tunnel, device)
        waiting = asyncio.create_task(self._setup.handshake(tunnel, backoff.handshake_timeout(number)))
        arrived = await self._goal.finished(waiting, goal) and waiting.result()
        if self.goal != goal:
            return False
        if not arrived:
            raise await self._setup.no_handshake(tunnel)
        return True

    async def _connected(self, state: Connected) -> None:
        self._health = None
        self._nudged = None
        self._goal.renewing = False
        if isinstance(self.state, Connected):  # after a switch; else the tunnel was begun by an attempt
            await self._begin(state)
        else:
            await self._enter(state)
        log.info("exit %s: connected to %s on %s", self.name, state.tunnel.target, self._setup.interface(state.tunnel))
        self._goal.answer(None, state.tunnel.target)

    async def _watch(self, state: Connected) -> None:
        """One look at a connected tunnel; returns after a tick, or at once when something happened."""
        self.stats = await self._setup.stats(state.tunnel)
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
            await self._setup.dial_again(state.tunnel)
            self._health = Health(rx, tx, last_rx=now - 60.0)  # the next tick probes the new path at once
        wan = self._context.links.wan
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
            probe.send(self._setup.interface(state.tunnel), resolvers[self._health.probes % len(resolvers)])
        await self._goal.sleep(TICK)

    async def _lost(self, state: Connected, reason: Reason, message: str) -> None:
        log.warning("exit %s: %s", self.name, message)
        await self._enter(Blocked(reason, message, state.tunnel.target, 0, boottime()))

    async def _take_down(self, tunnel: Tunnel | None) -> None:
        self.stats = None
        await self._enter(Disconnecting(tunnel))
        await self._enter(Disconnected())

    async def _fail(self, reason: Reason, message: str) -> None:
        goal = self.goal
        retry = boottime() + backoff.FIRST
        try:
            if goal is None:
                await self._enter(Disconnected())
            else:
                await self._enter(Blocked(reason, message, goal, 0, retry))
        except Exception:
            log.exception("exit %s: the blocked state could not be entered either", self.name)
            await asyncio.sleep(backoff.FIRST)  # the reconciler keeps trying to put the last plan back meanwhile
        self._goal.answer(KernelError(message, code=reason.value), goal)
