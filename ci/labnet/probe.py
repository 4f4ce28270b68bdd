"""A single probe, run inside a host of the lab: ``probe.py dns | udp | tcp | ping``; prints the result as JSON."""

from __future__ import annotations

import argparse
import json
import os
import socket
import struct
import sys
import time
from typing import Any


def dns(options: argparse.Namespace) -> dict[str, Any]:
    import dns.exception
    import dns.message
    import dns.query
    import dns.rcode

    question = dns.message.make_query(options.name, options.kind)
    ask = dns.query.tcp if options.tcp else dns.query.udp
    try:
        answer = ask(question, options.server, timeout=options.timeout, port=options.port)
    except dns.exception.Timeout:
        return {"rcode": "TIMEOUT", "records": []}
    except OSError:
        return {"rcode": "UNREACHABLE", "records": []}
    records = [record.to_text().strip('"') for rrset in answer.answer for record in rrset]
    return {"rcode": dns.rcode.to_text(answer.rcode()), "records": records}


def udp(options: argparse.Namespace) -> dict[str, Any]:
    with socket.socket(_family(options.address), socket.SOCK_DGRAM) as s:
        s.settimeout(options.timeout)
        try:
            s.connect((options.address, options.port))
            s.send(bytes.fromhex(options.payload))
            return {"answer": s.recv(65535).decode(errors="replace")}
        except OSError:
            return {"answer": None}


def tcp(options: argparse.Namespace) -> dict[str, Any]:
    try:
        socket.create_connection((options.address, options.port), options.timeout).close()
    except OSError:
        return {"connected": False}
    return {"connected": True}


def ping(options: argparse.Namespace) -> dict[str, Any]:
    family = _family(options.address)
    request, reply, protocol = (8, 0, socket.IPPROTO_ICMP)
    if family == socket.AF_INET6:
        request, reply, protocol = (128, 129, socket.IPPROTO_ICMPV6)
    token = os.urandom(16)
    body = struct.pack(">BBHHH", request, 0, 0, os.getpid() & 0xFFFF, 1) + token
    if family == socket.AF_INET:  # for IPv6 the kernel computes it (RFC 3542, 3.1)
        body = body[:2] + struct.pack(">H", _checksum(body)) + body[4:]
    with socket.socket(family, socket.SOCK_RAW, protocol) as s:
        end = time.monotonic() + options.timeout
        try:
            s.sendto(body, (options.address, 0))
            while (left := end - time.monotonic()) > 0:
                s.settimeout(left)
                packet = s.recv(65535)
                if family == socket.AF_INET:
                    packet = packet[(packet[0] & 15) * 4 :]
                if packet[0] == reply and packet.endswith(token):
                    return {"answered": True}
        except OSError:
            pass
    return {"answered": False}


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071) of an even number of bytes."""
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--timeout", type=float, default=1.0)
    commands = parser.add_subparsers(required=True)
    shapes: dict[Any, tuple[tuple[str, type], ...]] = {
        dns: (("name", str), ("kind", str), ("server", str), ("port", int)),
        udp: (("address", str), ("port", int), ("payload", str)),
        tcp: (("address", str), ("port", int)),
        ping: (("address", str),),
    }
    for function, arguments in shapes.items():
        command = commands.add_parser(function.__name__)
        command.set_defaults(function=function)
        for name, kind in arguments:
            command.add_argument(name, type=kind)
        if function is dns:
            command.add_argument("--tcp", action="store_true")
    options = parser.parse_args()
    json.dump(options.function(options), sys.stdout)


if __name__ == "__main__":
    main()
