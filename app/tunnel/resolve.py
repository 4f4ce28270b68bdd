"""The look-up of an endpoint's host name, in cleartext, by the WAN's own name servers.

It is on the cleartext allowlist: packets with ``MARK_LOOKUP``, to the name servers in the plan, only while a look-up
runs. The same query inside a tunnel carries the exit's mark instead. dnspython exchanges and checks the messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.asyncquery
import dns.exception
import dns.message
import dns.rdatatype

from app.addresses import Address
from app.network.plan import MARK_LOOKUP
from app.tunnel.dns_backend import MarkedBackend

TRY_TIMEOUT = 1.5  # seconds for one query to one server
ROUNDS = 2


class LookupFailedError(Exception):
    """A look-up failed; the text names the servers that were asked and what happened."""


def literal(host: str) -> Address | None:
    """``host`` as an address, or None where it is a name. A zone (RFC 4007) stays with the address."""
    try:
        return ip_address(host)
    except ValueError:
        return None


async def ask(host: str, server: Address, kind: str, *, mark: int, timeout: float = TRY_TIMEOUT) -> list[Address]:
    """Query ``server`` for the ``kind`` (A, AAAA) of ``host``, over TCP where the answer does not fit a datagram.

    UDP and TCP each have ``timeout`` seconds. Raises OSError, DNSException or TimeoutError.
    """
    query = dns.message.make_query(host, kind)
    where, backend = str(server), MarkedBackend(mark)
    try:
        async with asyncio.timeout(timeout):
            reply = await dns.asyncquery.udp(
                query, where, ignore_trailing=True, raise_on_truncation=True, ignore_errors=True, backend=backend
            )
    except dns.message.Truncated as cut:
        try:
            async with asyncio.timeout(timeout):
                reply = await dns.asyncquery.tcp(query, where, ignore_trailing=True, backend=backend)
        except (OSError, EOFError, dns.exception.DNSException):
            reply = cut.message()  # a part of the addresses is better than none
            if not _addresses(reply, kind):
                raise OSError("the answer is truncated, and TCP failed") from None
    return _addresses(reply, kind)


def _addresses(reply: dns.message.Message, kind: str) -> list[Address]:
    wanted = dns.rdatatype.from_text(kind)
    return [ip_address(item.to_text()) for rrset in reply.answer if rrset.rdtype == wanted for item in rrset]


async def lookup(
    host: str, servers: Sequence[Address], *, want4: bool, want6: bool, mark: int = MARK_LOOKUP
) -> list[Address]:
    """The addresses of ``host`` in the families wanted, IPv4 first. Raises :class:`LookupFailedError`."""
    kinds = [kind for kind, wanted in (("A", want4), ("AAAA", want6)) if wanted]
    if not servers:
        raise LookupFailedError(f"cannot look up {host}: the WAN gave no name server")
    problems: list[str] = []
    for _ in range(ROUNDS):
        for server in servers:
            answers = await asyncio.gather(
                *(ask(host, server, kind, mark=mark) for kind in kinds), return_exceptions=True
            )
            found: list[Address] = []
            for answer in answers:
                if isinstance(answer, BaseException):
                    if not isinstance(answer, OSError | dns.exception.DNSException | TimeoutError):
                        raise answer
                    problems.append(f"{server}: {type(answer).__name__}")
                else:
                    found += answer
            if found:
                return [a for a in found if _usable(a)]
            if not any(isinstance(a, BaseException) for a in answers):
                raise LookupFailedError(f"the name server {server} knows no address of {host}")
    raise LookupFailedError(f"cannot look up {host}: no answer ({', '.join(sorted(set(problems)))})")


def _usable(address: IPv4Address | IPv6Address) -> bool:
    return not (address.is_loopback or address.is_multicast or address.is_unspecified)
