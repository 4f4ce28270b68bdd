"""The decision whether a single wired port is WAN and LAN at once (one-arm) where the settings do not say.

On a shared wire the LAN is recognized by its source addresses alone, so the decision is conservative: a LAN port that
disappears is an unplugged cable or adapter, and must not turn the WAN's neighbours into the LAN. A machine is one-arm
only if no second port has appeared for some seconds since power-on; a port that appears later ends it. An adapter that
starts as a disk gets more time to become a port.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from app import async_files
from app.network import modeswitch

log = logging.getLogger(__name__)

SETTLE_TIME = 15.0  # seconds after the start for USB adapters and access points to appear
SWITCH_TIME = 10.0  # seconds more for an adapter that starts as a disk


class OneArm:
    """The decision. The file ``record`` (``one-arm`` or ``lan``) keeps it over a restart of netd, not of the machine.

    ``disks`` lists the adapters that are a disk now. Call :meth:`refresh` before :meth:`allowed` and :meth:`remember`
    after it.
    """

    def __init__(
        self,
        record: Path,
        *,
        disks: Callable[[], Awaitable[tuple[str, ...]]] = modeswitch.disks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._disks = disks
        self._present_disks: tuple[str, ...] = ()
        self._clock = clock
        self._started = clock()
        self._wait = SETTLE_TIME
        self._decision = self._recorded = record.read_text() if record.exists() else ""

    async def refresh(self) -> None:
        """List the adapters that are a disk, as long as nothing has been decided."""
        self._present_disks = await self._disks() if self._decision == "" else ()

    def allowed(self, single: bool) -> bool:
        """Whether the single port is WAN and LAN. ``single``: there is one wired port now and no other LAN."""
        if not single:
            self._decision = "lan"
            return False
        if self._decision == "":
            if self._present_disks:  # also while it is no longer a disk and not yet a port
                self._wait = SETTLE_TIME + SWITCH_TIME
            if self._clock() - self._started < self._wait:
                return False
            for disk in self._present_disks:
                log.warning("one wire for WAN and LAN, although %s", modeswitch.advice(disk))
            self._decision = "one-arm"
        return self._decision == "one-arm"

    async def remember(self) -> None:
        """Write the decision to the file."""
        if self._decision != self._recorded:
            self._recorded = self._decision
            with contextlib.suppress(OSError):  # matters only after a restart of netd, which decides again
                await async_files.write_atomic(self._record, self._decision.encode())
