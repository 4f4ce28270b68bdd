"""The machine's set-up, which is awaited by the processes that are loaded beside it.

Before it is over, the settings and the admin password may be those of the last start.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

log = logging.getLogger(__name__)

TIMEOUT = 180.0  # seconds; the set-up has a shorter timeout of its own
POLL_INTERVAL = 0.05  # seconds between looks


def wait_for(path: Path | None, timeout: float = TIMEOUT) -> None:
    """Return once ``path`` is there, at once where it is None, and after ``timeout`` seconds in any case.

    A set-up that hangs or fails must not keep the gateway down: it comes up with what it has.
    """
    deadline = time.monotonic() + timeout
    while path is not None and not path.exists():
        if time.monotonic() > deadline:
            log.warning("%s is not there after %.0f s: going on without", path, timeout)
            return
        time.sleep(POLL_INTERVAL)
