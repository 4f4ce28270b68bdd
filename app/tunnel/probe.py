"""The probe of a tunnel: a DNS query for the root name servers, sent to addresses inside it."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable

import dns.message

from app.addresses import Address


def send(interface: str, mark: int, addresses: Iterable[Address]) -> None:
    """Send one query to each address through ``interface`` without waiting: answers show in the interface's counters.

    So does whether the query left; one that cannot be sent says nothing about the peer, and errors are ignored.
    ``mark`` is the exit's, whose routing table leads into the tunnel (IPv6 needs a route, bound or not).
    """
    query = dns.message.make_query(".", "NS")
    for address in addresses:
        query.id = secrets.randbelow(65536)
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
                sock.setblocking(False)
                sock.sendto(query.to_wire(), (str(address), 53))
        except OSError:
            continue
