"""Whether a single wired port may be WAN and LAN at once (one-arm) where nobody has said so.

On a shared wire the LAN is known by its source addresses alone, so this is never entered lightly: a LAN port that was
there and is gone is an unplugged cable or adapter, and the WAN's neighbours must not become the LAN for that. Only a
machine that has shown no second port since it was switched on, for a while, is one-arm; a port that appears ends it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from app.atomic import write_atomic

SETTLE = 15.0  # seconds after the start for USB adapters and access points to appear


class OneArm:
    """``record`` outlives netd but not the machine's restart; what it says, ``one-arm`` or ``lan``, holds till then."""

    def __init__(self, record: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._record = record
        self._clock = clock
        self._started = clock()
        self._said = record.read_text() if record.exists() else ""

    def allowed(self, single: bool) -> bool:
        """``single``: whether there is one wired port now and no other LAN."""
        if not single:
            self._say("lan")
            return False
        if self._said == "":
            if self._clock() - self._started < SETTLE:
                return False
            self._say("one-arm")
        return self._said == "one-arm"

    def _say(self, what: str) -> None:
        if self._said != what:
            self._said = what
            with contextlib.suppress(OSError):  # then only a restart of netd finds out anew
                write_atomic(self._record, what.encode())
