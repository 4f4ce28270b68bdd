"""The ending of tasks, also of one that loses its cancellation.

A task that is cancelled at the moment when its awaitable finishes may continue as if not cancelled. A process that
waits for it then never ends; systemd kills it after a minute and a half and only then starts it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

log = logging.getLogger(__name__)

RECANCEL_AFTER = 1.0  # seconds until a task is cancelled again


async def end(tasks: Iterable[asyncio.Task[Any]], recancel_after: float = RECANCEL_AFTER) -> None:
    """Cancel ``tasks`` and return once all have ended; their results and errors are dropped."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=recancel_after)
        for task in done:
            if not task.cancelled():
                task.exception()  # retrieved, so that asyncio does not log it at the end of the process
        for task in pending:
            log.warning("%s still runs although it was cancelled: cancelling it again", task.get_name())
