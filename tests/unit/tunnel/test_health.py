"""The health of a tunnel: death is detected within 20 s, and a healthy tunnel is never declared dead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tunnel.health import DEAD_AFTER, IDLE_PROBE, KEEPALIVE_BYTES, Health, HealthVerdict

TICK = 1.0


def run_silent(
    *,
    sends: bool,
    wan_up: bool = True,
    start: float = 100.0,
    limit: float = 60.0,
    probe_bytes: int = 80,
    keepalive: int = 0,
    peers: int = 1,
) -> tuple[float, int]:
    """Seconds until DEAD when nothing is received any more, and the probes asked for.

    ``probe_bytes`` leave for each of them; ``keepalive`` is the interval of persistent keepalives.
    """
    health = Health(rx_bytes=500, tx_bytes=500, last_rx=start)
    now, tx, probes = start, 500, 0
    while now - start < limit:
        now += TICK
        tx += 100 if sends else 0
        tx += KEEPALIVE_BYTES * peers if keepalive and (now - start) % keepalive == 0 else 0
        health, verdict = health.observe(now, 500, tx, wan_up=wan_up, peers=peers)
        if verdict is HealthVerdict.DEAD:
            return now - start, probes
        if verdict is HealthVerdict.PROBE:
            probes += 1
            tx += probe_bytes
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


@pytest.mark.parametrize("peers", [1, 3])
def test_tunnel_whose_probes_never_leave_is_never_dead(peers):
    """An idle split tunnel: no resolver of it is in AllowedIPs, and persistent keepalives get no answer."""
    seconds, probes = run_silent(sends=False, probe_bytes=0, keepalive=25, peers=peers, limit=3600.0)
    assert seconds == 3600.0
    assert probes > 100


def test_dead_tunnel_under_load_is_found_without_probes():
    """Packets of the LAN that nobody answers count, whatever becomes of the probes."""
    assert run_silent(sends=True, probe_bytes=0)[0] <= 15


def test_traffic_before_the_first_probe_is_no_second_signal():
    """Some packets, then nothing: whether their answer or the server is lost, only a probe can tell."""
    health, now, tx = Health(500, 500, last_rx=0.0), 0.0, 500
    while now < 60:
        now += TICK
        tx += 100 if now < IDLE_PROBE else 0
        health, verdict = health.observe(now, 500, tx)
        assert verdict is not HealthVerdict.DEAD


def test_dead_tunnel_without_wan_is_found_though_nothing_leaves():
    assert run_silent(sends=False, wan_up=False, probe_bytes=0)[0] <= 10


def test_handshake_that_nobody_answers_counts_as_sent():
    """A session that has run out: the probe waits for a handshake, which WireGuard repeats every 5 s."""
    health, now, tx = Health(500, 500, last_rx=0.0), 0.0, 500
    verdict = HealthVerdict.HEALTHY
    while verdict is not HealthVerdict.DEAD:
        now += TICK
        tx += 148 if now >= 6 and now % 5 == 1 else 0
        health, verdict = health.observe(now, 500, tx)
        assert now < 20
    assert now >= DEAD_AFTER


def test_packet_long_after_an_unsent_probe_starts_the_silence():
    """The first packet of the LAN after an hour must not make the tunnel dead at once."""
    health, now = Health(1, 1, last_rx=0.0), 0.0
    while now < 3600:
        now += TICK
        health, verdict = health.observe(now, 1, 1)
        assert verdict is not HealthVerdict.DEAD
    for second in range(1, int(DEAD_AFTER) + 1):
        health, verdict = health.observe(now + second, 1, 1 + 100 * second)
        assert verdict is not HealthVerdict.DEAD
    assert health.observe(now + DEAD_AFTER + 1, 1, 2000)[1] is HealthVerdict.DEAD


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
