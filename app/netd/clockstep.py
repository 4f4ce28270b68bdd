"""Notices that the wall clock was set, and keeps what a step would destroy: leases, and the reason for a silence.

The kernel tells of steps by a timer (timerfd_create(2)) that Python has from 3.13 on; two clocks compared once a second
do as well, for what is kept must be from before the step in any case.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import aiofiles.os

from app.tunnel.clock import boottime

log = logging.getLogger(__name__)

PERIOD = 1.0  # seconds
SMALLEST = 1.0  # seconds; less is a slow look, or nobody's business
LEASES = 60.0  # seconds from which on leases are moved: dnsmasq is restarted for it


class ClockSteps:
    """How far the clock was set since the last look, and until when servers may take us for a replay."""

    def __init__(self, wall: Callable[[], float] = time.time, boot: Callable[[], float] = boottime) -> None:
        self._wall, self._boot = wall, boot
        self._offset = wall() - boot()
        self._as_before = 0.0  # by the boot's clock: when the wall clock will be as late as it has ever been

    def look(self) -> float:
        """Seconds that the clock was set forward by (back: negative) since the last look; 0 where it was not."""
        offset = self._wall() - self._boot()
        step = offset - self._offset
        self._offset = offset
        if abs(step) < SMALLEST:
            return 0.0
        self._as_before = max(self._as_before, self._boot()) - step
        log.info("the clock was set %s by %.0f s", "forward" if step > 0 else "back", abs(step))
        return step

    @property
    def behind(self) -> float:
        """Seconds that the clock is behind what it has said before: WireGuard's peers refuse what is older."""
        return max(0.0, self._as_before - self._boot())


async def keep_leases(
    steps: ClockSteps,
    leases: Callable[[], str],
    move: Callable[[str, float], object],
    period: float = PERIOD,
) -> None:
    """Run until cancelled: after each large step, ``move`` is given the lease file from before it, and the step.

    ``leases`` reads the file, and is called in a thread.
    """
    read = aiofiles.os.wrap(leases)
    before = await read()
    while True:
        await asyncio.sleep(period)
        # In this order, a step between the two is told now or at the next look, and ``before`` is older than it.
        now = await read()
        step = steps.look()
        if abs(step) >= LEASES:
            move(before, step)
            now = await read()
        before = now
