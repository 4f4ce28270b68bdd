"""How long to wait before trying again (pure)."""

from __future__ import annotations

import random

FIRST = 2.0  # seconds
LONGEST = 60.0
JITTER = 0.2  # of the delay, both ways, so that gateways after a power cut do not all knock at once

HANDSHAKE_TIMEOUTS = (4.0, 6.0)  # seconds; WireGuard repeats its initiation every 5 s, a new attempt starts one at once
HANDSHAKE_TIMEOUT_LATER = 8.0


def delay(attempt: int, rng: random.Random | None = None) -> float:
    """Seconds before retry number ``attempt`` (1, 2, ...): doubling, capped, with jitter."""
    base = min(LONGEST, FIRST * 2 ** max(0, min(attempt, 16) - 1))
    spread = (rng or random).uniform(-JITTER, JITTER)
    return base * (1 + spread)


def handshake_timeout(attempt: int) -> float:
    """Seconds to wait for a handshake in attempt number ``attempt``."""
    return HANDSHAKE_TIMEOUTS[attempt - 1] if attempt <= len(HANDSHAKE_TIMEOUTS) else HANDSHAKE_TIMEOUT_LATER
