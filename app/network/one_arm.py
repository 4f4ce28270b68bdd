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
from collections.abc import Callable
from pathlib import Path

from app.atomic import write_atomic
from app.network import modeswitch

log = logging.getLogger(__name__)

SETTLE = 15.0  # seconds after the start for USB adapters and access points to appear
SWITCH = 10.0  # seconds more for an adapter that begins as a disk


class OneArm:
    """``record`` outlives netd but not the machine's restart; what it says, ``one-arm`` or ``lan``, holds till then.

    ``disks`` names the adapters that are a disk now.
    """

    def __init__(
        self,
        record: Path,
        *,
        disks: Callable[[], tuple[str, ...]] = modeswitch.disks,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._record = record
        self._disks = disks
        self._clock = clock
        self._started = clock()
        self._patience = SETTLE
        self._said = record.read_text() if record.exists() else ""

    def allowed(self, single: bool) -> bool:
        """``single``: whether there is one wired port now and no other LAN."""
        if not single:
            self._say("lan")
            return False
        if self._said == "":
            disks = self._disks()
            if disks:  # also for the moment in which it is neither a disk any more nor a port yet
                self._patience = SETTLE + SWITCH
            if self._clock() - self._started < self._patience:
                return False
            for disk in disks:
                log.warning("one wire for WAN and LAN, although %s", modeswitch.advice(disk))
            self._say("one-arm")
        return self._said == "one-arm"

    def _say(self, what: str) -> None:
        if self._said != what:
            self._said = what
            with contextlib.suppress(OSError):  # then only a restart of netd finds out anew
                write_atomic(self._record, what.encode())
