"""The recent failures of servers (deterministic for a given clock and random source).

A failed server is avoided for a while, longer after each failure, so that the gateway does not alternate between dead
servers; when several in a row have failed, the fault is probably in the network and not in the servers.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from msgspec import Struct

from app.backoff import Backoff
from app.tunnel.states import Target

PENALTY = 300.0  # seconds for which a server is avoided after its first failure
MAX_PENALTY = 3600.0  # seconds
JITTER = 0.2  # of a penalty, in both directions
MAX_HOPS = 3  # failed servers in a row before the gateway stops trying others

_PENALTIES = Backoff(PENALTY, MAX_PENALTY, JITTER)


class _Record(Struct):
    failures: int
    until: float


class FailureHistory:
    """Counts failures by server, and consecutive failures by exit. ``clock`` counts seconds and is monotonic."""

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
        """Record a tunnel to ``target``; earlier failures are forgotten if their penalty is over."""
        self._hops.pop(exit_name, None)
        record = self._records.get(target)
        if record is not None and self._clock() >= record.until:
            del self._records[target]

    def in_penalty(self, target: Target) -> bool:
        record = self._records.get(target)
        return record is not None and self._clock() < record.until

    def exhausted(self, exit_name: str, hops: int = MAX_HOPS) -> bool:
        """Whether more than ``hops`` servers failed in a row, so that another one is unlikely to work."""
        return self._hops.get(exit_name, 0) > hops

    def back_off(self, exit_name: str) -> None:
        """Reset the count of consecutive failures, because the exit waits with its first choice."""
        self._hops.pop(exit_name, None)

    def _forget_old(self) -> None:
        now = self._clock()
        self._records = {t: r for t, r in self._records.items() if now < r.until + MAX_PENALTY}
