"""The dnspython backend whose sockets carry a packet mark and are connected, so that they hear only the server.

It ignores dnspython's own time limits: the caller has one for the whole exchange.
"""

# ruff: noqa: ARG002 - the signatures are dnspython's
# dnspython's documentation has these classes in dns.asyncbackend:
# pyright: reportPrivateImportUsage=false

from __future__ import annotations

import asyncio
import socket
from typing import Any

from dns.asyncbackend import Backend, DatagramSocket, StreamSocket


class MarkedBackend(Backend):
    """Opens connected sockets with ``mark``, as :mod:`dns.asyncquery` asks for them."""

    def __init__(self, mark: int) -> None:
        self._mark = mark

    def name(self) -> str:
        return "asyncio"

    def datagram_connection_required(self) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        return True

    async def make_socket(
        self,
        af: int,
        socktype: int,
        proto: int = 0,
        source: Any = None,
        destination: tuple[str, int] | None = None,
        timeout: float | None = None,
        ssl_context: Any = None,
        server_hostname: str | None = None,
    ) -> _Datagrams | _Stream:
        """Raises OSError. The mark is set before connecting, because a TCP connection sends its first packet then."""
        assert destination is not None
        sock = socket.socket(af, socktype | socket.SOCK_NONBLOCK, proto)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, self._mark)
            await asyncio.get_running_loop().sock_connect(sock, destination)
        except BaseException:
            sock.close()
            raise
        return _Datagrams(sock) if socktype == socket.SOCK_DGRAM else _Stream(sock)


class _Datagrams(DatagramSocket):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, sock.type)
        self._sock = sock

    async def sendto(self, what: bytes, destination: object, timeout: float | None) -> int:
        await asyncio.get_running_loop().sock_sendall(self._sock, what)
        return len(what)

    async def recvfrom(self, size: int, timeout: float | None) -> tuple[bytes, Any]:
        return await asyncio.get_running_loop().sock_recv(self._sock, size), self._sock.getpeername()

    async def close(self) -> None:
        self._sock.close()


class _Stream(StreamSocket):
    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock.family, sock.type)
        self._sock = sock

    async def sendall(self, what: bytes, timeout: float | None) -> None:
        await asyncio.get_running_loop().sock_sendall(self._sock, what)

    async def recv(self, size: int, timeout: float | None) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._sock, size)

    async def close(self) -> None:
        self._sock.close()
