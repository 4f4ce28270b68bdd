"""The kernel's neighbour table of the LAN: which device uses which address. rtnetlink(7), RTM_GETNEIGH."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, ip_address
from typing import Any

from app.addresses import Address, Network
from app.model import Neighbour
from app.network.netlink import open_netlink
from app.network.routes import FAMILIES

# linux/neighbour.h NUD_*: of an entry with a device's address that was valid when last used.
_REACHABLE, _STALE, _DELAY, _PROBE = 0x02, 0x04, 0x08, 0x10
_KNOWN = _REACHABLE | _STALE | _DELAY | _PROBE
_USE = 0x01  # NTF_USE: resolve the address now
_TICKS = os.sysconf("SC_CLK_TCK")  # a second
BURST, PAUSE = 20, 1.0  # ARP requests at once, and seconds between bursts: the table has room for 1024 entries


async def read_neighbours(links: Iterable[str], networks: Sequence[Network]) -> tuple[Neighbour, ...]:
    """The devices on ``links``, by their addresses in ``networks`` and their link-local ones. Raises OSError."""
    found: list[Neighbour] = []
    now = time.time()
    async with open_netlink() as ip:
        indexes = {index for name in links for index in await ip.link_lookup(ifname=name)}
        for family in FAMILIES.values():
            async for message in await ip.get_neighbours(family=family):
                neighbour = _neighbour(message, indexes, networks, now)
                if neighbour is not None:
                    found.append(neighbour)
    return tuple(sorted(found, key=lambda n: (n.mac, ip_address(n.address).version, ip_address(n.address).packed)))


def _neighbour(message: Any, indexes: set[int], networks: Sequence[Network], now: float) -> Neighbour | None:
    attrs = dict(message["attrs"])
    mac, text = str(attrs.get("NDA_LLADDR", "")).lower(), attrs.get("NDA_DST")
    if message["ifindex"] not in indexes or not message["state"] & _KNOWN or mac.count(":") != 5 or text is None:
        return None
    address: Address = ip_address(text)
    here = address.is_link_local or any(
        address in network for network in networks if network.version == address.version
    )
    if not here or int(mac[:2], 16) & 1:  # a group of devices
        return None
    age = attrs["NDA_CACHEINFO"]["ndm_confirmed"] / _TICKS
    return Neighbour(mac, str(address), now - age)


async def probe(link: str, addresses: Iterable[IPv4Address]) -> None:
    """Have the kernel ask by ARP who uses each of ``addresses``; the answers are in its table. Raises OSError."""
    async with open_netlink() as ip:
        (index,) = await ip.link_lookup(ifname=link) or (0,)
        for number, address in enumerate(addresses):
            if number and number % BURST == 0:
                await asyncio.sleep(PAUSE)
            await ip.neigh("replace", dst=str(address), ifindex=index, flags=_USE, state=0)
