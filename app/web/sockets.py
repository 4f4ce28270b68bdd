"""Listening sockets: bound here, inherited as a file descriptor, or passed by systemd (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

FIRST_SYSTEMD_FD = 3  # SD_LISTEN_FDS_START
IP_FREEBIND = 15  # ip(7); Python has no name for it
DEAD_AFTER = 30_000  # milliseconds


def systemd_fds(environ: Mapping[str, str], pid: int) -> list[int]:
    """The descriptors that systemd passed to this very process."""
    if environ.get("LISTEN_PID") != str(pid):
        return []
    count = environ.get("LISTEN_FDS", "0")
    return list(range(FIRST_SYSTEMD_FD, FIRST_SYSTEMD_FD + int(count))) if count.isdigit() else []


def inherit(fd: int) -> socket.socket:
    """The inherited socket ``fd``. Raises OSError (not a socket) or ValueError (not a TCP socket)."""
    sock = socket.socket(fileno=os.dup(fd))
    if sock.type is not socket.SOCK_STREAM or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        sock.close()
        raise ValueError(f"file descriptor {fd} is not a TCP socket")
    return _prepared(sock)


def bind(address: str) -> socket.socket:
    """Bind to ``HOST:PORT`` or ``[HOST]:PORT``. Raises ValueError (not an address), OSError (in use)."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not HOST:PORT")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)  # the LAN's address may come up after this process
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, int(port)))
    except OSError:
        sock.close()
        raise
    return _prepared(sock)


def _prepared(sock: socket.socket) -> socket.socket:
    """``sock`` with the options that connections inherit: the kernel drops a client that is gone or stopped reading.

    Without TCP_NODELAY each answer waits 40 ms for a delayed acknowledgement, as Hypercorn writes its head and its body
    apart; asyncio sets it only on sockets made with an explicit IPPROTO_TCP.
    """
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER)
    return sock
