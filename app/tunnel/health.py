"""The health of a tunnel, judged by two signals together (pure).

Passive: packets that demand an answer went out and no byte came back. WireGuard answers data within
``KEEPALIVE_TIMEOUT`` (10 s) even when it has nothing to say (whitepaper, section 6.5), so silence for longer than that
after sending means that the peer or the path is gone. Active: probes inside the tunnel, sent while the passive signal
is bad, get no answer either. Only both together make a tunnel dead; a healthy tunnel is never restarted because one
resolver is slow.

Both signals are read from the counters. A probe that did not leave says nothing about the peer (no route to it, no
session yet), nor does a persistent keepalive, which nobody answers: a tunnel with nothing to send is never dead.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

IDLE_PROBE = 5.0  # seconds without a received byte before the first probe
PROBE_INTERVAL = 3.0  # seconds between probes
DEAD_AFTER = 13.0  # seconds of silence after the first unanswered packet; > KEEPALIVE_TIMEOUT + a slow round trip
DEAD_AFTER_WAN_LOST = 5.0  # seconds; the same while the WAN has no link or address, which is a third signal
MIN_PROBES = 2  # unanswered probes required in addition to the silence
KEEPALIVE_BYTES = 32  # a data message without data: header 16, tag 16 (whitepaper, 5.4.6)


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
    probes: int = 0  # that left
    asked: int = 0  # probes that were due, whether or not they left
    asked_since: float | None = None  # when the first of them was due
    pending: bool = False  # a probe was due and nothing has been seen to leave since
    observed: float = 0.0  # the last observation

    def observe(
        self, now: float, rx_bytes: int, tx_bytes: int, *, wan_up: bool = True, peers: int = 1
    ) -> tuple[Health, HealthVerdict]:
        """The health after the counters at ``now``, and the verdict. ``peers`` are those that send keepalives."""
        if rx_bytes != self.rx_bytes:
            return Health(rx_bytes, tx_bytes, last_rx=now, observed=now), HealthVerdict.HEALTHY
        seen = replace(self, tx_bytes=tx_bytes, observed=now)
        if _demands_answer(tx_bytes - self.tx_bytes, peers):
            left = self.last_probe if self.pending and self.last_probe == self.observed else now
            seen = replace(
                seen,
                unanswered_since=left if self.unanswered_since is None else self.unanswered_since,
                probes=self.probes + self.pending,
                pending=False,
            )
        if seen._is_dead(now, wan_up=wan_up):
            return seen, HealthVerdict.DEAD
        if now - self.last_rx >= IDLE_PROBE and (self.last_probe is None or now - self.last_probe >= PROBE_INTERVAL):
            first = now if seen.asked_since is None else seen.asked_since
            due = replace(seen, last_probe=now, asked=seen.asked + 1, asked_since=first, pending=True)
            return due, HealthVerdict.PROBE
        return seen, HealthVerdict.HEALTHY

    def _is_dead(self, now: float, *, wan_up: bool) -> bool:
        if wan_up:
            return _silent_for(self.unanswered_since, now) >= DEAD_AFTER and self.probes >= MIN_PROBES
        # Without a WAN no packet can leave, which is no doubt about the cause.
        since = self.asked_since if self.unanswered_since is None else self.unanswered_since
        return _silent_for(since, now) >= DEAD_AFTER_WAN_LOST and self.asked > 0


def _silent_for(since: float | None, now: float) -> float:
    return 0.0 if since is None else now - since


def _demands_answer(sent: int, peers: int) -> bool:
    """Whether ``sent`` bytes hold more than keepalives: data or a handshake, which a live peer answers."""
    keepalives, rest = divmod(sent, KEEPALIVE_BYTES)
    return sent > 0 and not (rest == 0 and keepalives <= peers)
