"""How long to wait before trying again (pure)."""

from __future__ import annotations

import random

from app.backoff import Backoff

FIRST = 2.0  # seconds
LONGEST = 60.0
JITTER = 0.2  # of the delay, both ways

_RETRIES = Backoff(FIRST, LONGEST, JITTER)

HANDSHAKE_TIMEOUTS = (4.0, 6.0)  # seconds; WireGuard repeats its initiation every 5 s, a new attempt starts one at once
HANDSHAKE_TIMEOUT_LATER = 8.0


def delay(attempt: int, rng: random.Random | None = None) -> float:
    """Seconds before retry number ``attempt`` (1, 2, ...): doubling, capped, with jitter."""
    return _RETRIES.delay(attempt, rng)


def handshake_timeout(attempt: int) -> float:
    """Seconds to wait for a handshake in attempt number ``attempt``."""
    return HANDSHAKE_TIMEOUTS[attempt - 1] if attempt <= len(HANDSHAKE_TIMEOUTS) else HANDSHAKE_TIMEOUT_LATER
