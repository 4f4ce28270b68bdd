"""The health of a tunnel: death is detected within 20 s, and a healthy tunnel is never declared dead."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.tunnel.health import DEAD_AFTER, IDLE_PROBE, Health, HealthVerdict

TICK = 1.0


def run_silent(*, sends: bool, wan_up: bool = True, start: float = 100.0, limit: float = 60.0) -> tuple[float, int]:
    """Seconds until DEAD when nothing is received any more, and the probes sent; probes count as sent bytes."""
    health = Health(rx_bytes=500, tx_bytes=500, last_rx=start)
    now, tx, probes = start, 500, 0
    while now - start < limit:
        now += TICK
        tx += 100 if sends else 0
        health, verdict = health.observe(now, 500, tx, wan_up=wan_up)
        if verdict is HealthVerdict.DEAD:
            return now - start, probes
        if verdict is HealthVerdict.PROBE:
            probes += 1
            tx += 60
    return limit, probes


def test_dead_tunnel_under_load_is_found_within_20_s():
    seconds, probes = run_silent(sends=True)
    assert seconds <= 20
    assert probes >= 2


def test_dead_idle_tunnel_is_found_within_20_s():
    seconds, probes = run_silent(sends=False)
    assert seconds <= 20
    assert probes >= 2


def test_dead_tunnel_without_wan_is_found_sooner():
    assert run_silent(sends=True, wan_up=False)[0] < run_silent(sends=True)[0] - 3


@given(st.lists(st.tuples(st.floats(0.5, 9.5), st.integers(0, 5000)), min_size=1, max_size=60))
def test_peer_answering_within_keepalive_is_never_dead(steps):
    """WireGuard answers data within 10 s (KEEPALIVE_TIMEOUT), whatever was sent."""
    now, rx, tx = 1000.0, 0, 0
    health = Health(rx, tx, last_rx=now)
    for pause, sent in steps:
        end = now + pause
        while now + TICK < end:
            now += TICK
            tx += sent
            health, verdict = health.observe(now, rx, tx)
            assert verdict is not HealthVerdict.DEAD
        now, rx = end, rx + 32
        health, verdict = health.observe(now, rx, tx)
        assert verdict is HealthVerdict.HEALTHY


def test_silence_without_sending_leads_to_a_probe():
    """Silence alone is not enough: nothing was sent, so no answer was due."""
    health = Health(1, 1, last_rx=0.0)
    _, verdict = health.observe(DEAD_AFTER * 10, 1, 1)
    assert verdict is HealthVerdict.PROBE


def test_probes_on_an_idle_tunnel_keep_their_interval():
    health = Health(1, 1, last_rx=0.0)
    sent = []
    for second in range(1, 12):
        health, verdict = health.observe(float(second), 1, 1)
        if verdict is HealthVerdict.PROBE:
            sent.append(second)
    assert sent == [IDLE_PROBE, 8, 11]
