"""The verdict: what the taps have seen, as evidence, as a check of the leak test, as a report to keep (pure)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from app.canary.probes import Probe
from app.protocol.answers import Check
from app.protocol.canary import Evidence, Observation

Where = Literal["lan", "tunnel", "other", "wan", "control"]

KINDS: Mapping[str, str] = {
    "tcp": "TCP to port 443",
    "udp": "UDP to port 443 (QUIC)",
    "icmp": "ICMP echo request",
    "dns": "DNS query to a resolver outside",
    "dns_over_tls": "DNS over TLS, port 853",
    "other_protocol": "an unknown IP protocol",
    "spoofed_foreign": "a source address of another network",
    "spoofed_gateway": "the gateway's own address as source",
    "spoofed_wan": "the WAN's own address as source",
    "http": "a page at an address",
    "name": "a name nobody has asked for",
    "doh": "DNS over HTTPS",
    "stun": "WebRTC (STUN)",
}


class TapResult(Struct, frozen=True):
    """What one tap has seen: the numbers of the needles, with their packets. ``error``: it could not look."""

    where: Where
    seen: Mapping[int, int] = {}
    matched: int = 0
    missed: int = 0
    samples: tuple[str, ...] = ()
    error: str | None = None


def evidence(number: int, kind: str, family: int, taps: Sequence[TapResult]) -> Evidence:
    """Where the probe with this ``number`` was seen."""

    def seen(where: Where) -> bool | None:
        looking = [tap for tap in taps if tap.where == where]
        if any(number in tap.seen for tap in looking):
            return True
        # Without a tunnel there is nothing to look into, but the WAN and the LAN must have been looked at.
        blind = any(tap.error is not None or tap.missed for tap in looking) or (where in {"lan", "wan"} and not looking)
        return None if blind else False

    return Evidence(kind, family, seen("lan"), seen("tunnel"), seen("wan"), seen("other"))  # pyright: ignore[reportArgumentType] - the kinds of probes


def control(taps: Iterable[TapResult]) -> bool | None:
    """Whether WireGuard's own packets were seen; None where no tunnel was there to send any."""
    found = [tap for tap in taps if tap.where == "control"]
    return any(tap.matched for tap in found) if found else None


def leaked(taps: Iterable[TapResult]) -> int:
    return sum(sum(tap.seen.values()) for tap in taps if tap.where in {"wan", "other"})


def observe(
    device: str,
    mac: str,
    probes: Sequence[Probe],
    taps: Sequence[TapResult],
    *,
    connected: bool,
    now: float,
    trouble: str | None = None,
) -> Observation:
    found = tuple(evidence(n, probe.kind, probe.family, taps) for n, probe in enumerate(probes))
    return Observation(
        device=device,
        mac=mac,
        time=now,
        connected=connected,
        evidence=found,
        control=control(taps),
        leaked=leaked(taps),
        missed=sum(tap.missed for tap in taps),
        problem=trouble or _problem(found, taps),
        samples=tuple(sample for tap in taps if tap.where in {"wan", "other"} for sample in tap.samples),
    )


def _problem(found: Sequence[Evidence], taps: Sequence[TapResult]) -> str | None:
    """Why a round without a leak proves nothing."""
    unsent = [e for e in found if not e.seen_on_lan]
    if unsent and any(tap.where == "wan" for tap in taps) and all(tap.error is None for tap in taps):
        return f"{len(unsent)} of {len(found)} probes did not arrive at the gateway"
    return doubt(taps)


def doubt(taps: Sequence[TapResult]) -> str | None:
    """Why a look that has seen no leak proves nothing, whoever sent the probes."""
    errors = [tap.error for tap in taps if tap.error is not None]
    if errors:
        return f"not every port could be watched: {'; '.join(errors)}"
    if not any(tap.where == "wan" for tap in taps):
        return None  # there is no WAN: nothing can leave
    if control(taps) is False:
        return "WireGuard's own packets were not seen on the WAN, so a leak might not have been either"
    if any(tap.missed for tap in taps):
        return "some packets could not be looked at"
    return None


def clean(seen: Observation) -> bool:
    """Whether the round proves that nothing leaks: without a WAN to look at, it says nothing of the rules."""
    return seen.leaked == 0 and seen.problem is None and all(e.seen_on_wan is False for e in seen.evidence)


def check(seen: Observation) -> Check:
    """The leak test's check of real packets."""
    count = len(seen.evidence)
    if seen.leaked:
        what = ", ".join(dict.fromkeys(_name(e) for e in seen.evidence if e.seen_on_wan or e.seen_in_other_tunnel))
        where = "on the WAN, in the clear" if any(e.seen_on_wan for e in seen.evidence) else "in another exit's tunnel"
        return Check("packets", "failed", f"{seen.leaked} packets of a device of the LAN were seen {where}: {what}.")
    if seen.problem is not None:
        return Check("packets", "unknown", f"No probe was seen on the WAN, but {seen.problem}.")
    if not seen.connected:
        return Check("packets", "ok", f"{count} probes of a device of the LAN were sent, and none left by the WAN.")
    inside = sum(bool(e.seen_in_tunnel) for e in seen.evidence)
    return Check(
        "packets",
        "ok",
        f"{count} probes of a device of the LAN were sent: {inside} were seen in the tunnel, none on the WAN, where"
        " WireGuard's own packets were.",
    )


def _name(one: Evidence) -> str:
    return f"{KINDS[one.kind]} (IPv{one.family})"


def report(seen: Observation, version: str) -> str:
    """The round as text, for people to keep."""
    words = {True: "seen", False: "none", None: "?"}
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seen.time))
    state = "carries traffic" if seen.connected else "is blocked"
    lines = [
        f"VPN Gateway {version}: proof with real packets, {when}",
        f"As a device of the LAN, {seen.mac}, {seen.device}; its exit {state}.",
        "",
        f"{'PROBE':<44}{'LAN':<7}{'TUNNEL':<9}{'WAN':<7}".rstrip(),
    ]
    for e in seen.evidence:
        wan = "LEAK" if e.seen_on_wan else words[e.seen_on_wan]
        crossed = "  LEAK: in another exit's tunnel" if e.seen_in_other_tunnel else ""
        lines.append(f"{_name(e):<44}{words[e.seen_on_lan]:<7}{words[e.seen_in_tunnel]:<9}{wan:<7}{crossed}".rstrip())
    control_text = {True: "seen", False: "NOT SEEN", None: "no tunnel, so none to see"}[seen.control]
    lines += ["", f"Control: WireGuard's own packets on the WAN at the same time: {control_text}."]
    lines += [f"Leaked: {sample}" for sample in seen.samples]
    lines += ["", check(seen).message]
    return "\n".join(lines) + "\n"
