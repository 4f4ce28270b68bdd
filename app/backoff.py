"""A delay that doubles with every failure up to a bound, with jitter so that gateways do not retry at the same time."""

from __future__ import annotations

import random
from dataclasses import dataclass

_MAX_DOUBLINGS = 32  # far beyond any bound; keeps the power small


@dataclass(frozen=True)
class Backoff:
    first: float  # seconds
    longest: float
    jitter: float = 0.2  # of the delay, both ways

    def delay(self, number: int, rng: random.Random | None = None) -> float:
        """Seconds to wait after failure ``number`` (1, 2, ...) in a row. The bound holds before the jitter."""
        base = min(self.longest, self.first * 2 ** max(0, min(number - 1, _MAX_DOUBLINGS)))
        return base * (1 + (rng or random).uniform(-self.jitter, self.jitter))
