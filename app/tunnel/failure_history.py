"""The servers that failed of late (deterministic for a given clock and random source).

A server that failed is passed over for a while, longer each time, so that the gateway does not run in circles; when
several in a row have failed, the fault is rather on the way to all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct

from app.backoff import Backoff
from app.tunnel.states import Target

PENALTY = 300.0  # seconds a server is passed over after its first failure
LONGEST_PENALTY = 3600.0
JITTER = 0.2  # of a penalty, both ways
MAX_HOPS = 3  # servers tried in a row without one that works

_PENALTIES = Backoff(PENALTY, LONGEST_PENALTY, JITTER)


class _Record(Struct):
    failures: int
    until: float


class FailureHistory:
    """Failures by server, and by exit how many there were in a row. ``clock`` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float], rng: random.Random | None = None) -> None:
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._records: dict[Target, _Record] = {}
        self._hops: dict[str, int] = {}

    def record_failure(self, exit_name: str, target: Target) -> None:
        record = self._records.setdefault(target, _Record(0, 0.0))
        record.failures += 1
        record.until = self._clock() + _PENALTIES.delay(record.failures, self._rng)
        self._hops[exit_name] = self._hops.get(exit_name, 0) + 1
        self._forget_old()

    def record_success(self, exit_name: str, target: Target) -> None:
        """A tunnel to it came up; its failures are forgotten once it has lasted longer than their penalty."""
        self._hops.pop(exit_name, None)
        record = self._records.get(target)
        if record is not None and self._clock() >= record.until:
            del self._records[target]

    def in_penalty(self, target: Target) -> bool:
        record = self._records.get(target)
        return record is not None and self._clock() < record.until

    def exhausted(self, exit_name: str) -> bool:
        """Whether so many failed in a row that another server would hardly help."""
        return self._hops.get(exit_name, 0) > MAX_HOPS

    def back_off(self, exit_name: str) -> None:
        """Begin to count anew, after having waited with the first choice."""
        self._hops.pop(exit_name, None)

    def _forget_old(self) -> None:
        now = self._clock()
        self._records = {t: r for t, r in self._records.items() if now < r.until + LONGEST_PENALTY}
