"""Dead is found within 20 s, and a healthy tunnel is never called dead."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.tunnel.health import DEAD_AFTER, IDLE_PROBE, Health, Verdict

TICK = 1.0


def run_silent(*, sends: bool, wan_up: bool = True, start: float = 100.0, limit: float = 60.0) -> tuple[float, int]:
    """Seconds until DEAD when nothing is received any more, and the probes sent; probes count as sent bytes."""
    health = Health(rx_bytes=500, tx_bytes=500, last_rx=start)
    now, tx, probes = start, 500, 0
    while now - start < limit:
        now += TICK
        tx += 100 if sends else 0
        health, verdict = health.observe(now, 500, tx, wan_up=wan_up)
        if verdict is Verdict.DEAD:
            return now - start, probes
        if verdict is Verdict.PROBE:
            probes += 1
            tx += 60
    return limit, probes


def test_a_dead_tunnel_under_load_is_found_in_time():
    seconds, probes = run_silent(sends=True)
    assert seconds <= 20
    assert probes >= 2


def test_a_dead_idle_tunnel_is_found_in_time():
    seconds, probes = run_silent(sends=False)
    assert seconds <= 20
    assert probes >= 2


def test_a_lost_wan_is_found_sooner():
    assert run_silent(sends=True, wan_up=False)[0] < run_silent(sends=True)[0] - 3


@given(st.lists(st.tuples(st.floats(0.5, 9.5), st.integers(0, 5000)), min_size=1, max_size=60))
def test_a_peer_that_answers_within_wireguards_own_keepalive_is_never_dead(steps):
    """Whatever is sent, an answer comes at least every 10 s (KEEPALIVE_TIMEOUT): never dead."""
    now, rx, tx = 1000.0, 0, 0
    health = Health(rx, tx, last_rx=now)
    for pause, sent in steps:
        end = now + pause
        while now + TICK < end:
            now += TICK
            tx += sent
            health, verdict = health.observe(now, rx, tx)
            assert verdict is not Verdict.DEAD
        now, rx = end, rx + 32
        health, verdict = health.observe(now, rx, tx)
        assert verdict is Verdict.HEALTHY


def test_silence_without_having_sent_is_not_death():
    """One signal is not enough: nothing was asked, so nothing had to be answered."""
    health = Health(1, 1, last_rx=0.0)
    _, verdict = health.observe(DEAD_AFTER * 10, 1, 1)
    assert verdict is Verdict.PROBE


def test_probes_keep_their_distance():
    health = Health(1, 1, last_rx=0.0)
    sent = []
    for second in range(1, 12):
        health, verdict = health.observe(float(second), 1, 1)
        if verdict is Verdict.PROBE:
            sent.append(second)
    assert sent == [IDLE_PROBE, 8, 11]
