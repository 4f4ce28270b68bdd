"""Automatic switches of server: those scheduled for a time of day, and the return to the first choice.

Both are make-before-break, so that a failed attempt costs nothing; only a connected exit is switched.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from app.errors import GatewayError
from app.exit_settings import exit_settings
from app.model import ServerChange
from app.netd.intent import Intent
from app.netd.protocols import ExitServers
from app.schedules import local_time
from app.store import Store
from app.tunnel.clock import boottime
from app.tunnel.failure_history import FailureHistory
from app.tunnel.machine import ExitMachine
from app.tunnel.states import Connected, Target

log = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)

CLOCK_INTERVAL = 20.0  # seconds between looks at the clock; below a minute, so that no scheduled minute is missed
RETURN_INTERVAL = 30.0  # seconds between checks of the exits on a fallback
RETURN_AFTER = 600.0  # seconds on a fallback before the first choice is tried again


class SwitchableExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    @property
    def machines(self) -> tuple[ExitMachine, ...]: ...

    async def switch(self, exit_name: str, target: Target, cause: str, *, asked: str | None = None) -> None: ...


def due_change(changes: Iterable[ServerChange], now: datetime) -> ServerChange | None:
    """The change scheduled for the minute of the local time ``now``; the last one if there are several (pure).

    What lies within an hour that the clock leaves out is due as that hour ends; of a repeated one the first counts.
    """
    if now.fold:
        return None
    minutes = {(one.weekday(), one.hour * 60 + one.minute) for one in _shown(now)}
    matching = [c for c in changes if any(c.at == minute and day in c.days for day, minute in minutes)]
    return matching[-1] if matching else None


def _shown(now: datetime) -> list[datetime]:
    """The minute that clocks show now, and those that they have just left out."""
    if now.tzinfo is None:
        return [now]
    before = (now.astimezone(UTC) - MINUTE).astimezone(now.tzinfo).replace(tzinfo=None)
    left_out = (now.replace(tzinfo=None) - before) // MINUTE - 1
    return [now, *(before + MINUTE * (n + 1) for n in range(left_out))]


class ScheduledSwitches:
    """The switches that the settings of the exits schedule by time of day."""

    def __init__(
        self, exits: SwitchableExits, servers: ExitServers, store: Store, now: Callable[[], float] = time.time
    ) -> None:
        """``now`` is the Unix time."""
        self._exits = exits
        self._servers = servers
        self._store = store
        self._now = now
        self._last_minute: str | None = None

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await asyncio.sleep(CLOCK_INTERVAL)
            await self.check(local_time(self._now(), self._store.settings.time_zone))

    async def check(self, now: datetime) -> None:
        """Carry out the changes that are due, at most once a minute."""
        minute = now.strftime("%Y-%m-%d %H:%M")
        if minute == self._last_minute:
            return
        settings, due = self._store.settings, list[tuple[ExitMachine, ServerChange]]()
        for machine in self._exits.machines:
            change = due_change(exit_settings(settings, machine.name).server_changes, now)
            if change is not None:
                due.append((machine, change))
        if due:
            self._last_minute = minute
            await asyncio.gather(*(self._change(machine, change, minute) for machine, change in due))

    async def _change(self, machine: ExitMachine, change: ServerChange, minute: str) -> None:
        state = machine.state
        if not isinstance(state, Connected):
            return
        try:
            target = await self._other_target(machine.name, state.tunnel.target, change.select)
            await self._exits.switch(machine.name, target, "scheduled", asked=change.select)
        except GatewayError as error:
            log.warning("exit %s: the scheduled switch of %s failed: %s", machine.name, minute, error.message)

    async def _other_target(self, exit_name: str, present: Target, selector: str) -> Target:
        """The best server that the selector means, other than ``present`` if possible."""
        own = exit_settings(self._store.settings, exit_name).provider
        found = (await self._servers.resolve(exit_name, selector, own or present.provider)).targets
        return next((t for t in found if t != present), found[0])


class ReturnToFirstChoice:
    """The switch of an exit from a fallback back to the server that was asked for."""

    def __init__(
        self,
        *,
        exits: SwitchableExits,
        servers: ExitServers,
        intent: Intent,
        store: Store,
        failures: FailureHistory,
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._exits = exits
        self._servers = servers
        self._intent = intent
        self._store = store
        self._failures = failures
        self._clock = clock

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await asyncio.sleep(RETURN_INTERVAL)
            await self.check()

    async def check(self) -> None:
        """Try the first choice of each exit whose fallback has been connected for ``RETURN_AFTER``."""
        for machine in self._exits.machines:
            state = machine.state
            if isinstance(state, Connected) and self._clock() - state.since_boot >= RETURN_AFTER:
                await self._try(machine, state)

    async def _try(self, machine: ExitMachine, state: Connected) -> None:
        goal = self._intent.goal(machine.name)
        if goal is None or goal.first_choice is None or not self._store.settings.failover.return_to_first:
            return
        if machine.goal != state.tunnel.target:
            return
        target = goal.first_choice
        try:
            # The first choice may have left the list for good, while others are what was asked for.
            meant = await self._meant(machine.name, target, goal.asked)
            target = next((t for t in meant if not self._failures.in_penalty(t)), None)
            if target is None:
                return
            await self._exits.switch(machine.name, target, "return_to_first", asked=goal.asked)
        except GatewayError as error:
            # Another exit may use it now, or this one never any more: the server is not at fault.
            if target is not None and error.code not in {"server_in_use", "never_used"}:
                self._failures.record_failure(machine.name, target)
            log.info("exit %s: the first choice %s does not answer yet: %s", machine.name, target, error.message)

    async def _meant(self, exit_name: str, first: Target, selector: str) -> list[Target]:
        """The servers that were asked for, the first choice first. Raises GatewayError."""
        found = (await self._servers.resolve(exit_name, selector, first.provider)).targets
        return sorted(found, key=lambda t: t != first)
