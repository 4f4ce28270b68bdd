"""The check of a resolver: one query inside the tunnel, for the root name servers, which every resolver knows."""

from __future__ import annotations

import asyncio

import dns.asyncquery
import dns.exception
import dns.message
import dns.rcode

from app.addresses import Address
from app.network.resolvers import Answer
from app.tunnel.dns_backend import MarkedBackend

TIMEOUT = 1.25  # seconds for one query
TRIES = 2
DNS_PORT = 53

_GOOD = {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}


async def check(resolver: Address, mark: int, port: int = DNS_PORT) -> Answer:
    """The answer of ``resolver`` to a query with ``mark``. A query that cannot be sent is one without an answer."""
    for _ in range(TRIES):
        query = dns.message.make_query(".", "NS")
        try:
            async with asyncio.timeout(TIMEOUT):
                reply = await dns.asyncquery.udp(
                    query,
                    str(resolver),
                    port=port,
                    ignore_trailing=True,
                    ignore_errors=True,
                    backend=MarkedBackend(mark),
                )
        except (OSError, dns.exception.DNSException):  # TimeoutError is an OSError
            continue
        return Answer.GOOD if reply.rcode() in _GOOD else Answer.FAILING
    return Answer.SILENT
