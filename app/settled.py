"""The wait for the machine's set-up, used by processes that are loaded while it runs.

Before the set-up has ended, the settings and the admin password may be those of the last start.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

log = logging.getLogger(__name__)

TIMEOUT = 180.0  # seconds; the set-up's own limit is shorter
POLL_INTERVAL = 0.05  # seconds


def wait_for(path: Path | None, timeout: float = TIMEOUT) -> None:
    """Wait until ``path`` exists, at most ``timeout`` seconds; return at once where it is None.

    A set-up that hangs or fails must not keep the gateway down: it starts with the settings it has.
    """
    deadline = time.monotonic() + timeout
    while path is not None and not path.exists():
        if time.monotonic() > deadline:
            log.warning("%s does not exist after %.0f s: starting without it", path, timeout)
            return
        time.sleep(POLL_INTERVAL)
