"""The delays between connection attempts, and the time limit of each handshake (pure)."""

from __future__ import annotations

import random

from app.backoff import Backoff

MIN_DELAY = 2.0  # seconds
MAX_DELAY = 60.0  # seconds
JITTER = 0.2  # of the delay, in both directions

_RETRIES = Backoff(MIN_DELAY, MAX_DELAY, JITTER)

HANDSHAKE_TIMEOUTS = (4.0, 6.0)  # seconds; WireGuard repeats its initiation every 5 s, a new attempt sends one at once
HANDSHAKE_TIMEOUT_LATER = 8.0  # seconds


def delay(attempt: int, rng: random.Random | None = None) -> float:
    """Seconds before retry number ``attempt`` (1, 2, ...): doubling, capped, with jitter."""
    return _RETRIES.delay(attempt, rng)


def handshake_timeout(attempt: int) -> float:
    """Seconds to wait for a handshake in attempt number ``attempt``."""
    return HANDSHAKE_TIMEOUTS[attempt - 1] if attempt <= len(HANDSHAKE_TIMEOUTS) else HANDSHAKE_TIMEOUT_LATER
