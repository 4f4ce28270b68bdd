from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from app.backoff import Backoff

DELAYS = Backoff(2.0, 60.0)


@given(st.integers(1, 10_000), st.integers())
def test_a_delay_is_bounded_and_never_zero(number: int, seed: int) -> None:
    seconds = DELAYS.delay(number, random.Random(seed))
    assert DELAYS.first * 0.8 <= seconds <= DELAYS.longest * 1.2


def test_a_delay_doubles_up_to_its_bound() -> None:
    exact = Backoff(2.0, 60.0, jitter=0.0)
    assert [exact.delay(n) for n in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]
