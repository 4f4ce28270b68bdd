"""The watch over the resolvers of connected exits: a silent one gives way to the next before devices wait for it.

dnsmasq repeats no query by itself, and asks the resolvers in their order, so each new name would cost its device a
time-out for as long as the first one is silent.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from app.addresses import Address
from app.errors import KernelError
from app.netd.network_parts import NetworkChange, PlanApplied
from app.netd.resolver_report import describe
from app.network.plan import ExitPlan, TunnelPlan, exit_mark
from app.network.resolvers import Answer, ResolverChoice
from app.protocol.events import EventSink, SecurityAlert, StatusChanged
from app.protocol.status import ExitStatus
from app.tunnel.resolver_check import check

log = logging.getLogger(__name__)

CHECK_INTERVAL = 5.0  # seconds; an idle tunnel is probed as often for its health
GRACE = 0.3  # seconds after the first answer on a new tunnel, before the others count as silent for now
# Silent rounds in a row before the fallback is used and anything is said: a dead tunnel, whose resolvers are not at
# fault, is noticed earlier (DEAD_AFTER).
CONFIRMED = 3

Check = Callable[[Address, int], Awaitable[Answer]]


class WatchedNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    @property
    def exit_plans(self) -> tuple[ExitPlan, ...]: ...

    def resolvers(self, exit_name: str) -> ResolverChoice: ...

    async def use_answers(self, exit_name: str, answers: Mapping[Address, Answer]) -> None: ...

    def subscribe(self, subscriber: Callable[[NetworkChange], object]) -> None: ...


class _Watched:
    """The resolvers of one tunnel, as far as they have been asked."""

    def __init__(self, tunnel: TunnelPlan) -> None:
        self.tunnel = tunnel
        self.silent_rounds: dict[Address, int] = {}
        self.problem: str | None = None

    def count(self, answers: Mapping[Address, Answer]) -> None:
        for address, answer in answers.items():
            rounds = self.silent_rounds.get(address, 0)
            self.silent_rounds[address] = rounds + 1 if answer is Answer.SILENT else 0

    @property
    def silent(self) -> frozenset[Address]:
        return frozenset(a for a, rounds in self.silent_rounds.items() if rounds >= CONFIRMED)


class ResolverWatch:
    """Checks the resolvers of each connected exit, orders them, and publishes what is wrong with them."""

    def __init__(self, network: WatchedNetwork, publish: EventSink, ask: Check = check) -> None:
        self._network = network
        self._publish = publish
        self._ask = ask
        self._watched: dict[int, _Watched] = {}  # by the exit's number
        self._due = asyncio.Event()
        network.subscribe(self._on_change)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            self._due.clear()
            await self.check()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_INTERVAL):
                    await self._due.wait()

    async def check(self) -> None:
        """Check the resolvers of all exits once."""
        await asyncio.gather(*(self._check(plan) for plan in self._network.exit_plans))

    def completed(self, status: ExitStatus) -> ExitStatus:
        """``status`` with the resolvers of its exit and what is wrong with them."""
        plan = next((plan for plan in self._network.exit_plans if plan.name == status.name), None)
        watched = self._watched.get(plan.index) if plan is not None else None
        order = self._network.resolvers(status.name).order
        return msgspec.structs.replace(
            status, resolvers=tuple(map(str, order)), dns_problem=watched.problem if watched else None
        )

    # --- parts -------------------------------------------------------------------------------------------------------

    async def _check(self, plan: ExitPlan) -> None:
        if plan.active is None:
            self._watched.pop(plan.index, None)
            return
        tunnel = _identity(plan.active)
        watched = self._watched.get(plan.index)
        new = watched is None or watched.tunnel != tunnel
        if watched is None or new:
            watched = self._watched[plan.index] = _Watched(tunnel)
            await self._network.use_answers(plan.name, {})
        mark, choice = exit_mark(plan.index), self._network.resolvers(plan.name)
        used = choice.own or choice.spare
        answers = await self._ask_all(used, mark, plan.name if new else None)
        watched.count(answers)
        own_confirmed_silent = all(a in watched.silent for a in used) and bool(used)
        failing = bool(used) and all(answer is Answer.FAILING for answer in answers.values())
        if own_confirmed_silent or failing:
            answers |= await self._ask_all(choice.spare, mark)
        if self._watched.get(plan.index) is not watched or not self._still(plan.name, tunnel):
            return
        await self._use(plan.name, answers)
        self._say(plan.name, watched)

    async def _ask_all(
        self, resolvers: Iterable[Address], mark: int, in_a_hurry: str | None = None
    ) -> dict[Address, Answer]:
        """The answers of ``resolvers``. The exit ``in_a_hurry`` already uses those that answer promptly."""
        tasks = {a: asyncio.ensure_future(self._ask(a, mark)) for a in resolvers}
        if not tasks:
            return {}
        try:
            if in_a_hurry is not None and len(tasks) > 1:
                await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_COMPLETED)
                _, waiting = await asyncio.wait(tasks.values(), timeout=GRACE)
                if waiting:
                    early = {a: t.result() if t.done() else Answer.SILENT for a, t in tasks.items()}
                    await self._use(in_a_hurry, early)
            return dict(zip(tasks, await asyncio.gather(*tasks.values()), strict=True))
        finally:
            for task in tasks.values():
                task.cancel()

    async def _use(self, exit_name: str, answers: Mapping[Address, Answer]) -> None:
        try:
            await self._network.use_answers(exit_name, answers)
        except KernelError as error:  # the last plan stays, and the next check tries again
            log.warning("exit %s: the order of the resolvers could not be changed: %s", exit_name, error.message)

    def _say(self, exit_name: str, watched: _Watched) -> None:
        problem = describe(self._network.resolvers(exit_name), watched.silent)
        if problem == watched.problem:
            return
        watched.problem = problem
        if problem is not None:
            log.warning("exit %s: %s", exit_name, problem)
            self._publish(SecurityAlert("resolvers", problem, exit=exit_name))
        self._publish(StatusChanged(exit_name))

    def _still(self, exit_name: str, tunnel: TunnelPlan) -> bool:
        active = next((p.active for p in self._network.exit_plans if p.name == exit_name), None)
        return active is not None and _identity(active) == tunnel

    def _on_change(self, change: NetworkChange) -> None:
        if not isinstance(change, PlanApplied):
            return
        for plan in self._network.exit_plans:
            watched = self._watched.get(plan.index)
            if (watched.tunnel if watched else None) != (_identity(plan.active) if plan.active else None):
                self._due.set()


def _identity(tunnel: TunnelPlan) -> TunnelPlan:
    """The tunnel without what the watch itself changes."""
    return msgspec.structs.replace(tunnel, dns=())
