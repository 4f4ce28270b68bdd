"""Everything a LAN host may try, over and over: run inside the host, ``python traffic.py --gateway6 fe80::...``.

TCP, UDP, ICMP and DNS, IPv4 and IPv6, to the Internet, to the VPN servers' own addresses, to the WAN's private network,
with honest and with spoofed sources. Every packet carries ``MARKER`` where it has room for it, so that a capture knows
it for what it is. One line ``sending`` on standard output says that the first round has left.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import random
import select
import socket
import struct
import sys
import time

MARKER = b"IN-THE-CLEAR"


def question(host: str) -> bytes:
    """A DNS query for ``leak.HOST.lab`` (RFC 1035), so that whoever carries it on, it is known whose it was."""
    labels = b"".join(bytes((len(label),)) + label for label in (b"leak", host.encode(), b"lab"))
    return struct.pack(">HHHHHH", 0x4C4B, 0x0100, 1, 0, 0, 0) + labels + b"\x00\x00\x01\x00\x01"


def checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def echo_request(kind: int) -> bytes:
    body = struct.pack(">BBHHH", kind, 0, 0, os.getpid() & 0xFFFF, 1) + MARKER
    return struct.pack(">BBHHH", kind, 0, checksum(body), os.getpid() & 0xFFFF, 1) + MARKER


def spoofed_udp(source: str, destination: str) -> bytes:
    """An IPv4 packet as a whole, with a source that is not ours."""
    payload = MARKER
    udp = struct.pack(">HHHH", 4242, 4242, 8 + len(payload), 0) + payload
    header = struct.pack(
        ">BBHHHBBH4s4s",
        0x45,
        0,
        20 + len(udp),
        1,
        0,
        64,
        17,
        0,
        socket.inet_aton(source),
        socket.inet_aton(destination),
    )
    header = header[:10] + struct.pack(">H", checksum(header)) + header[12:]
    return header + udp


class Traffic:
    def __init__(self, host: str, targets4: list[str], targets6: list[str], spoof: list[str]) -> None:
        self.question = question(host)
        self.targets4, self.targets6, self.spoof = targets4, targets6, spoof
        self.udp4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self.icmp4 = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self.icmp6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
        self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        for sock in (self.udp4, self.udp6, self.icmp4, self.icmp6, self.raw):
            sock.setblocking(False)
        self.tcp: list[socket.socket] = []

    def round(self) -> None:
        for address, family, udp in [(a, socket.AF_INET, self.udp4) for a in self.targets4] + [
            (a, socket.AF_INET6, self.udp6) for a in self.targets6
        ]:
            with contextlib.suppress(OSError):
                udp.sendto(MARKER, (address, random.choice((9, 443, 4500, 51820))))
            with contextlib.suppress(OSError):
                udp.sendto(self.question, (address, 53))
            icmp, kind = (self.icmp4, 8) if family == socket.AF_INET else (self.icmp6, 128)
            with contextlib.suppress(OSError):
                icmp.sendto(echo_request(kind), (address, 0))
            for port in (80, 53):
                self.connect(family, address, port)
        for source, destination in itertools.product(self.spoof, self.targets4[:1]):
            with contextlib.suppress(OSError):
                self.raw.sendto(spoofed_udp(source, destination), (destination, 0))

    def connect(self, family: socket.AddressFamily, address: str, port: int) -> None:
        while len(self.tcp) > 60:
            self.tcp.pop(0).close()
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.connect((address, port))
        self.tcp.append(sock)

    def drain(self) -> None:
        """Established connections keep talking; answers are thrown away."""
        listening = [self.udp4, self.udp6, self.icmp4, self.icmp6]
        readable, writable, _ = select.select(listening, self.tcp, [], 0)
        for sock in readable:
            with contextlib.suppress(OSError):
                sock.recv(65535)
        for sock in writable:
            with contextlib.suppress(OSError):
                sock.send(MARKER)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="host")
    parser.add_argument("--target4", action="append", default=[])
    parser.add_argument("--target6", action="append", default=[])
    parser.add_argument("--spoof", action="append", default=[])
    parser.add_argument("--interval", type=float, default=0.1)
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args()
    traffic = Traffic(options.host, options.target4, options.target6, options.spoof)
    end = time.monotonic() + options.seconds
    traffic.round()
    print("sending", flush=True)
    while time.monotonic() < end:
        traffic.round()
        traffic.drain()
        time.sleep(options.interval)


if __name__ == "__main__":
    sys.exit(main())
