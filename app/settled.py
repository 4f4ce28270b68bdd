"""The wait for the machine's set-up, used by processes that are loaded while it runs.

Before the set-up has ended, the settings and the admin password may be those of the last start.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from app.sd_notify import notify

log = logging.getLogger(__name__)

TIMEOUT = 660.0  # seconds; the set-up's own limit is shorter, also where a processor is emulated
POLL_INTERVAL = 0.05  # seconds
# Seconds; the wait must not use up systemd's limit of the start, which is short enough to end a start that hangs.
EXTENSION = 240.0
EXTENSION_INTERVAL = 10.0


def wait_for(path: Path | None, timeout: float = TIMEOUT) -> None:
    """Wait until ``path`` exists, at most ``timeout`` seconds; return at once where it is None.

    A set-up that hangs or fails must not keep the gateway down: it starts with the settings it has. During the wait
    systemd's limit of this process's start is extended (sd_notify(3), ``EXTEND_TIMEOUT_USEC``).
    """
    began = extended = time.monotonic()
    while path is not None and not path.exists():
        now = time.monotonic()
        if now - began > timeout:
            log.warning("%s does not exist after %.0f s: starting without it", path, timeout)
            return
        if now - extended >= EXTENSION_INTERVAL:
            notify(f"EXTEND_TIMEOUT_USEC={EXTENSION * 1_000_000:.0f}")
            extended = now
        time.sleep(POLL_INTERVAL)
