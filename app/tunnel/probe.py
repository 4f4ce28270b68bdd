"""The probe of a tunnel: a DNS query for the root name servers, sent to the tunnel's resolver inside it."""

from __future__ import annotations

import secrets
import socket

import dns.message

from app.addresses import Address


def send(interface: str, resolver: Address) -> None:
    """Send one query through ``interface`` without waiting: the answer shows in the interface's counters.

    Errors are ignored: a probe that cannot be sent counts as unanswered.
    """
    query = dns.message.make_query(".", "NS")
    query.id = secrets.randbelow(65536)
    family = socket.AF_INET if resolver.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            sock.setblocking(False)
            sock.sendto(query.to_wire(), (str(resolver), 53))
    except OSError:
        return
