"""The sightings of devices (no I/O): who was seen first and last, by which addresses, and who is here now.

Anything in the LAN can invent MAC addresses, so what is kept is bounded: the device that was seen longest ago, and that
nobody has decided anything about, gives way to a new one; while none can, new ones are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from ipaddress import ip_address
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from app.addresses import Address
from app.mac_address import is_device, is_randomised
from app.model import Lease, Neighbour, SeenDevice
from app.netd.devices.kinds import kind_of
from app.netd.devices.mdns import Heard

MAX_SEEN = 1000
ONLINE_FOR = 180.0  # seconds after the last sign of a device
ASK_AFTER = 60.0  # seconds without a sign, after which a device is asked whether it is here
FORGET_AFTER = 180 * 86_400.0  # seconds without a sign
FORGET_RANDOMISED_AFTER = 30 * 86_400.0  # such an address may never come again
MAX_ADDRESSES = 16  # of one device
MAX_SERVICES = 32
_NEW_HEARD = 10  # addresses of unknown devices that speak mDNS, to be asked for

Change = tuple[str, Literal["appeared", "online", "offline"]]


class Signs(Struct, frozen=True):
    """All that was seen of the LAN's devices at one moment."""

    time: float  # Unix time
    clock: float  # seconds that only grow
    leases: tuple[Lease, ...] = ()
    neighbours: tuple[Neighbour, ...] = ()
    sending: Collection[str] = ()  # MAC addresses whose packets were just counted
    heard: tuple[Heard, ...] = ()


class Sightings:
    """The devices that were seen, with those of the last start."""

    def __init__(self, before: Iterable[SeenDevice] = ()) -> None:
        self._seen = {device.mac: replace(device, online=False) for device in before}
        self._signs: dict[str, float] = {}  # the last sign of each, by the growing clock
        self._expiries: dict[str, float] | None = None  # of leases, by MAC address; None = not read yet
        self._macs: dict[str, str] = {}  # by address, of those seen in the neighbour table or with a lease
        self._unknown: dict[Address, None] = {}  # that spoke mDNS and whose device is not known

    @property
    def devices(self) -> tuple[SeenDevice, ...]:
        return tuple(self._seen.values())

    def get(self, mac: str) -> SeenDevice | None:
        return self._seen.get(mac)

    def forget(self, mac: str) -> bool:
        """Whether the device was known."""
        self._signs.pop(mac, None)
        return self._seen.pop(mac, None) is not None

    def restore(self, devices: Iterable[SeenDevice]) -> None:
        """Have back those of ``devices`` that were forgotten since."""
        self._seen = {device.mac: device for device in devices} | self._seen

    def observe(self, signs: Signs, kept: Collection[str], ignored: Collection[str] = ()) -> list[Change]:
        """Take what is seen now; returns the changes. ``kept`` are never given up, ``ignored`` are no devices."""
        before = self._seen.copy()
        self._macs = {n.address: n.mac for n in signs.neighbours} | {lease.address: lease.mac for lease in signs.leases}
        last = self._collect(signs)
        for mac, clock in last.items():
            if mac not in ignored and is_device(mac):
                self._sign(mac, clock, signs, kept)
        self._describe(signs)
        for mac, device in self._seen.items():
            online = mac in self._signs and signs.clock - self._signs[mac] < ONLINE_FOR
            if device.online != online:
                self._seen[mac] = replace(device, online=online)
        self._drop_old(signs.time, kept)
        return _changes(before, self._seen)

    def set_vendor(self, mac: str, vendor: str | None) -> None:
        device = self._seen[mac]
        kind = kind_of(vendor, device.hostname, device.services)
        self._seen[mac] = replace(device, vendor=vendor, kind=kind)

    def silent(self, clock: float) -> list[str]:
        """An address each of the devices that should be asked whether they are here, the longest silent first."""
        quiet = [(self._signs[d.mac], d.addresses[0]) for d in self._seen.values() if d.online and d.addresses]
        asked = [address for sign, address in sorted(quiet) if clock - sign >= ASK_AFTER]
        unknown, self._unknown = self._unknown, {}
        return [*map(str, unknown), *asked]

    def nameless(self) -> list[Address]:
        """Addresses of the devices that are here and have no name yet."""
        return [ip_address(d.addresses[0]) for d in self._seen.values() if d.online and d.addresses and not d.hostname]

    # --- parts -------------------------------------------------------------------------------------------------------

    def _collect(self, signs: Signs) -> dict[str, float]:
        """The last sign of each device that gives one, by the growing clock."""
        last: dict[str, float] = dict.fromkeys(signs.sending, signs.clock)
        for neighbour in signs.neighbours:
            age = max(0.0, signs.time - neighbour.seen)
            last[neighbour.mac] = max(last.get(neighbour.mac, 0.0), signs.clock - age)
        for lease in signs.leases:
            if self._expiries is not None and self._expiries.get(lease.mac) != lease.expires:
                last[lease.mac] = signs.clock  # given or renewed just now
            elif lease.mac not in self._seen:
                last.setdefault(lease.mac, signs.clock - ONLINE_FOR)
        self._expiries = {lease.mac: lease.expires for lease in signs.leases}
        for heard in signs.heard:
            mac = self._macs.get(str(heard.source))
            if mac is not None:
                last[mac] = signs.clock
            elif len(self._unknown) < _NEW_HEARD:
                self._unknown[heard.source] = None
        return last

    def _sign(self, mac: str, clock: float, signs: Signs, kept: Collection[str]) -> None:
        device = self._seen.get(mac)
        when = signs.time - max(0.0, signs.clock - clock)
        if device is None:
            if not self._make_room(kept):
                return
            device = SeenDevice(mac, first_seen=when, last_seen=when)
        if clock > self._signs.get(mac, float("-inf")):
            self._signs[mac] = clock
            device = replace(device, last_seen=when)
        self._seen[mac] = device

    def _make_room(self, kept: Collection[str]) -> bool:
        if len(self._seen) < MAX_SEEN:
            return True
        free = [d for d in self._seen.values() if not d.online and d.mac not in kept]
        if not free:
            return False
        self.forget(min(free, key=lambda d: (not is_randomised(d.mac), d.last_seen)).mac)
        return True

    def _describe(self, signs: Signs) -> None:
        """Take over addresses, names and services."""
        addresses: dict[str, list[str]] = {}
        for lease in signs.leases:
            addresses.setdefault(lease.mac, []).append(lease.address)
        for neighbour in signs.neighbours:
            addresses.setdefault(neighbour.mac, []).append(neighbour.address)
        names, services = self._told(signs.heard)
        for lease in signs.leases:
            if lease.hostname:
                names[lease.mac] = lease.hostname
        for mac in addresses.keys() | names.keys() | services.keys():
            device = self._seen.get(mac)
            if device is None:
                continue
            new = replace(
                device,
                addresses=_in_order(addresses.get(mac, device.addresses)),
                hostname=names.get(mac, device.hostname),
                services=tuple(sorted({*device.services, *services.get(mac, ())}))[:MAX_SERVICES],
            )
            if new != device:
                self._seen[mac] = replace(new, kind=kind_of(new.vendor, new.hostname, new.services))

    def _told(self, heard: Iterable[Heard]) -> tuple[dict[str, str], dict[str, frozenset[str]]]:
        """Names and services by MAC address; a name counts where the device itself tells it."""
        names: dict[str, str] = {}
        services: dict[str, frozenset[str]] = {}
        for one in heard:
            mac = self._macs.get(str(one.source))
            if mac is None:
                continue
            services[mac] = services.get(mac, frozenset()) | one.announcement.services
            for address, name in one.announcement.names.items():
                if self._macs.get(str(address)) == mac:
                    names[mac] = name
        return names, services

    def _drop_old(self, now: float, kept: Collection[str]) -> None:
        for device in tuple(self._seen.values()):
            limit = FORGET_RANDOMISED_AFTER if is_randomised(device.mac) else FORGET_AFTER
            if not device.online and device.mac not in kept and now - device.last_seen > limit:
                self.forget(device.mac)


def _in_order(addresses: Iterable[str]) -> tuple[str, ...]:
    """Each once, IPv4 first, link-local last."""
    return tuple(dict.fromkeys(sorted(addresses, key=lambda a: (":" in a, a.startswith("fe80")))))[:MAX_ADDRESSES]


def _changes(before: Mapping[str, SeenDevice], now: Mapping[str, SeenDevice]) -> list[Change]:
    found: list[Change] = []
    for mac, device in now.items():
        old = before.get(mac)
        if old is None:
            found.append((mac, "appeared"))
        elif device.online != old.online:
            found.append((mac, "online" if device.online else "offline"))
    return found
