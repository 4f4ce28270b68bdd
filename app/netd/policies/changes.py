"""The change of policies: a new plan, and the end of the connections of just those devices whose policy is another."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Protocol

from app.admission import default_policy
from app.errors import KernelError
from app.in_the_clear import lets_out
from app.model import Policy, PolicyException, Settings, VpnPolicy
from app.policies import effective_all, planned
from app.protocol.events import DeviceChanged, EventSink, SecurityAlert
from app.store import Store

log = logging.getLogger(__name__)

LOOK_INTERVAL = 5.0  # seconds between looks at the clock, which may be set
RETRY_DELAY = 1.0  # seconds until a refused plan is applied again
MINUTE = 60.0  # seconds; schedules change on whole minutes, in every time zone


class PolicyNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    async def replan(self) -> None: ...

    async def plan_again(self) -> None: ...

    async def forget_device(self, mac: str) -> None: ...

    async def forget_exception(self, slot: int) -> None: ...


class _Held:
    """What is followed once for several changes of one request."""

    def __init__(self) -> None:
        self.also: dict[str, None] = {}
        self.ended: list[PolicyException] = []
        self.undos: list[Callable[[], object]] = []

    def undo(self) -> None:
        for undo in reversed(self.undos):
            undo()


_HELD: ContextVar[_Held | None] = ContextVar("held", default=None)


class PolicyChanges:
    """The follower of settings, schedules and exceptions."""

    def __init__(
        self,
        *,
        store: Store,
        network: PolicyNetwork,
        exceptions: Callable[[], tuple[PolicyException, ...]],
        publish: EventSink,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._network = network
        self._exceptions = exceptions
        self._publish = publish
        self._wall = wall
        self._following = asyncio.Lock()
        self._woken = asyncio.Event()
        self._default = store.settings.default_policy
        self._policies = self._present()
        self._last = self._policies, self._default  # those of before the change that is being applied

    def _present(self) -> dict[str, Policy]:
        found = effective_all(self._store.settings, self._wall(), self._exceptions())
        return {mac: one.policy for mac, one in found.items()}

    def let_out(self, after: Settings, exceptions: tuple[PolicyException, ...] | None = None) -> bool:
        """Whether ``after`` lets out in the clear what cannot leave now; with ``exceptions`` open, None = as now."""
        return lets_out(self._store.settings, after, self._exceptions(), exceptions)

    def planned(self, settings: Settings) -> object:
        """What the network is planned with now, if the settings were ``settings``."""
        return default_policy(settings), planned(settings, self._wall(), self._exceptions())

    async def follow(
        self,
        also: Iterable[str] = (),
        ended: Iterable[PolicyException] = (),
        undo: Callable[[], object] | None = None,
    ) -> None:
        """Apply the policies as they are now. Raises KernelError; then ``undo`` has taken back what was stored.

        Devices whose policy has changed lose their connections, and those of ``also``; of the exceptions that have
        ``ended`` nothing is left. Within :meth:`together` nothing is done yet.
        """
        held = _HELD.get()
        if held is not None:
            held.also.update(dict.fromkeys(also))
            held.ended.extend(ended)
            held.undos += [undo] if undo is not None else []
            return
        async with self._turn(undo):
            default, policies = self._store.settings.default_policy, self._present()
            before, old_default = self._last = self._policies, self._default
            # A device that has no settings any more follows the default, as before it had any.
            changed = [
                mac
                for mac in dict.fromkeys((*before, *policies))
                if before.get(mac, old_default) != policies.get(mac, default)
            ]
            moved = tuple(dict.fromkeys((*changed, *also)))
            self._policies, self._default = policies, default  # before the wait, in which an exit may be renamed
            try:
                await self._network.replan()
            except BaseException:  # also where a bulk request has run out of time
                self._policies, self._default = self._last
                if undo is not None:
                    undo()
                    await self._go_back(moved)
                raise
            for one in ended:
                await _forgotten(self._network.forget_exception(one.slot))
            for mac in moved:
                await _forgotten(self._network.forget_device(mac))
                self._publish(DeviceChanged(mac, "policy"))

    @asynccontextmanager
    async def together(self) -> AsyncGenerator[None]:
        """Follow the changes of this task within as one, at the end. Raises KernelError there; all are undone then.

        A plan of a thousand devices is made and given to the kernel in some 20 ms on a PC, in a second on a slow Pi:
        many of them in turn would keep everybody else waiting.
        """
        held = _Held()
        token = _HELD.set(held)
        try:
            yield
        except BaseException:
            _HELD.reset(token)
            # Somebody else's plan may have had them: once they are taken back, it must be seen who was moved.
            with contextlib.suppress(KernelError):
                await self.follow(held.also, held.ended, held.undo)
            raise
        _HELD.reset(token)
        await self.follow(held.also, held.ended, held.undo)

    @asynccontextmanager
    async def _turn(self, undo: Callable[[], object] | None) -> AsyncGenerator[None]:
        """One change at a time. Where a bulk request runs out of time before its turn comes, that change is undone."""
        try:
            await self._following.acquire()
        except BaseException:
            if undo is not None:
                undo()
                await self._go_back(())  # a plan of somebody else's turn may have had it
            raise
        try:
            yield
        finally:
            self._following.release()

    async def _go_back(self, moved: Iterable[str]) -> None:
        """Have the kernel keep to what is stored, after a plan was refused and its cause taken back.

        It would go on to try the refused plan, and may have had parts of it for a moment: no connection stays that
        ``moved`` devices opened then.
        """
        await self._network.plan_again()
        for mac in moved:
            await _forgotten(self._network.forget_device(mac))

    def rename_exit(self, old: str, new: str) -> None:
        """Call an exit ``new``, as the settings do: its devices go on as before, and keep their connections."""

        def follow(policy: Policy) -> Policy:
            return VpnPolicy(new) if policy == VpnPolicy(old) else policy

        def renamed(policies: dict[str, Policy], default: Policy) -> tuple[dict[str, Policy], Policy]:
            return {mac: follow(policy) for mac, policy in policies.items()}, follow(default)

        self._policies, self._default = renamed(self._policies, self._default)
        self._last = renamed(*self._last)

    def wake(self) -> None:
        """Look at the policies now: the time zone is another, or an exit is gone."""
        self._woken.set()

    async def run(self) -> None:
        """Run until cancelled: follow the schedules."""
        while True:
            now = self._wall()
            try:
                async with asyncio.timeout(min(LOOK_INTERVAL, MINUTE - now % MINUTE)):
                    await self._woken.wait()
            except TimeoutError:
                if self._wall() // MINUTE == now // MINUTE:
                    continue
            self._woken.clear()
            await self.check()

    async def check(self) -> None:
        """Apply what a schedule has changed; tried until the kernel has taken it."""
        reported = False
        while self._present() != self._policies or self._store.settings.default_policy != self._default:
            try:
                await self.follow()
            except KernelError as error:
                if not reported:
                    log.error("a schedule could not be followed: %s", error.message)
                    self._publish(SecurityAlert("plan_failed", error.message))
                reported = True
                await asyncio.sleep(RETRY_DELAY)


async def _forgotten(step: Awaitable[None]) -> None:
    """Do a step that ends connections. Its failure is logged: the plan is in force, and the others must get theirs."""
    try:
        await step
    except Exception:
        log.exception("connections of a device whose policy has changed could not be ended")
