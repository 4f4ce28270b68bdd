"""The kernel's own announcements of change: rtnetlink and nftables multicast groups, as one event to wait for."""

from __future__ import annotations

import asyncio
import contextlib
import socket

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
# linux/rtnetlink.h RTNLGRP_*: link, IPv4/IPv6 addresses, routes, rules
ROUTE_GROUPS = (1, 5, 7, 8, 9, 11, 19)
NFNLGRP_NFTABLES = 7  # linux/netfilter/nfnetlink.h
SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 270, 1
BUFFER = 1 << 20


def _subscribe(protocol: int, groups: tuple[int, ...]) -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    sock.bind((0, 0))
    for group in groups:
        sock.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
    return sock


class Changes:
    """``wait`` returns when something changed. What it was is not looked at: the whole state is compared anyway."""

    def __init__(self, subscriptions: tuple[tuple[int, tuple[int, ...]], ...]) -> None:
        self._event = asyncio.Event()
        self._sockets = [_subscribe(protocol, groups) for protocol, groups in subscriptions]
        loop = asyncio.get_running_loop()
        for sock in self._sockets:
            loop.add_reader(sock, self._read, sock)

    def _read(self, sock: socket.socket) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    sock.recv(BUFFER)
                except BlockingIOError:
                    raise
                except OSError:  # ENOBUFS: so much has changed that some of it was lost; it is a change all the same
                    break
        self._event.set()

    async def wait(self, timeout: float, debounce: float) -> bool:
        """True after a change and ``debounce`` seconds more, False after ``timeout`` seconds without one."""
        try:
            await asyncio.wait_for(self._event.wait(), timeout)
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
    """Everything a plan says something about."""
    return Changes(((NETLINK_ROUTE, ROUTE_GROUPS), (NETLINK_NETFILTER, (NFNLGRP_NFTABLES,))))


def link_changes() -> Changes:
    """Links, addresses and routes only."""
    return Changes(((NETLINK_ROUTE, (1, 5, 7, 9, 11)),))
