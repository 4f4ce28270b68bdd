"""Measurements that a pause of the machine can only lengthen."""

from __future__ import annotations

from collections.abc import Callable


def least(measure: Callable[[], float], limit: float, tries: int = 3) -> float:
    """The least of up to ``tries`` measurements; the first below ``limit`` ends them.

    What the gateway itself takes is there each time, and what another process makes it wait is not.
    """
    best = measure()
    for _ in range(tries - 1):
        if best < limit:
            break
        best = min(best, measure())
    return best
