"""Waiting for a condition in the lab, and the lab's error."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class LabError(Exception):
    """The lab cannot do what was asked; the message says why and what to do."""


def wait_for(what: str, condition: Callable[[], Any], timeout: float = 15.0, interval: float = 0.05) -> Any:
    """Poll ``condition()`` and return its first true value. Raises LabError after ``timeout`` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"timed out: {what}")
        time.sleep(interval)
