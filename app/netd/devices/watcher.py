"""The watcher of the LAN's devices: it follows all signs of them, tells who came and went, and who waits."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable
from ipaddress import ip_address
from pathlib import Path

import aiofiles.os
from msgspec import UNSET

from app.addresses import Address
from app.admission import waits
from app.errors import GatewayError
from app.model import Lease, Neighbour, SeenDevice, Settings
from app.netd.devices import seen_file
from app.netd.devices.mdns import MdnsListener
from app.netd.devices.sightings import Change, Sightings, Signs
from app.netd.devices.vendors import Vendors
from app.protocol.events import DeviceChanged, EventSink, SecurityAlert

log = logging.getLogger(__name__)

INTERVAL = 2.0  # seconds between looks
MAX_EVENTS = 50  # of one look: something that invents devices shall not push all other events out
MAX_ASKED = 20  # devices that are asked in one look whether they are here
VENDORS_EVERY = 10.0  # seconds at least between two look-ups of vendors
QUESTION_EVERY = 600.0  # seconds between questions by mDNS
FIRST_QUESTION = 10.0  # seconds
NAMES_ASKED = 15  # in one question, which then fits into one packet of any link
SAVE_EVERY = 3600.0  # seconds; what only the time of the last sign would change
SAVE_NEW_AFTER = 60.0  # seconds after a device came for the first time

Sending = Callable[[], Collection[str]]
Ask = Callable[[Iterable[Address]], Awaitable[None]]


class DeviceWatcher:
    """The watcher. ``ask`` has the kernel ask addresses; ``own`` are MAC addresses of the gateway itself."""

    def __init__(
        self,
        *,
        path: Path,
        settings: Callable[[], Settings],
        leases: Callable[[], Iterable[Lease]],
        neighbours: Callable[[], tuple[Neighbour, ...]],
        sending: Sending,
        mdns: MdnsListener,
        ask: Ask,
        own: Callable[[], Collection[str]],
        publish: EventSink,
        vendors: Vendors | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._settings = settings
        self._leases = aiofiles.os.wrap(leases)
        self._neighbours = neighbours
        self._sending = sending
        self._mdns = mdns
        self._ask = ask
        self._own = own
        self._publish = publish
        self._vendors = vendors or Vendors()
        self._clock = clock
        self._sightings = Sightings(seen_file.load(path))
        self._saved = self._sightings.devices
        self._save_at = clock() + SAVE_EVERY
        self._question_at = clock() + FIRST_QUESTION
        self._names_asked = 0  # since the start
        self._vendors_at = clock()

    @property
    def devices(self) -> tuple[SeenDevice, ...]:
        return self._sightings.devices

    def get(self, mac: str) -> SeenDevice | None:
        return self._sightings.get(mac)

    def forget(self, mac: str) -> bool:
        """Forget the device; False where it was not known. If it is here, it appears again as a new one."""
        self._save_at = min(self._save_at, self._clock() + SAVE_NEW_AFTER)
        return self._sightings.forget(mac)

    def restore(self, devices: Iterable[SeenDevice]) -> None:
        """Have back those of ``devices`` that were forgotten since."""
        self._sightings.restore(devices)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except (GatewayError, OSError) as error:
                log.warning("the devices of the LAN could not be followed: %s", error)
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Take all signs of this moment, and tell the changes. Raises OSError, GatewayError."""
        settings = self._settings()
        signs = Signs(
            time=time.time(),
            clock=self._clock(),
            leases=tuple(await self._leases()),
            neighbours=self._neighbours(),
            sending=self._sending(),
            heard=tuple(self._mdns.take()),
        )
        kept = {device.mac for device in settings.devices}
        changes = self._sightings.observe(signs, kept, self._own())
        await self._name_vendors()
        self._tell(changes, settings)
        if silent := self._sightings.silent(signs.clock):
            await self._ask([ip_address(text) for text in silent[:MAX_ASKED]])
        if signs.clock >= self._question_at:
            self._question_at = signs.clock + QUESTION_EVERY
            self._mdns.ask(self._next_nameless())
        if any(change == "appeared" for _, change in changes):
            self._save_at = min(self._save_at, signs.clock + SAVE_NEW_AFTER)
        if signs.clock >= self._save_at:
            await self.save()

    async def save(self) -> None:
        """Write the file, if anything has changed. Raises OSError."""
        devices = self._sightings.devices
        self._save_at = self._clock() + SAVE_EVERY
        if devices != self._saved:
            await seen_file.save(self._path, devices)
            self._saved = devices

    def _next_nameless(self) -> list[Address]:
        """The addresses whose names are asked for now: each has its turn, though others never answer."""
        found = self._sightings.nameless()
        first = self._names_asked % len(found) if found else 0
        self._names_asked += NAMES_ASKED
        return (found[first:] + found[:first])[:NAMES_ASKED]

    async def _name_vendors(self) -> None:
        if self._clock() < self._vendors_at:
            return
        if any(self._vendors.lacks(device.mac) for device in self._sightings.devices):
            self._vendors_at = self._clock() + VENDORS_EVERY
            await self._vendors.learn(device.mac for device in self._sightings.devices)
        for device in self._sightings.devices:
            vendor = self._vendors.of(device.mac)
            if vendor is not None and vendor != device.vendor:
                self._sightings.set_vendor(device.mac, vendor)

    def _tell(self, changes: list[Change], settings: Settings) -> None:
        for mac, change in changes[:MAX_EVENTS]:
            self._publish(DeviceChanged(mac, change))
        waiting = [mac for mac, change in changes if change == "appeared" and waits(settings, mac)]
        if waiting:
            self._publish(waiting_alert([d for d in map(self._sightings.get, waiting) if d is not None]))


def waiting_alert(devices: list[SeenDevice]) -> SecurityAlert:
    """The alert that new devices wait."""
    names = [d.hostname or d.vendor or d.mac for d in devices[:5]]
    more = f" and {len(devices) - 5} more" if len(devices) > 5 else ""
    verb, it = ("waits", "it") if len(devices) == 1 else ("wait", "them")
    message = f"new in the LAN: {', '.join(names)}{more} {verb} for you to admit {it}"
    return SecurityAlert("device_waiting", message, device=devices[0].mac if len(devices) == 1 else UNSET)
