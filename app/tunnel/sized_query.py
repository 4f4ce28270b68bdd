"""A DNS query of an exact size, which shows whether a packet of that size passes the tunnel.

It has an EDNS padding option (RFC 7830), and is never fragmented inside the tunnel. Its answer is small, so that it
tests the way to the server; the tunnel's MTU then limits both ways, by the TCP segments that it announces.
"""

from __future__ import annotations

import asyncio
import secrets
import socket

import dns.edns
import dns.message

from app.addresses import Address

TRIES = 3
TIMEOUT = 1.0  # seconds for the answer to one try

_IP_HEADER, _UDP_HEADER = {4: 20, 6: 40}, 8
# From linux/in.h and linux/in6.h: set "don't fragment" (or, IPv6, do not fragment here), and refuse what is too large.
_MTU_DISCOVER = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
_PMTUDISC_DO = 2


def sized_query(size: int, version: int) -> bytes:
    """A query that makes an IP packet of ``size`` bytes."""
    query = dns.message.make_query(".", "NS")
    query.id = secrets.randbelow(65536)

    def padded(length: int) -> bytes:
        query.use_edns(0, options=[dns.edns.GenericOption(dns.edns.OptionType.PADDING, bytes(length))])
        return query.to_wire(max_size=65535)  # the default is the size of answers that the query allows

    return padded(size - _IP_HEADER[version] - _UDP_HEADER - len(padded(0)))


async def passes(interface: str, mark: int, resolver: Address, size: int) -> bool:
    """Whether ``resolver`` answers a packet of ``size`` bytes through ``interface``, with three tries."""
    family = socket.AF_INET if resolver.version == 4 else socket.AF_INET6
    loop = asyncio.get_running_loop()
    try:
        with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            sock.setsockopt(*_MTU_DISCOVER[resolver.version], _PMTUDISC_DO)
            await loop.sock_connect(sock, (str(resolver), 53))
            for _ in range(TRIES):
                query = sized_query(size, resolver.version)
                await loop.sock_sendall(sock, query)
                if await _answered(sock, query[:2]):
                    return True
    except OSError:  # larger than the interface or the known path allows, or no way there
        return False
    return False


async def _answered(sock: socket.socket, query_id: bytes) -> bool:
    try:
        async with asyncio.timeout(TIMEOUT):
            while (await asyncio.get_running_loop().sock_recv(sock, 4096))[:2] != query_id:
                pass
    except TimeoutError:
        return False
    return True
