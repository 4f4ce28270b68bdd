"""The search for the largest packet that a path carries (pure; the caller sends the packets)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

STEP = 8  # bytes; WireGuard pads to 16, so that less makes no difference


async def largest_that_passes(low: int, high: int, passes: Callable[[int], Awaitable[bool]]) -> int | None:
    """The largest size from ``low`` to ``high`` that ``passes``, to within ``STEP`` bytes; None = nothing is known.

    ``low`` is the positive control: a larger packet counts as lost only where one of ``low`` bytes still gets an answer
    afterwards. Silence for any other reason (no resolver, a dead path, one that ignores large queries) changes nothing.
    """
    if not await passes(low):
        return None
    if high <= low or await passes(high):
        return max(low, high)
    good, bad = low, high
    while True:
        if not await passes(low):
            return None
        if bad - good <= STEP:
            return good
        size = good + max(STEP, (bad - good) // 2 // STEP * STEP)
        if await passes(size):
            good = size
        else:
            bad = size
