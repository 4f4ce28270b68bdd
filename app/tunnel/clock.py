"""The one clock for durations: CLOCK_BOOTTIME, which no NTP step bends and which every process of this boot shares."""

from __future__ import annotations

import time


def boottime() -> float:
    """Seconds since boot, suspend included (clock_gettime(2))."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
