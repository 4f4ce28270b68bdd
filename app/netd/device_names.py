"""The look-up of a name as a device's own look-up would be: by the gateway's resolver for the device.

That resolver (dnsmasq) asks through the tunnel of the device's exit alone, has the same cache, and leaves out what it
would leave out for the device. It is asked on the loopback; nothing else is ever asked for a name here.
"""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, ip_address
from typing import Protocol

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode
import dns.rdatatype

from app.addresses import Address
from app.tunnel.dns_backend import MarkedBackend

TIMEOUT = 4.0  # seconds; dnsmasq goes to the next resolver when a question is repeated
REPEAT = 1.3  # seconds until it is
MOST = 8  # addresses
LOOPBACK = IPv4Address("127.0.0.1")
_KINDS = ("A", "AAAA")


class LookUp(Protocol):
    async def __call__(self, name: str, port: int) -> tuple[Address, ...] | None:
        """The addresses of ``name`` by the gateway's resolver at ``port``, IPv4 first; None where none answers."""
        ...


async def look_up(name: str, port: int) -> tuple[Address, ...] | None:
    """See :class:`LookUp`."""
    answers = await asyncio.gather(*(_ask(name, kind, port) for kind in _KINDS))
    if all(answer is None for answer in answers):
        return None
    return tuple(dict.fromkeys(a for answer in answers for a in answer or ()))[:MOST]


async def _ask(name: str, kind: str, port: int) -> list[Address] | None:
    query = dns.message.make_query(name, kind)
    try:
        async with asyncio.timeout(TIMEOUT):
            while True:
                reply = await _exchange(query, port)
                if reply is not None:
                    break
    except (TimeoutError, OSError, EOFError, dns.exception.DNSException):
        return None
    if reply.rcode() not in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
        return None
    wanted = dns.rdatatype.from_text(kind)
    return [ip_address(item.to_text()) for rrset in reply.answer if rrset.rdtype == wanted for item in rrset]


async def _exchange(query: dns.message.Message, port: int) -> dns.message.Message | None:
    """The answer, over TCP where it does not fit a datagram; None where the question has to be repeated."""
    backend, where = MarkedBackend(0), str(LOOPBACK)
    try:
        async with asyncio.timeout(REPEAT):
            return await dns.asyncquery.udp(
                query, where, port=port, ignore_trailing=True, raise_on_truncation=True, backend=backend
            )
    except dns.message.Truncated:
        return await dns.asyncquery.tcp(query, where, port=port, ignore_trailing=True, backend=backend)
    except TimeoutError:
        return None
