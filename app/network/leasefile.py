"""dnsmasq's lease file after the clock was set (pure): its times are the wall clock's, and the devices count their own.

dnsmasq ends every lease whose time is over by the clock that it reads, so a clock that is set forward by days takes
all of them, and the next newcomer is given an address that somebody uses. A lease is moved by as much as the clock.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

SLACK = 30.0  # seconds by which dnsmasq's idea of now may differ from ours


class Step(Struct, frozen=True):
    """The clock was set by ``seconds``, and says ``now``; no lease of this LAN is longer than ``longest``."""

    seconds: float
    now: float
    longest: float


class _Lease(Struct, frozen=True):
    expiry: float  # 0: never
    mac: str
    address: str
    rest: str  # name and client id

    def line(self) -> str:
        return f"{self.expiry:.0f} {self.mac} {self.address} {self.rest}"


def moved(before: str, after: str, step: Step) -> str:
    """What the file should be: ``before`` is from before the step, ``after`` what dnsmasq has made of it since.

    Who has been given a lease after the step keeps it, and its address.
    """
    kept: dict[str, _Lease] = {}
    for lease in _leases(before):
        expiry = _moved(lease.expiry, step, old=True)
        if expiry == 0 or expiry > step.now:
            kept[lease.address] = _Lease(expiry, lease.mac, lease.address, lease.rest)
    for lease in _leases(after):
        expiry = _moved(lease.expiry, step, old=False)
        kept = {address: k for address, k in kept.items() if k.mac != lease.mac or address == lease.address}
        known = kept.get(lease.address)
        if known is not None and known.mac == lease.mac and known.expiry > expiry != 0:
            expiry = known.expiry
        kept[lease.address] = _Lease(expiry, lease.mac, lease.address, lease.rest)
    lines = [lease.line() for lease in kept.values()]
    return "".join(f"{line}\n" for line in (*lines, *(_others(after) or _others(before))))


def _moved(expiry: float, step: Step, *, old: bool) -> float:
    """``expiry`` by the clock as it is now; ``old`` says that it is known to be from before the step."""
    if expiry == 0:
        return 0
    limit = step.now + step.longest + SLACK
    if step.seconds > 0:
        # Longer than any lease: it was given after the step.
        return expiry + step.seconds if expiry + step.seconds <= limit else expiry
    return expiry + step.seconds if old or expiry > limit else expiry


def _leases(text: str) -> Iterator[_Lease]:
    for line in text.splitlines():
        fields = line.split(maxsplit=3)
        if _is_lease(fields):
            yield _Lease(float(fields[0]), fields[1].lower(), fields[2], fields[3])


def _others(text: str) -> tuple[str, ...]:
    """Lines that are no IPv4 leases, such as the server's own identifier for DHCPv6."""
    return tuple(line for line in text.splitlines() if line.strip() and not _is_lease(line.split(maxsplit=3)))


def _is_lease(fields: list[str]) -> bool:
    return len(fields) == 4 and fields[0].isdigit() and "." in fields[2] and ":" in fields[1]
