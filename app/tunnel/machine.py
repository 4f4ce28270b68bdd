"""The tunnel state machine of one exit: one task, one state, one goal.

Callers set the goal (:mod:`app.tunnel.goal`), which wakes the task; only the task changes the state. Each transition
goes through ``context.enter``, which puts the next state's firewall policy in force before the state is entered. A
failure never opens anything: it ends in ``Blocked`` with a reason, and the task retries automatically.
"""

from __future__ import annotations

import asyncio
import logging
import time

from app.errors import ConflictError, ConnectTimeoutError, GatewayError, KernelError
from app.network.plan import exit_mark
from app.network.wireguard.types import DeviceStats
from app.tunnel import backoff
from app.tunnel.clock import boottime
from app.tunnel.context import ExitContext
from app.tunnel.exit_address import ExitAddressCheck
from app.tunnel.exitcheck import ExitAddress
from app.tunnel.goal import GoalSlot
from app.tunnel.monitor import TunnelMonitor
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

TICK = 1.0  # seconds between two checks of a connected tunnel's counters
WAN_RETRY = 10.0  # seconds; the fallback for a missed event, since a WAN that comes back is notified
MAX_ERRORS = 3  # internal errors in a row through which a tunnel is kept; it is not watched meanwhile
ATTEMPTS_BEFORE_ANSWER = 2  # after this many attempts a caller of connect receives the failure; retries go on


class ExitMachine:
    """Drives exit ``name`` (number ``index``). Only ``context.enter`` writes ``state``, once its policy is in force."""

    def __init__(self, name: str, index: int, context: ExitContext, state: State | None = None) -> None:
        self.name = name
        self.index = index
        self.state: State = state or Disconnected()
        self.stats: DeviceStats | None = None
        self._context = context
        self._goal = GoalSlot(state.tunnel.target if isinstance(state, Connected) else None)
        self._setup = TunnelSetup(name, index, context)
        self._exit_address = ExitAddressCheck(name, exit_mark(index), context)
        self._monitor = TunnelMonitor(self._setup, context)
        self._event: Reason | None = None  # of :meth:`notify`, not handled yet
        self._errors = 0  # internal errors in a row

    # --- For callers -----------------------------------------------------------------------------------------------

    async def connect(self, target: Target, cause: str | None = None) -> None:
        """Return once the exit is connected to ``target``; ``cause`` goes into the history, None = a request.

        Raises NotFoundError or ConflictError where the server cannot be connected, ConnectTimeoutError with the reason
        when no handshake came (the machine then keeps trying, unless an older tunnel is still up, which stays),
        ConflictError when a later request superseded this one.
        """
        if isinstance(self.state, Connected) and self.state.tunnel.target == target == self.goal:
            return
        await self._request(target, cause)

    async def renew(self, cause: str | None = None) -> None:
        """Switch to a new tunnel to the same server with its current configuration (a key was rotated).

        Make before break, and raises as :meth:`connect` does: the old tunnel then stays. Returns at once where no
        tunnel is up, since the next attempt reads the configuration anyway.
        """
        if isinstance(self.state, Connected) and self.goal == self.state.tunnel.target:
            self._goal.renewing = True
            await self._request(self.goal, cause)

    async def disconnect(self) -> None:
        """Return once the exit is disconnected and its devices blocked. Idempotent."""
        if self.goal is None and isinstance(self.state, Disconnected):
            return
        await self._request(None)

    def set_goal_nowait(self, target: Target, cause: str | None = None) -> None:
        """Set the goal without waiting for it, as after a restart. Ends a back-off."""
        self._goal.set_goal_nowait(target, cause, retry_now=isinstance(self.state, Blocked))

    def rename(self, name: str) -> None:
        """Call the exit ``name`` from now on; its tunnel stays as it is."""
        self.name = self._setup.name = self._exit_address.name = name

    def notify(self, reason: Reason) -> None:
        """Report that the WAN changed (``WAN_DOWN``) or that the tunnel's interface is gone (``TUNNEL_LOST``)."""
        self._event = reason
        self._goal.wake()

    @property
    def exit_address(self) -> ExitAddress | None:
        """The exit address of the connected tunnel; None while it is unknown."""
        return self._exit_address.address(self.state)

    @property
    def goal(self) -> Target | None:
        return self._goal.target

    async def _request(self, target: Target | None, cause: str | None = None) -> None:
        await self._goal.request(target, cause, retry_now=isinstance(self.state, Blocked))

    # --- The task --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until cancelled. A bug ends neither the task nor a tunnel that is up; without one it blocks the exit."""
        self._follow(self.state)  # an adopted tunnel has an exit address, too
        try:
            while True:
                goal = self.goal
                try:
                    await self._step()
                except KernelError as error:
                    log.error("exit %s: the kernel refused a change: %s", self.name, error.message)
                    await self._recover(goal, Reason.FIREWALL_FAILED, f"the kernel refused a change: {error.message}")
                except Exception:
                    log.exception("exit %s: internal error", self.name)
                    await self._recover(goal, Reason.INTERNAL, "internal error, see the log")
        finally:
            self._exit_address.stop()
            self._setup.path_mtu.stop()

    async def _enter(self, state: State, cause: str | None = None) -> None:
        await self._context.enter(self.name, state, cause)
        self._follow(state)

    def _follow(self, state: State) -> None:
        """Start what a new connection is asked about, and end what was asked of an earlier one."""
        self._exit_address.on_state(state)
        self._setup.follow(state)

    async def _begin(self, state: Connecting | Connected) -> None:
        """Enter ``state``, in which a tunnel begins, with the goal's cause; no later transition has that cause."""
        cause = self._goal.cause if self.goal == state.tunnel.target else None
        await self._enter(state, cause)
        self._goal.cause_used(cause)

    async def _step(self) -> None:
        self._goal.clear_wake()
        goal, state = self.goal, self.state
        match state:
            case Disconnected():
                if goal is None:
                    self._goal.resolve_waiters(None, goal)
                    await self._goal.wait()
                else:
                    await self._attempt(goal, 1)
            case Connected():
                if goal is None:
                    await self._tear_down(state.tunnel)
                elif goal != state.tunnel.target or self._goal.renewing:
                    self._goal.renewing = False
                    await self._switch(state, goal)
                else:
                    self._goal.resolve_waiters(None, goal)
                    await self._watch(state)
            case Connecting():
                if goal is None:
                    await self._tear_down(state.tunnel)
                else:
                    same = goal == state.tunnel.target
                    await self._attempt(goal, state.attempt + 1 if same else 1)
            case Blocked():
                if goal is None:
                    await self._tear_down(None)
                elif goal != state.target:
                    await self._attempt(goal, 1)
                elif (
                    self._goal.retry_now
                    or self._event is not None
                    or (state.retry_at_boot is not None and boottime() >= state.retry_at_boot)
                ):
                    self._event = None
                    await self._attempt(goal, state.attempt + 1)
                else:
                    until = state.retry_at_boot or boottime() + WAN_RETRY
                    await self._goal.sleep(until - boottime())
            case Disconnecting():
                await self._enter(Disconnected())

    async def _attempt(self, goal: Target, number: int) -> None:
        """Make one attempt from a state in which the devices are blocked."""
        self._event = None
        self._goal.retry_now = False
        try:
            tunnel, device = await self._setup.prepare(goal, "a")
            await self._begin(Connecting(tunnel, number))
            limit = backoff.handshake_timeout(number)
            established = await self._setup.establish(tunnel, device, limit, self._goal)
            if established is None:
                return
        except AttemptFailedError as error:
            await self._attempt_failed(goal, number, error)
        except GatewayError as error:
            if isinstance(error, KernelError):
                raise
            # The server is gone or incomplete: only the user can change that, so report it and wait.
            blocked = Blocked(Reason.SERVER_UNAVAILABLE, error.message, goal, number, boottime() + backoff.MAX_DELAY)
            await self._enter(blocked)
            self._goal.resolve_waiters(error, goal)
            await self._fall_back(goal, number, error)
        else:
            await self._connected(Connected(established, time.time(), boottime()))

    async def _attempt_failed(self, goal: Target, number: int, error: AttemptFailedError) -> None:
        log.warning("exit %s: attempt %d on %s failed: %s", self.name, number, goal, error.message)
        final = number >= ATTEMPTS_BEFORE_ANSWER or error.reason is not Reason.HANDSHAKE_TIMEOUT
        if not final and self._goal.has_waiters and isinstance(self.state, Connecting):
            return  # go on to the next attempt without a back-off, since a caller is waiting
        wait = WAN_RETRY if error.reason is Reason.WAN_DOWN else backoff.delay(number)
        await self._enter(Blocked(error.reason, error.message, goal, number, boottime() + wait))
        failure = _failure(goal, error)
        if error.reason in {Reason.WAN_DOWN, Reason.NETWORKS_OVERLAP}:  # another server of the account has the same
            self._goal.resolve_waiters(failure, goal)
        else:
            await self._fall_back(goal, number, failure)

    async def _fall_back(self, failed: Target, number: int, failure: GatewayError) -> None:
        """Ask for a server in place of ``failed``; its waiters receive the account's fault, or else ``failure``.

        A new goal ends the question at once.
        """
        question = asyncio.create_task(self._context.fallback(self.name, failed))
        if not await self._goal.wait_unless_superseded(question, failed):
            return
        advice = question.result()
        if advice.target is not None and advice.target != failed:
            self._goal.resolve_waiters(failure, failed)
            self._goal.redirect(advice.target, "failover")  # the next step goes there
        elif advice.reason is not None:
            retry = None if advice.rest else boottime() + backoff.MAX_DELAY
            await self._enter(Blocked(advice.reason, advice.message, failed, number, retry))
            self._goal.resolve_waiters(ConflictError(advice.message, code=advice.reason.value), failed)
        else:
            self._goal.resolve_waiters(failure, failed)

    async def _switch(self, state: Connected, goal: Target) -> None:
        """Make before break: the old tunnel carries the devices until the new one has completed its handshake."""
        failure: GatewayError | None = None
        for number in range(1, ATTEMPTS_BEFORE_ANSWER + 1):
            try:
                tunnel, device = await self._setup.prepare(goal, "b" if state.tunnel.slot == "a" else "a")
                await self._enter(Connected(state.tunnel, state.since, state.since_boot, candidate=tunnel))
                limit = backoff.handshake_timeout(number)
                established = await self._setup.establish(tunnel, device, limit, self._goal)
                if established is None:
                    break
                new = Connected(established, time.time(), boottime())
                await self._context.flip(self.name, new, state)
                await self._connected(new)
                return
            except AttemptFailedError as error:
                failure = _failure(goal, error)
                if error.reason is not Reason.HANDSHAKE_TIMEOUT:
                    break
            except KernelError:
                raise
            except GatewayError as error:
                failure = error
                break
        await self._enter(Connected(state.tunnel, state.since, state.since_boot))
        if self.goal == goal:
            self._goal.resolve_waiters(failure, goal)
            self._goal.redirect(state.tunnel.target)  # it still works

    async def _connected(self, state: Connected) -> None:
        self._monitor.reset()
        self._event = None
        self._goal.renewing = False
        if isinstance(self.state, Connected):  # after a switch; otherwise the attempt began the tunnel in Connecting
            await self._begin(state)
        else:
            await self._enter(state)
        log.info("exit %s: connected to %s on %s", self.name, state.tunnel.target, self._setup.interface(state.tunnel))
        self._goal.resolve_waiters(None, state.tunnel.target)

    async def _watch(self, state: Connected) -> None:
        """One tick of a connected tunnel; ends early when the goal is set or something is notified."""
        self.stats = await self._setup.stats(state.tunnel)
        event, self._event = self._event, None
        failure = await self._monitor.check(state.tunnel, self.stats, event)
        if failure is None:
            self._errors = 0
            self._setup.follow(state)  # another WAN is another path
            tunnel = self._setup.with_present_mtu(state.tunnel)
            if tunnel != state.tunnel:
                log.info("exit %s: the tunnel's MTU is %d now (%s)", self.name, tunnel.plan.mtu, tunnel.mtu_origin)
                await self._enter(Connected(tunnel, state.since, state.since_boot))
            await self._goal.sleep(TICK)
            return
        log.warning("exit %s: %s", self.name, failure.message)
        await self._enter(Blocked(failure.reason, failure.message, state.tunnel.target, 0, boottime()))

    async def _tear_down(self, tunnel: Tunnel | None) -> None:
        self.stats = None
        await self._enter(Disconnecting(tunnel))
        await self._enter(Disconnected())

    async def _recover(self, failed: Target | None, reason: Reason, message: str) -> None:
        """After an error of our own in a step towards ``failed``: keep the tunnel that is up, else block the devices.

        The kept tunnel's whole plan is put in force again, so that whatever the step left behind is gone.
        """
        self._errors += 1
        pause = backoff.delay(self._errors)
        state = self.state
        if not isinstance(state, Connected) or failed is None or self._errors > MAX_ERRORS:
            await self._fail(reason, message, pause)
            return
        try:
            await self._enter(Connected(state.tunnel, state.since, state.since_boot))
        except Exception:
            log.exception("exit %s: the tunnel that was up could not be kept", self.name)
            await self._fail(reason, message, pause)
            return
        if self.goal == failed:
            self._goal.resolve_waiters(KernelError(f"{message}; the tunnel stays", code=reason.value), failed)
            self._goal.redirect(state.tunnel.target)
            await self._goal.sleep(pause)

    async def _fail(self, reason: Reason, message: str, pause: float) -> None:
        goal, state = self.goal, self.state
        number = state.attempt if isinstance(state, Connecting | Blocked) else 0
        retry = boottime() + pause
        try:
            if goal is None:
                await self._enter(Disconnected())
            else:
                await self._enter(Blocked(reason, message, goal, number, retry))
        except Exception:
            log.exception("exit %s: the blocked state could not be entered either", self.name)
            await asyncio.sleep(pause)  # meanwhile the reconciler keeps restoring the last plan
        self._goal.resolve_waiters(KernelError(message, code=reason.value), goal)


def _failure(goal: Target, error: AttemptFailedError) -> GatewayError:
    """The answer to a caller of connect."""
    conflicts = {Reason.NETWORKS_OVERLAP, Reason.SERVER_IN_USE}
    kind = ConflictError if error.reason in conflicts else ConnectTimeoutError
    return kind(f"{goal.hostname}: {error.message}", code=error.reason.value)
