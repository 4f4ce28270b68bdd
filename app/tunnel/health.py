"""The health of a tunnel, judged by two signals together (pure).

Passive: bytes went out and none came back. WireGuard answers data within ``KEEPALIVE_TIMEOUT`` (10 s) even when it
has nothing to say (whitepaper, section 6.5), so silence for longer than that after sending means that the peer or the
path is gone. Active: probes inside the tunnel, sent while the passive signal is bad, get no answer either. Only both
together make a tunnel dead; a healthy tunnel is never restarted because one resolver is slow.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

IDLE_PROBE = 5.0  # seconds without a received byte before the first probe
PROBE_INTERVAL = 3.0  # seconds between probes
DEAD_AFTER = 13.0  # seconds of silence after the first unanswered packet; > KEEPALIVE_TIMEOUT + a slow round trip
DEAD_AFTER_WAN_LOST = 5.0  # seconds; the same while the WAN has no link or address, which is a third signal
MIN_PROBES = 2  # unanswered probes required in addition to the silence


class HealthVerdict(enum.Enum):
    HEALTHY = enum.auto()
    PROBE = enum.auto()  # send one probe now
    DEAD = enum.auto()


@dataclass(frozen=True)
class Health:
    """The observed health of a tunnel. All times are CLOCK_BOOTTIME seconds."""

    rx_bytes: int
    tx_bytes: int
    last_rx: float
    unanswered_since: float | None = None  # when the first packet after the last answer left
    last_probe: float | None = None
    probes: int = 0

    def observe(self, now: float, rx_bytes: int, tx_bytes: int, *, wan_up: bool = True) -> tuple[Health, HealthVerdict]:
        """The health after the counters at ``now``, and the verdict."""
        if rx_bytes != self.rx_bytes:
            return Health(rx_bytes, tx_bytes, last_rx=now), HealthVerdict.HEALTHY
        unanswered = self.unanswered_since
        if unanswered is None and tx_bytes > self.tx_bytes:
            unanswered = now
        nxt = Health(rx_bytes, tx_bytes, self.last_rx, unanswered, self.last_probe, self.probes)
        limit = DEAD_AFTER if wan_up else DEAD_AFTER_WAN_LOST
        if unanswered is not None and now - unanswered >= limit and self.probes >= (MIN_PROBES if wan_up else 1):
            return nxt, HealthVerdict.DEAD
        if now - self.last_rx >= IDLE_PROBE and (self.last_probe is None or now - self.last_probe >= PROBE_INTERVAL):
            return Health(
                rx_bytes, tx_bytes, self.last_rx, unanswered or now, now, self.probes + 1
            ), HealthVerdict.PROBE
        return nxt, HealthVerdict.HEALTHY
