from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from app.tunnel.backoff import FIRST, JITTER, LONGEST, delay, handshake_timeout


@given(st.integers(1, 10_000), st.integers())
def test_a_delay_is_bounded_and_never_zero(attempt, seed):
    seconds = delay(attempt, random.Random(seed))
    assert FIRST * (1 - JITTER) <= seconds <= LONGEST * (1 + JITTER)


def test_gateways_do_not_knock_together():
    assert len({delay(5, random.Random(seed)) for seed in range(50)}) == 50


def test_a_caller_of_connect_hears_within_a_dozen_seconds():
    assert handshake_timeout(1) + handshake_timeout(2) <= 12
