"""Whether a single wired port may be WAN and LAN at once (one-arm) where nobody has said so.

On a shared wire the LAN is known by its source addresses alone, so this is never entered lightly: a LAN port that was
there and is gone is an unplugged cable or adapter, and the WAN's neighbours must not become the LAN for that. Only a
machine that has shown no second port since it was switched on, for a while, is one-arm; a port that appears ends it. An
adapter that begins as a disk has a while longer to become a port.
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

SETTLE = 15.0  # seconds after the start for USB adapters and access points to appear
SWITCH = 10.0  # seconds more for an adapter that begins as a disk


class OneArm:
    """``record`` outlives netd but not the machine's restart; what it says, ``one-arm`` or ``lan``, holds till then.

    ``disks`` names the adapters that are a disk now. Call :meth:`look` before :meth:`allowed`, :meth:`remember` after.
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
        self._seen: tuple[str, ...] = ()
        self._clock = clock
        self._started = clock()
        self._patience = SETTLE
        self._said = self._recorded = record.read_text() if record.exists() else ""

    async def look(self) -> None:
        """See which adapters are a disk, for as long as it matters."""
        self._seen = await self._disks() if self._said == "" else ()

    def allowed(self, single: bool) -> bool:
        """``single``: whether there is one wired port now and no other LAN."""
        if not single:
            self._said = "lan"
            return False
        if self._said == "":
            if self._seen:  # also for the moment in which it is neither a disk any more nor a port yet
                self._patience = SETTLE + SWITCH
            if self._clock() - self._started < self._patience:
                return False
            for disk in self._seen:
                log.warning("one wire for WAN and LAN, although %s", modeswitch.advice(disk))
            self._said = "one-arm"
        return self._said == "one-arm"

    async def remember(self) -> None:
        """Record what was decided."""
        if self._said != self._recorded:
            self._recorded = self._said
            with contextlib.suppress(OSError):  # then only a restart of netd finds out anew
                await async_files.write_atomic(self._record, self._said.encode())
