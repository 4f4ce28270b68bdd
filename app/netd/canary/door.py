"""The door: all exits are shut after a leak, until each device of the canary's was clean, or the owner opens them.

A restart of netd keeps them shut. A fault may show only while they are open: where they leak again soon, twice as many
clean rounds are needed each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from app.errors import KernelError
from app.protocol.events import EventSink, SecurityAlert, StatusChanged
from app.protocol.status import ExitState, ExitStatus
from app.tunnel.states import Reason

log = logging.getLogger(__name__)

CALM = 3600.0  # seconds without a leak after which one clean round of each device is enough again
MOST_CLEAN = 32  # clean rounds of each device that are needed at most
SHUT = "canary-shut"  # the file in /run that says so to the next netd


class ShutNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    async def shut_exits(self, *, shut: bool) -> None: ...


class Door:
    """The door of all exits; what it says is what the network does."""

    def __init__(
        self, network: ShutNetwork, publish: EventSink, record: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``record`` is a file in /run that exists while the exits are shut."""
        self._network = network
        self._publish = publish
        self._record = record
        self._clock = clock
        self._turn = asyncio.Lock()  # the owner may open the exits at the moment of the next leak
        self._clean: Counter[str] = Counter()  # clean rounds of each device since the exits were shut
        self._needed = 1  # of each device
        self._opened = -CALM  # when the exits were opened last
        self.shut: str | None = None  # why all exits are blocked, for people; None while they are not
        with contextlib.suppress(OSError):
            self.shut = record.read_text()

    def note_clean(self, device: str) -> None:
        """Count a round as ``device`` that has proved that nothing leaks."""
        self._clean[device] += 1

    def may_open(self, devices: Iterable[str]) -> bool:
        """Whether the exits are shut and the rounds as all ``devices`` were clean often enough."""
        return self.shut is not None and all(self._clean[device] >= self._needed for device in devices)

    def shown(self, status: ExitStatus) -> ExitStatus:
        """``status`` as clients should see it: an exit that is shut carries nothing, whatever its tunnel does."""
        if self.shut is None or status.state is ExitState.DISCONNECTED:
            return status
        return replace(
            status,
            state=ExitState.BLOCKED,
            reason=Reason.CANARY_LEAK.value,
            message=self.shut,
            ip=None,
            confirmed=None,
            uptime=None,
            retry_in=None,
        )

    async def close(self, found: str) -> None:
        """Shut all exits because of the leak that was ``found``; if they are shut, apply the whole plan again."""
        self._clean.clear()
        async with self._turn:
            first = self.shut is None
            if first:
                soon = self._clock() - self._opened < CALM
                self._needed = min(2 * self._needed, MOST_CLEAN) if soon else 1
            self.shut = (
                f"{found} All exits are blocked since {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime())}, until"
                " every device's probes stay inside again, or until you open them"
            )
            log.error("leak: %s", found)
            with contextlib.suppress(OSError):
                self._record.write_text(self.shut)  # /run: memory
            try:
                await self._network.shut_exits(shut=True)
            except KernelError as error:
                log.error("the exits could not be shut: %s", error.message)
            if first:
                self._publish(SecurityAlert(Reason.CANARY_LEAK.value, self.shut))
            self._publish(StatusChanged())

    async def open(self, why: str) -> None:
        """Raises KernelError; the exits then stay shut."""
        async with self._turn:
            await self._network.shut_exits(shut=False)
            self.shut = None
            self._opened = self._clock()
            self._clean.clear()
            self._record.unlink(missing_ok=True)
            log.warning("the exits are open again: %s", why)
            self._publish(StatusChanged())
