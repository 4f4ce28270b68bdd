"""Steps of the wall clock: detected once a second, with the DHCP leases moved along.

The kernel reports steps by timerfd_create(2), which Python has from 3.13 on. Comparing two clocks once a second is as
good, because the lease file to keep is the one from before the step in any case: it is read whenever dnsmasq writes it,
so that no lease is too young to be known.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

import aiofiles.os

from app.netd.file_writes import watch_writes
from app.tunnel.clock import boottime

log = logging.getLogger(__name__)

POLL_INTERVAL = 1.0  # seconds
MIN_STEP = 1.0  # seconds; a smaller difference is slewing or a late check
MIN_LEASE_STEP = 60.0  # seconds; smaller steps do not justify the restart of dnsmasq that moving leases takes


class ClockSteps:
    """The steps of the wall clock, and how long WireGuard peers will take our handshakes for replays after one."""

    def __init__(self, wall: Callable[[], float] = time.time, boot: Callable[[], float] = boottime) -> None:
        self._wall, self._boot = wall, boot
        self._offset = wall() - boot()
        self._caught_up_at = 0.0  # CLOCK_BOOTTIME at which the wall clock reaches its latest time again

    def measure(self) -> float:
        """The step since the last call, in seconds (back: negative); 0 = none."""
        offset = self._wall() - self._boot()
        step = offset - self._offset
        self._offset = offset
        if abs(step) < MIN_STEP:
            return 0.0
        self._caught_up_at = max(self._caught_up_at, self._boot()) - step
        log.info("the clock was set %s by %.0f s", "forward" if step > 0 else "back", abs(step))
        return step

    @property
    def behind(self) -> float:
        """Seconds by which the clock is behind its own maximum: WireGuard peers refuse handshakes with older times."""
        return max(0.0, self._caught_up_at - self._boot())


async def keep_leases(
    steps: ClockSteps,
    path: Path,
    leases: Callable[[], str],
    move: Callable[[str, float], object],
    period: float = POLL_INTERVAL,
) -> None:
    """Run until cancelled: call ``move`` after each large step, with the lease file from before it and the step.

    ``leases`` reads the file ``path`` and is called in a thread: at each write to the file, and every ``period``
    seconds. Raises OSError when the file's directory cannot be watched.
    """
    read = aiofiles.os.wrap(leases)
    with watch_writes(path, period) as next_write:
        before = await read()
        while True:
            await next_write()
            # Read first: a step between the two lines is seen now or at the next turn, and ``before`` is older than it.
            now = await read()
            step = steps.measure()
            if abs(step) >= MIN_LEASE_STEP:
                move(before, step)
                now = await read()
            before = now
