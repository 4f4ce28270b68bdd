"""The delays between connection attempts."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from app.tunnel.backoff import JITTER, MAX_DELAY, MIN_DELAY, delay, handshake_timeout


@given(st.integers(1, 10_000), st.integers())
def test_delay_of_any_attempt_is_bounded(attempt, seed):
    seconds = delay(attempt, random.Random(seed))
    assert MIN_DELAY * (1 - JITTER) <= seconds <= MAX_DELAY * (1 + JITTER)


def test_delay_of_different_gateways_differs():
    """After an outage, gateways do not reconnect at the same time."""
    assert len({delay(5, random.Random(seed)) for seed in range(50)}) == 50


def test_handshake_timeout_of_two_attempts_is_at_most_12_s():
    """A caller of connect receives a failure after two attempts."""
    assert handshake_timeout(1) + handshake_timeout(2) <= 12
