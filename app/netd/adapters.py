"""A monitor reports USB adapters that stay in disk mode: in the log, as an event, and in a file for the card."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from app import async_files
from app.network import modeswitch
from app.network.one_arm import SWITCH_TIME
from app.protocol.events import EventSink, SecurityAlert

log = logging.getLogger(__name__)

POLL_INTERVAL = 5.0  # seconds between checks
RECORD = "adapters"  # in netd's run directory: one line for each reported adapter; empty when no adapter is stuck


class AdapterMonitor:
    """The monitor reports each adapter once; from the file, a restarted netd knows the reports made before."""

    def __init__(
        self,
        record: Path,
        *,
        publish: EventSink,
        disks: Callable[[], Awaitable[tuple[str, ...]]] = modeswitch.disks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._publish = publish
        self._disks = disks
        self._clock = clock
        self._since: dict[str, float] = {}
        try:
            self._reported = record.read_text().splitlines()
        except OSError:
            self._reported = []

    async def run(self) -> None:
        while True:
            await self.check()
            await asyncio.sleep(POLL_INTERVAL)

    async def check(self) -> None:
        """Report, once, each adapter that has been a disk for longer than the mode switch takes."""
        disks = await self._disks()
        now = self._clock()
        self._since = {disk: self._since.get(disk, now) for disk in disks}
        advice = {modeswitch.advice(disk): since for disk, since in self._since.items()}
        stuck = [
            message for message, since in advice.items() if message in self._reported or now - since >= SWITCH_TIME
        ]
        for message in stuck:
            if message not in self._reported:
                log.warning("%s", message)
                self._publish(SecurityAlert("adapter_is_disk", message))
        if stuck != self._reported:
            self._reported = stuck
            with contextlib.suppress(OSError):  # without the file, only the report on the card lacks it
                await async_files.write_atomic(self._record, "".join(f"{line}\n" for line in stuck).encode())
