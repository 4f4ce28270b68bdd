"""Change notifications of the kernel: rtnetlink and nftables multicast groups, as one event to wait for."""

from __future__ import annotations

import asyncio
import socket

from app.network.netlink_raw import NETLINK_NETFILTER, NETLINK_ROUTE

# linux/rtnetlink.h RTNLGRP_*: link, IPv4 and IPv6 addresses, routes, rules
_LINKS, _RULES = (1, 5, 7, 9, 11), (8, 19)
_TRAFFIC_CONTROL = (4,)  # RTNLGRP_TC
_NFTABLES = (7,)  # NFNLGRP_NFTABLES, linux/netfilter/nfnetlink.h
_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1
_BUFFER = 1 << 20


def _subscribe(protocol: int, groups: tuple[int, ...]) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.bind((0, 0))
        for group in groups:
            sock.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError:
        sock.close()
        raise
    return sock


class Changes:
    """Subscriptions to notifications. Their content is not read, because the whole state is compared anyway."""

    def __init__(self, subscriptions: tuple[tuple[int, tuple[int, ...]], ...]) -> None:
        """Raises OSError."""
        self._event = asyncio.Event()
        self._sockets: list[socket.socket] = []
        loop = asyncio.get_running_loop()
        try:
            for protocol, groups in subscriptions:
                self._sockets.append(_subscribe(protocol, groups))
        except OSError:
            self.close()
            raise
        for sock in self._sockets:
            loop.add_reader(sock, self._read, sock)

    def _read(self, sock: socket.socket) -> None:
        self._event.set()
        while True:
            try:
                sock.recv(16)  # the rest of the message is discarded
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: notifications were lost, which is a change too
                continue

    async def wait(self, timeout: float, debounce: float) -> bool:
        """True after a change and ``debounce`` seconds more, False after ``timeout`` seconds without one."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(debounce)
        self._event.clear()
        return True

    def close(self) -> None:
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.remove_reader(sock)
            sock.close()


def changes() -> Changes:
    """Notifications of all that a plan contains: links, addresses, routes, rules, filters, nftables. Raises OSError."""
    return Changes(((NETLINK_ROUTE, _LINKS + _RULES + _TRAFFIC_CONTROL), (NETLINK_NETFILTER, _NFTABLES)))


def link_changes() -> Changes:
    """Notifications of links, addresses and routes. Raises OSError."""
    return Changes(((NETLINK_ROUTE, _LINKS),))
