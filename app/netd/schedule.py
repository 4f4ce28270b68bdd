"""Changes of server by the clock."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from app.errors import GatewayError
from app.model import DEFAULT_EXIT, ServerChange
from app.tunnel.states import Connected, Target

if TYPE_CHECKING:
    from app.netd.core import Core

log = logging.getLogger(__name__)

LOOK = 20.0  # seconds; below a minute, so that none is missed


def due(changes: Iterable[ServerChange], now: datetime) -> ServerChange | None:
    """The change that is set for this very minute of local time, the last one where several are."""
    minute = now.hour * 60 + now.minute
    fitting = [c for c in changes if c.at == minute and now.weekday() in c.days]
    return fitting[-1] if fitting else None


class Schedule:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._done: str | None = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self.look(datetime.now().astimezone())

    async def look(self, now: datetime) -> None:
        """Carry out what is due; once for each minute. Only a connected exit changes: blocked stays as it is."""
        minute = now.strftime("%Y-%m-%d %H:%M")
        change = due(self._core.settings.server_changes, now)
        machine = self._core.machines.get(DEFAULT_EXIT)
        if change is None or minute == self._done or machine is None:
            return
        self._done = minute
        state = machine.state
        if not isinstance(state, Connected):
            return
        try:
            target = await self._next(state.tunnel.target, change.select)
            self._core.records.because(machine.name, "scheduled")
            await machine.connect(target)
            if machine.goal == target:  # nobody has asked for something else since
                await self._core.want(machine.name, target)
        except GatewayError as error:
            self._core.records.because(machine.name, None)
            log.warning("the change of server set for %s was not made: %s", minute, error.message)

    async def _next(self, present: Target, selector: str) -> Target:
        """Another one than the present where there is another."""
        meant = await self._core.servers.meant(present.provider, selector)
        return next((t for t in meant if t != present), meant[0])
