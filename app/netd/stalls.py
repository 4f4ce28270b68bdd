"""A monitor restarts wired ports that have stopped sending while packets wait in their queue.

The Pi 5's own port is reported to stall like that under load: it still receives, and its link stays up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from msgspec import Struct
from pyroute2.netlink.exceptions import NetlinkError

from app.network import transmit
from app.protocol.events import EventSink, SecurityAlert

log = logging.getLogger(__name__)

POLL_INTERVAL = 2.5  # seconds between checks
STALL_TIMEOUT = 10.0  # seconds without a sent packet; a pause frame stops a port for milliseconds only
RESTART_INTERVAL = 60.0  # seconds between restarts of a port; some switches take half of that to forward again


class Progress(Struct, frozen=True):
    """The last progress of a port."""

    sent: int  # packets
    since: float  # CLOCK_MONOTONIC


class StallMonitor:
    """The monitor of ``ports``, the wired ports with a carrier."""

    def __init__(
        self,
        *,
        ports: Callable[[], Iterable[str]],
        publish: EventSink,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ports = ports
        self._publish = publish
        self._clock = clock
        self._progress: dict[str, Progress] = {}
        self._restarted: dict[str, float] = {}

    async def run(self) -> None:
        while True:
            try:
                await self.check()
            except OSError as error:
                log.warning("the counters of the ports could not be read: %s", error)
            await asyncio.sleep(POLL_INTERVAL)

    async def check(self) -> None:
        sent = transmit.sent()
        names = [name for name in self._ports() if name in sent]
        self._progress = {name: progress for name, progress in self._progress.items() if name in names}
        for name in names:
            try:
                if await self._stalled(name, sent[name]):
                    await self._restart(name)
            except (NetlinkError, OSError) as error:  # an adapter that was just pulled out
                log.debug("%s: %s", name, error)

    async def _stalled(self, name: str, sent: int) -> bool:
        now, last = self._clock(), self._progress.get(name)
        # Most ports that send nothing have nothing to send: ask for the queue only then.
        if last is None or last.sent != sent or not await transmit.queued(name):
            self._progress[name] = Progress(sent, now)
            return False
        rested = now - self._restarted.get(name, -RESTART_INTERVAL) >= RESTART_INTERVAL
        return rested and now - last.since >= STALL_TIMEOUT

    async def _restart(self, name: str) -> None:
        message = f"the port {name} had stopped sending while packets waited in it: it was taken down and up"
        self._restarted[name] = self._clock()
        await transmit.restart(name)
        log.warning("%s", message)
        self._publish(SecurityAlert("port_stalled", message, port=name))
