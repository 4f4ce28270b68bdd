"""Devices' TCP connections, ended at once when their tunnel goes.

The other end cannot be reached any more, and a device that only waits for data would wait for minutes. A SYN in the
name of the server makes it answer with an acknowledgement of exactly what it has received (RFC 5961, section 4), which
the ruleset answers with a reset, since it knows no such connection. IP_TRANSPARENT: ip(7), needs CAP_NET_ADMIN.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterable

from msgspec import Struct

from app.addresses import Address
from app.network.plan import MARK_END

MAX_CONNECTIONS = 2000  # told at once; those beyond end by their own time-outs
_IP_TRANSPARENT, _IPV6_TRANSPARENT = 19, 75  # linux/in.h, linux/in6.h


class Connection(Struct, frozen=True):
    device: Address
    device_port: int
    server: Address
    server_port: int


def _tell(one: Connection) -> None:
    four = one.server.version == 4
    with socket.socket(socket.AF_INET if four else socket.AF_INET6, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK_END)
        if four:
            sock.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((str(one.server), one.server_port))
        with contextlib.suppress(BlockingIOError):
            sock.connect((str(one.device), one.device_port))


def _tell_all(connections: tuple[Connection, ...]) -> None:
    for one in connections:
        with contextlib.suppress(OSError):  # the device is gone, or the port is in use: it ends by itself
            _tell(one)


async def end(connections: Iterable[Connection]) -> None:
    """End ``connections``, which connection tracking must have forgotten already."""
    await asyncio.to_thread(_tell_all, tuple(connections)[:MAX_CONNECTIONS])
