"""The kernel's neighbour table of the LAN: which device uses which address. rtnetlink(7), RTM_GETNEIGH."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from app.addresses import Address, Network
from app.model import Neighbour
from app.network import rtnetlink
from app.network.netlink_raw import attributes
from app.network.routes import FAMILIES

# linux/neighbour.h NUD_*: of an entry with a device's address that was valid when last used.
_REACHABLE, _STALE, _DELAY, _PROBE = 0x02, 0x04, 0x08, 0x10
_KNOWN = _REACHABLE | _STALE | _DELAY | _PROBE
_NDA_DESTINATION, _NDA_ADDRESS, _NDA_CACHE = 1, 2, 3  # NDA_*
_USE = 0x01  # NTF_USE: resolve the address now
_TICKS = os.sysconf("SC_CLK_TCK")  # a second
BURST, PAUSE = 20, 1.0  # ARP requests at once, and seconds between bursts: the table has room for 1024 entries


async def read_neighbours(links: Iterable[str], networks: Sequence[Network]) -> tuple[Neighbour, ...]:
    """The devices on ``links``, by their addresses in ``networks`` and their link-local ones. Raises OSError."""
    found: list[Neighbour] = []
    now = time.time()
    wanted = set(links)
    indexes = {index for index, name in socket.if_nameindex() if name in wanted}
    for family in FAMILIES.values():
        for body in rtnetlink.dump(rtnetlink.GET_NEIGHBOUR, family):
            neighbour = _neighbour(body, indexes, networks, now)
            if neighbour is not None:
                found.append(neighbour)
    return tuple(sorted(found, key=lambda n: (n.mac, ip_address(n.address).version, ip_address(n.address).packed)))


def _neighbour(body: bytes, indexes: set[int], networks: Sequence[Network], now: float) -> Neighbour | None:
    _, index, state, _, _ = rtnetlink.NEIGHBOUR.unpack_from(body)
    if index not in indexes or not state & _KNOWN:
        return None
    attrs = attributes(body[rtnetlink.NEIGHBOUR.size :])
    mac, destination = attrs.get(_NDA_ADDRESS, b"").hex(":"), attrs.get(_NDA_DESTINATION)
    if mac.count(":") != 5 or destination is None:
        return None
    address = rtnetlink.address(destination)
    here = address.is_link_local or any(
        address in network for network in networks if network.version == address.version
    )
    if not here or int(mac[:2], 16) & 1:  # a group of devices
        return None
    age = rtnetlink.number(attrs[_NDA_CACHE][:4]) / _TICKS  # since it was last confirmed
    return Neighbour(mac, str(address), now - age)


async def probe(link: str, addresses: Iterable[Address]) -> None:
    """Have the kernel ask who uses each of ``addresses``, by ARP or neighbour discovery; its table has the answers.

    Raises OSError.
    """
    index = {name: number for number, name in socket.if_nameindex()}.get(link, 0)
    for number, address in enumerate(addresses):
        if number and number % BURST == 0:
            await asyncio.sleep(PAUSE)
        rtnetlink.use_neighbour(index, address, _USE)
