"""dnsmasq's records of known devices (pure): whose a name is, which address is in use, who has been here before.

dnsmasq reads each record when its file appears or changes, without a restart (``dhcp-hostsdir``). Of several records of
one MAC address, it uses the one read last.

* A name that people gave belongs to that device alone. Any other belongs to the device that got it first, for as long
  as that device has a lease: dnsmasq by itself gives a name to whoever asked for it last.
* An address that a device without a lease uses is given to no other device.
* An address that people fixed is given to its device alone, and to that device no other.
* ``REGULAR`` marks a device that has renewed its lease: only such devices get long leases and the end of the range, so
  that invented MAC addresses cannot take every address for long.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address

from msgspec import Struct
from msgspec.structs import replace

from app.hostnames import LABEL
from app.model import Device, LanSettings, Lease

REGULAR = "regular"  # the tag
RENEWED = 60.0  # seconds by which a lease has been extended since it was first seen
MAX_RECORDS = 1000
FORGET_AFTER = 30 * 86_400.0  # seconds without a lease

_OTHER = re.compile(r"[^a-z0-9]+")


class HostRecord(Struct, frozen=True):
    mac: str
    regular: bool = False
    name: str | None = None
    address: IPv4Address | None = None

    def line(self) -> str:
        """The record as dnsmasq reads it."""
        tag, address = f"set:{REGULAR}" if self.regular else None, str(self.address) if self.address else None
        return ",".join(field for field in (self.mac, tag, address, self.name) if field)


def label(name: str) -> str | None:
    """The host name of a device that people call ``name``: "Anna's TV" is ``anna-s-tv``; None where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    found = _OTHER.sub("-", plain).strip("-")[:63].rstrip("-")
    return found if LABEL.fullmatch(found) else None


def given_names(devices: Iterable[Device], reserved: Iterable[str]) -> dict[str, str]:
    """The host names of the devices that people named, by MAC address; each name once, and none of ``reserved``."""
    found: dict[str, str] = {}
    used = set(reserved)
    for device in devices:
        name = label(device.name) if device.name else None
        if name is not None and name not in used:
            found[device.mac] = name
            used.add(name)
    return found


def can_be_fixed(address: IPv4Address, lan: LanSettings) -> bool:
    """Whether a device of the LAN can have ``address``: it is not the gateway's own, nor the network's."""
    network = lan.address.network
    return address in network and address not in {network.network_address, network.broadcast_address, lan.address.ip}


def reservations(devices: Iterable[Device], lan: LanSettings) -> dict[str, IPv4Address]:
    """The addresses that people fixed, by MAC address; those that the present LAN can have, for it may be another."""
    return {d.mac: d.address for d in devices if d.address is not None and can_be_fixed(d.address, lan)}


class HostRegistry:
    """The records, kept up to date with the leases."""

    def __init__(self) -> None:
        self._records: dict[str, HostRecord] = {}
        self._first: dict[str, float] = {}  # by MAC address, the end of the lease as it was first seen
        self._last_lease: dict[str, float] = {}  # by MAC address, when it last had one
        self._fixed: frozenset[str] = frozenset()  # the MAC addresses of those with an address that people fixed

    @property
    def records(self) -> Mapping[str, HostRecord]:
        """The records by MAC address."""
        return self._records

    def adopt(self, lines: Iterable[str]) -> None:
        """Take over the records of the previous process, as :meth:`HostRecord.line` wrote them."""
        for line in lines:
            mac, *fields = line.strip().split(",")
            record = HostRecord(mac, f"set:{REGULAR}" in fields)
            for field in fields:
                if LABEL.fullmatch(field):
                    record = replace(record, name=field)
                elif field.count(".") == 3:
                    record = replace(record, address=IPv4Address(field))
            self._records[mac] = record

    def update(
        self,
        leases: Iterable[Lease],
        *,
        given: Mapping[str, str],
        reserved: Iterable[str],
        in_use: Mapping[str, IPv4Address],
        fixed: Mapping[str, IPv4Address],
        longest_first: float,
        now: float,
    ) -> None:
        """Follow the ``leases``.

        ``given`` are the names that people gave, by MAC address; no device has one of ``reserved``. ``in_use`` are the
        addresses of devices without a lease, ``fixed`` those that people fixed; ``longest_first`` is the duration of a
        first lease in seconds.
        """
        held = {lease.mac: lease for lease in leases}
        self._fix(fixed, given)
        self._last_lease = dict.fromkeys(self._records, now) | self._last_lease | dict.fromkeys(held, now)
        self._drop_names(held, given, {*reserved, *given.values()})
        for mac, name in given.items():
            self._change(mac, name=name)
        owners = {record.name for record in self._records.values()} | {*reserved}
        for mac, lease in held.items():
            if mac in fixed:  # its record never changes: dnsmasq would refuse the address in a second version of it
                continue
            if mac in self._records:
                # dnsmasq knows it from the lease, and would refuse a record with an address that it has read already.
                self._change(mac, address=None)
            if self._is_regular(lease, longest_first, now):
                self._change(mac, regular=True)
            name = (lease.hostname or "").lower()
            if mac not in given and LABEL.fullmatch(name) and name not in owners:
                self._change(mac, name=name)
                owners.add(name)
        leased = {lease.address for lease in held.values()}
        taken = {record.address for record in self._records.values()}
        for mac, address in in_use.items():
            if mac not in fixed and mac not in held and str(address) not in leased and address not in taken:
                self._change(mac, address=address)
                taken.add(address)
        self._forget(held.keys() | given.keys() | in_use.keys() | fixed.keys(), now)

    def forget(self, mac: str) -> None:
        """Forget the device: it is a new one when it comes again."""
        for kept in (self._records, self._first, self._last_lease):
            kept.pop(mac, None)

    def _fix(self, fixed: Mapping[str, IPv4Address], given: Mapping[str, str]) -> None:
        taken = set(fixed.values())
        for mac, record in self._records.items():
            if record.address is not None and (record.address in taken or mac in self._fixed) and mac not in fixed:
                self._change(mac, address=None)
        for mac, address in fixed.items():
            self._records[mac] = HostRecord(mac, regular=True, name=given.get(mac), address=address)
        self._fixed = frozenset(fixed)

    def _is_regular(self, lease: Lease, longest_first: float, now: float) -> bool:
        # A first lease cannot end later: one that seems to was seen before the clock was set back.
        first = min(self._first.get(lease.mac, lease.expires), now + longest_first)
        self._first[lease.mac] = first
        return lease.expires == 0 or lease.expires > first + RENEWED

    def _drop_names(self, held: Mapping[str, Lease], given: Mapping[str, str], forbidden: set[str]) -> None:
        """Take a device's name from it once its lease has ended, or when people gave the name to another one."""
        for mac, record in self._records.items():
            if record.name and mac not in given and (mac not in held or record.name in forbidden):
                self._change(mac, name=None)

    def _change(self, mac: str, **fields: str | bool | IPv4Address | None) -> None:
        record = self._records.get(mac)
        if record is not None or len(self._records) < MAX_RECORDS:
            self._records[mac] = replace(record or HostRecord(mac), **fields)

    def _forget(self, present: Iterable[str], now: float) -> None:
        recent = {*present, *(mac for mac, when in self._last_lease.items() if now - when < FORGET_AFTER)}
        self._first = {mac: expires for mac, expires in self._first.items() if mac in recent}
        self._last_lease = {mac: when for mac, when in self._last_lease.items() if mac in recent}
        self._records = {mac: record for mac, record in self._records.items() if mac in recent}
