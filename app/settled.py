"""The machine's set-up, which is awaited by the processes that are loaded beside it.

Before it is over, the settings and the admin password may be those of the last start.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from app.sd_notify import notify

log = logging.getLogger(__name__)

LIMIT = 660.0  # seconds; the set-up has a shorter limit of its own, also where a processor is emulated
PERIOD = 0.05  # seconds between looks
# Seconds; the wait must not use up what systemd allows for the start, which is short enough to end one that hangs.
EXTENSION = 240.0
EXTENSION_PERIOD = 10.0


def wait_for(path: Path | None, limit: float = LIMIT) -> None:
    """Return once ``path`` is there, at once where it is None, and after ``limit`` seconds in any case.

    A set-up that hangs or fails must not keep the gateway down: it comes up with what it has. While it is awaited,
    systemd's limit of this process's start is extended (sd_notify(3), ``EXTEND_TIMEOUT_USEC``).
    """
    began = extended = time.monotonic()
    while path is not None and not path.exists():
        now = time.monotonic()
        if now - began > limit:
            log.warning("%s is not there after %.0f s: going on without", path, limit)
            return
        if now - extended >= EXTENSION_PERIOD:
            notify(f"EXTEND_TIMEOUT_USEC={EXTENSION * 1_000_000:.0f}")
            extended = now
        time.sleep(PERIOD)
