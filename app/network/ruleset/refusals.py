"""The reasons for refusing a packet, and the chains that refuse it (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.ruleset.syntax import chain

# Each reason has its counter ``drop_<reason>``.
REASONS = {
    "blocked": "the device's exit carries no traffic now",
    "device_blocked": "the device's policy is blocked",
    "waiting": "the device waits for its admission",
    "ipv6": "the device's exit carries no IPv6",
    "no_route": "outside the allowed IPs of the device's tunnel",
    "dns": "DNS by a way other than the device's own resolver",
    "spoofed": "a source address that cannot come from that link",
    "tunnel_address": "to a tunnel's address from outside of it, or out of a tunnel to anything else (CVE-2019-14899)",
    "invalid": "belongs to no connection",
    "forward": "from or to a link that its mark may not use",
    "wan": "from the WAN to the gateway itself, unasked",
    "input": "to a service that the gateway does not offer there",
    "output": "from the gateway itself, not on the cleartext allowlist",
    "egress": "stopped by the last check before the wire",
    "midstream": "TCP of a connection that the gateway does not know: it was ended, as when its exit changed",
    "too_many": "a new connection of a device that has too many",
    "transport": "an ICMP error about the tunnel's own packets, which anybody can forge",
}


def counters() -> Iterator[str]:
    return (f"counter drop_{reason} {{ }}" for reason in REASONS)


def drop(reason: str) -> str:
    return f'counter name "drop_{reason}" drop'


def refuse(reason: str) -> str:
    """Reject with an answer, so that the sender gives up at once."""
    return f'counter name "drop_{reason}" goto refuse'


def refusal_chains() -> Iterator[str]:
    # A reset ends a TCP attempt at once and is not rate-limited as ICMP errors are: clients fall back without delay.
    yield chain("refuse", ("meta l4proto tcp reject with tcp reset", "reject with icmpx admin-prohibited"))
    yield chain("refuse_blocked", (refuse("blocked"),))
    yield chain("refuse_device", (refuse("device_blocked"),))
    yield chain("refuse_waiting", (refuse("waiting"),))
    yield chain("refuse_ipv6", (refuse("ipv6"),))
    yield chain("refuse_no_route", (refuse("no_route"),))
    yield chain("drop_invalid", (drop("invalid"),))
