"""Changes of server by the clock: which one is due, and once only."""

from __future__ import annotations

from datetime import datetime

import pytest

from app.model import ServerChange
from app.netd.automatic_switches import due

MONDAY = datetime(2026, 11, 23, 4, 30, 59)  # noqa: DTZ001 - local time, as people set their clocks
EVERY_DAY = ServerChange(at=4 * 60 + 30, select="random")
WEEKEND = ServerChange(at=4 * 60 + 30, days=frozenset({5, 6}), select="fastest")


@pytest.mark.parametrize(
    ("changes", "now", "expected"),
    [
        ((EVERY_DAY,), MONDAY, EVERY_DAY),
        ((EVERY_DAY,), MONDAY.replace(minute=29), None),
        ((EVERY_DAY,), MONDAY.replace(minute=31), None),
        ((WEEKEND,), MONDAY, None),
        ((EVERY_DAY, WEEKEND), MONDAY.replace(day=28), WEEKEND),
        ((), MONDAY, None),
    ],
)
def test_what_is_due(changes, now, expected):
    assert due(changes, now) == expected
