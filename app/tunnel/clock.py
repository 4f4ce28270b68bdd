"""The clock for durations: CLOCK_BOOTTIME, unaffected by NTP steps and the same in every process of this boot."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds since boot, suspend included (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
