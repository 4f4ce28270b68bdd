"""A packet inside the tunnel that asks for an answer: a DNS question for the root to the tunnel's resolver."""

from __future__ import annotations

import secrets
import socket

import dns.message

from app.addresses import Address


def send(interface: str, resolver: Address) -> None:
    """Send one question through ``interface``; the answer is seen in the interface's counters, so nobody waits for it.

    Errors are ignored: a probe that cannot leave is a probe without an answer, which is what the caller measures.
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
