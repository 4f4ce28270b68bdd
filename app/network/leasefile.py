"""dnsmasq's lease file after a clock step (pure): its times are wall-clock times, while devices count seconds.

dnsmasq drops every lease that has expired by the wall clock, so a clock that is set forward by days ends all of them,
and a new device gets an address that another one still uses. So each expiry is shifted by as much as the clock.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

TOLERANCE = 30.0  # seconds between dnsmasq's reading of the clock and ours


class Step(Struct, frozen=True):
    """A step of the clock by ``seconds``, to ``now``; no lease of this LAN is longer than ``max_lease`` seconds."""

    seconds: float
    now: float
    max_lease: float


class _Lease(Struct, frozen=True):
    expiry: float  # 0: never
    mac: str
    address: str
    rest: str  # name and client id

    def line(self) -> str:
        return f"{self.expiry:.0f} {self.mac} {self.address} {self.rest}"


def shift_leases(before: str, after: str, step: Step) -> str:
    """The lease file's new text, from its text ``before`` the step and what dnsmasq has written ``after`` it.

    A device that got a lease after the step keeps that lease and its address.
    """
    kept: dict[str, _Lease] = {}
    for lease in _leases(before):
        expiry = _shift_expiry(lease.expiry, step, old=True)
        if expiry == 0 or expiry > step.now:
            kept[lease.address] = _Lease(expiry, lease.mac, lease.address, lease.rest)
    for lease in _leases(after):
        expiry = _shift_expiry(lease.expiry, step, old=False)
        kept = {address: k for address, k in kept.items() if k.mac != lease.mac or address == lease.address}
        known = kept.get(lease.address)
        if known is not None and known.mac == lease.mac and known.expiry > expiry != 0:
            expiry = known.expiry
        kept[lease.address] = _Lease(expiry, lease.mac, lease.address, lease.rest)
    lines = [lease.line() for lease in kept.values()]
    return "".join(f"{line}\n" for line in (*lines, *(_other_lines(after) or _other_lines(before))))


def _shift_expiry(expiry: float, step: Step, *, old: bool) -> float:
    """``expiry`` on the new clock; ``old`` says that it is known to be from before the step."""
    if expiry == 0:
        return 0
    limit = step.now + step.max_lease + TOLERANCE
    if step.seconds > 0:
        # Longer than any lease: it was granted after the step.
        return expiry + step.seconds if expiry + step.seconds <= limit else expiry
    return expiry + step.seconds if old or expiry > limit else expiry


def _leases(text: str) -> Iterator[_Lease]:
    for line in text.splitlines():
        fields = line.split(maxsplit=3)
        if _is_lease(fields):
            yield _Lease(float(fields[0]), fields[1].lower(), fields[2], fields[3])


def _other_lines(text: str) -> tuple[str, ...]:
    """The lines that are not IPv4 leases, such as the server's own identifier for DHCPv6."""
    return tuple(line for line in text.splitlines() if line.strip() and not _is_lease(line.split(maxsplit=3)))


def _is_lease(fields: list[str]) -> bool:
    return len(fields) == 4 and fields[0].isdigit() and "." in fields[2] and ":" in fields[1]
