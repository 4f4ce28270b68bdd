"""The devices of the LAN: who uses which address, with or without a lease, and whether addresses are left to lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address

import aiofiles.os

from app.addresses import Address, Network
from app.errors import GatewayError
from app.model import LanSettings, Lease, Links, Neighbour
from app.network.dhcp_dns import lan_services, newcomers_end
from app.network.dhcp_hosts import reservations
from app.protocol.events import EventSink, SecurityAlert
from app.store import Store

log = logging.getLogger(__name__)

POLL_INTERVAL = 2.0  # seconds between reads of the leases
NEIGHBOURS_EVERY = 3  # polls
PROBE_INTERVAL = 3600.0  # seconds between ARP requests to every address that DHCP could give out
MAX_PROBED = 1024  # addresses; a larger range is not asked, because the kernel's table holds no more
ENOUGH = 5  # free addresses after which the range counts as refilled

ReadNeighbours = Callable[[Iterable[str], Sequence[Network]], Awaitable[tuple[Neighbour, ...]]]
Probe = Callable[[str, Iterable[Address]], Awaitable[None]]
UpdateHosts = Callable[[Iterable[Lease], dict[str, IPv4Address]], Awaitable[None]]


class LanDevices:
    """The watcher of neighbours and leases. ``update_hosts`` has dnsmasq's records of devices follow both."""

    def __init__(
        self,
        *,
        leases: Callable[[], Iterable[Lease]],
        update_hosts: UpdateHosts,
        read_neighbours: ReadNeighbours,
        probe: Probe,
        links: Callable[[], Links],
        store: Store,
        publish: EventSink,
    ) -> None:
        self._leases = leases
        self._update_hosts = update_hosts
        self._read_neighbours = read_neighbours
        self._probe = probe
        self._links = links
        self._store = store
        self._publish = publish
        self._full = False
        self.neighbours: tuple[Neighbour, ...] = ()

    async def run(self) -> None:
        """Run until cancelled."""
        read = aiofiles.os.wrap(self._leases)
        turn = 0
        while True:
            try:
                if turn % NEIGHBOURS_EVERY == 0:
                    await self.refresh()
                leases = tuple(await read())
                lan = lan_services(self._store.settings.lan, self._links())
                if lan.dhcp_enabled:
                    await self._update_hosts(leases, addresses_in_use(lan, leases, self.neighbours))
                    self.check_range(lan, leases)
            except (GatewayError, OSError) as error:
                log.warning("the devices of the LAN could not be read: %s", error)
            turn += 1
            await asyncio.sleep(POLL_INTERVAL)

    async def ask(self) -> None:
        """Run until cancelled: ask every address that DHCP could give out whether a device uses it."""
        while True:
            links, lan = self._links(), lan_services(self._store.settings.lan, self._links())
            if links.lan and lan.dhcp_enabled:
                leased = {lease.address for lease in await aiofiles.os.wrap(self._leases)()}
                count = min(int(lan.dhcp_end) - int(lan.dhcp_start) + 1, MAX_PROBED)
                try:
                    pool = (lan.dhcp_start + n for n in range(count))
                    await self._probe(links.lan[0].name, [a for a in pool if str(a) not in leased])
                except (GatewayError, OSError) as error:
                    log.warning("the addresses of the LAN could not be asked for: %s", error)
            await asyncio.sleep(PROBE_INTERVAL)

    async def ask_for(self, addresses: Iterable[Address]) -> None:
        """Ask each of ``addresses`` in the LAN whether its device is here. Raises OSError."""
        links, networks = self._links(), self._store.settings.lan.networks
        own = [a for a in addresses if a.is_link_local or any(a in n for n in networks if n.version == a.version)]
        if links.lan and own:
            await self._probe(links.lan[0].name, own)

    async def refresh(self) -> None:
        """Read the neighbour table. Raises OSError."""
        links, lan = self._links(), self._store.settings.lan
        router = links.wan.gateway4 if links.wan is not None else None  # in the LAN's network in one-arm
        found = await self._read_neighbours([link.name for link in links.lan], lan.networks)
        routers = {n.mac for n in found if n.address == str(router)}
        self.neighbours = tuple(n for n in found if n.mac not in routers)

    def check_range(self, lan: LanSettings, leases: Iterable[Lease]) -> None:
        """Report, once, that no address is left for a new device."""
        used = {lease.address for lease in leases} | {n.address for n in self.neighbours}
        used |= {str(address) for address in reservations(self._store.settings.devices, lan).values()}
        first, last = int(lan.dhcp_start), int(newcomers_end(lan))
        free = sum(str(IPv4Address(n)) not in used for n in range(first, min(last, first + len(used) + ENOUGH) + 1))
        if free == 0 and not self._full:
            message = (
                f"all addresses for new devices ({lan.dhcp_start} to {newcomers_end(lan)}) are given out: a device that"
                " was not here before gets none. If there are not that many devices, one of them invents others:"
                " look at the list of devices. Else choose a larger network (lan_address in gateway.toml)"
            )
            log.warning("%s", message)
            self._publish(SecurityAlert("dhcp_range_full", message))
        self._full = free == 0 or (self._full and free < ENOUGH)


def addresses_in_use(
    lan: LanSettings, leases: Iterable[Lease], neighbours: Iterable[Neighbour]
) -> dict[str, IPv4Address]:
    """The addresses of DHCP's range that devices without a lease use, by MAC address (pure).

    At most half of the range, lest one device claim all of it.
    """
    held = {lease.mac for lease in leases}
    size = int(lan.dhcp_end) - int(lan.dhcp_start) + 1
    found: dict[str, IPv4Address] = {}
    for neighbour in sorted(neighbours, key=lambda n: -n.seen):
        if ":" in neighbour.address or neighbour.mac in held or neighbour.mac in found or 2 * len(found) >= size:
            continue
        address = IPv4Address(neighbour.address)
        if lan.dhcp_start <= address <= lan.dhcp_end:
            found[neighbour.mac] = address
    return found
