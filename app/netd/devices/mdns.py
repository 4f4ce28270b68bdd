"""Multicast DNS on the LAN: the gateway hears what devices tell about themselves, and asks them now and then.

The sockets are bound to the group's addresses, so that questions to the gateway itself still reach its own responder.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from typing import Any

from msgspec import Struct

from app.addresses import Address
from app.netd.devices.mdns_message import Announcement, BadMessageError, parse, query

log = logging.getLogger(__name__)

GROUP4, GROUP6, PORT = "224.0.0.251", "ff02::fb", 5353
CHECK_INTERVAL = 5.0  # seconds between looks at the LAN's links
MAX_HEARD = 200  # announcements kept until they are taken
_IP_MULTICAST_ALL = 49  # linux/in.h: only groups that this socket has joined


class Heard(Struct, frozen=True):
    source: Address
    announcement: Announcement


class MdnsListener:
    """The listener on all links of the LAN; ``links`` gives their names."""

    def __init__(self, links: Callable[[], Iterable[str]]) -> None:
        self._links = links
        self._transports: dict[str, tuple[asyncio.DatagramTransport, ...]] = {}
        self._heard: list[Heard] = []

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            while True:
                await self._follow(frozenset(self._links()))
                await asyncio.sleep(CHECK_INTERVAL)
        finally:
            for name in tuple(self._transports):
                self._close(name)

    def take(self) -> list[Heard]:
        """What was heard since the last call."""
        heard, self._heard = self._heard, []
        return heard

    def ask(self, addresses: Iterable[Address]) -> None:
        """Ask all devices for their services, and for the names of ``addresses``."""
        message = query(addresses)
        for transports in self._transports.values():
            for transport, group in zip(transports, (GROUP4, GROUP6), strict=True):
                transport.sendto(message, (group, PORT))

    async def _follow(self, names: frozenset[str]) -> None:
        for name in self._transports.keys() - names:
            self._close(name)
        for name in names:
            if any(transport.is_closing() for transport in self._transports.get(name, ())):
                self._close(name)
            if name not in self._transports:
                try:
                    self._transports[name] = await self._open(name)
                except OSError as error:
                    log.debug("mDNS is not heard on %s: %s", name, error)

    async def _open(self, name: str) -> tuple[asyncio.DatagramTransport, ...]:
        loop = asyncio.get_running_loop()
        opened: list[asyncio.DatagramTransport] = []
        try:
            for make in (_socket4, _socket6):
                opened.append((await loop.create_datagram_endpoint(lambda: _Receiver(self._hear), sock=make(name)))[0])
        except OSError:
            for transport in opened:
                transport.close()
            raise
        return tuple(opened)

    def _close(self, name: str) -> None:
        for transport in self._transports.pop(name, ()):
            transport.close()

    def _hear(self, data: bytes, source: str) -> None:
        if len(self._heard) < MAX_HEARD:
            with contextlib.suppress(BadMessageError, ValueError):
                self._heard.append(Heard(_plain(source), parse(data)))


def _plain(text: str) -> Address:
    """The address without its zone, as the neighbour table has it."""
    address = ip_address(text)
    return IPv6Address(int(address)) if address.version == 6 else address


class _Receiver(asyncio.DatagramProtocol):
    def __init__(self, hear: Callable[[bytes, str], None]) -> None:
        self._hear = hear

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._hear(data, str(addr[0]))

    def error_received(self, exc: Exception) -> None:
        """Pass over an error of an earlier question: the next one is sent all the same."""


def _socket(family: socket.AddressFamily, link: str) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.encode())
    return made


def _socket4(link: str) -> socket.socket:
    made = _socket(socket.AF_INET, link)
    try:
        index = struct.pack("=4s4si", socket.inet_aton(GROUP4), bytes(4), socket.if_nametoindex(link))
        made.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, index)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, index)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        made.bind((GROUP4, PORT))
    except OSError:
        made.close()
        raise
    return made


def _socket6(link: str) -> socket.socket:
    made = _socket(socket.AF_INET6, link)
    try:
        index = socket.if_nametoindex(link)
        group = socket.inet_pton(socket.AF_INET6, GROUP6) + struct.pack("=I", index)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)
        made.bind((GROUP6, PORT, 0, index))
    except OSError:
        made.close()
        raise
    return made
