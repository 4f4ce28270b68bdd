"""The devices behind the addresses that passwords are tried from, so that addresses taken in bulk gain nothing.

A device may take as many addresses as it likes, but it holds one lease: attempts count for the device with the lease,
and those from all addresses without one count together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from app.model import Lease

WITHOUT_LEASE = "without a lease"


class Neighbours:
    """The leases, each with the time at which it was first seen."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began: dict[str, float] = {}  # by MAC address
        self._macs: dict[str, str] = {}  # by IP address
        self._first = True

    def follow(self, leases: Iterable[Lease]) -> None:
        """Take the leases of now. Those that are there at the start of this process count as old."""
        self._macs = {lease.address: lease.mac for lease in leases}
        now = float("-inf") if self._first else self._clock()
        self._first = False
        self._began = {mac: self._began.get(mac, now) for mac in self._macs.values()}

    def device(self, address: str) -> str:
        """The MAC address of the device that holds the lease of ``address``, or ``WITHOUT_LEASE``."""
        return self._macs.get(address, WITHOUT_LEASE)

    def older_than(self, device: str, moment: float) -> bool:
        """Whether the device has held its lease since before ``moment``."""
        return device in self._began and self._began[device] < moment
