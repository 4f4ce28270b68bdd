"""Crafted frames, sent once: run inside a host, ``python crafted.py INTERFACE SOURCE_MAC ROUTER_MAC MODE [OWN...]``.

``lan``: what a LAN host may try to get past the gateway, for every IP protocol, source, fragment, option, extension
header, ICMP type and encapsulation. ``wan``: what an ISP's network may try to reach the gateway's own address ``OWN``.
All carry ``MARKER`` where they have room. Standard output says how many frames have left.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Iterator

MARKER = b"IN-THE-CLEAR"
INTERNET4, INTERNET6 = "203.0.113.80", "2001:db8:80::80"
VPN4, VPN6, VPN_PORT = "198.51.100.10", "2001:db8:5e::10", 51820
TARGETS4 = (INTERNET4, VPN4, "192.168.1.1", "10.64.0.1", "198.18.0.1", "255.255.255.255", "224.0.0.251")
TARGETS6 = (INTERNET6, VPN6, "2001:db8:1::1", "fd00:64:0:5e::1", "ff02::1", "ff0e::1")
# The gateway's in the LAN, the WAN's, the tunnels', the ISP's, other networks', and what nobody has.
SOURCES4 = (
    *("192.168.77.1", "192.168.77.255", "192.168.77.200", "192.168.1.20", "192.168.1.1", "192.168.1.77", "10.64.0.2"),
    *("10.64.0.1", "10.65.0.2", "198.51.100.10", "192.0.2.20", "203.0.113.80", "127.0.0.1", "0.0.0.0", "0.1.2.3"),
    *("169.254.1.1", "172.16.0.1", "100.64.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "8.8.8.8"),
)
SOURCES6 = ("::", "::1", "fe80::1", "fe80::ff:fe00:1", "2001:db8:1::20", "fd00:64:0:5e::2", VPN6, INTERNET6, "ff02::1")
OWN4 = "192.168.77.77"


def checksum(data: bytes) -> int:
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ipv4(
    body: bytes,
    protocol: int = 17,
    source: str = OWN4,
    to: str = INTERNET4,
    *,
    ttl: int = 64,
    at: int = 0,
    opts: bytes = b"",
) -> bytes:
    """``at`` is the field of flags and fragment offset."""
    words = 5 + len(opts) // 4
    length, ends = 4 * words + len(body), socket.inet_aton(source) + socket.inet_aton(to)
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, length, 7, at, ttl, protocol, 0) + ends + opts
    return b"\x08\x00" + head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def ipv6(body: bytes, header: int = 17, source: str = "2001:db8:77::77", to: str = INTERNET6, hops: int = 64) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(socket.AF_INET6, to)
    return b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(body), header, hops) + ends + body


def udp(sport: int = 4242, dport: int = 4242, data: bytes = MARKER) -> bytes:
    return struct.pack(">HHHH", sport, dport, 8 + len(data), 0) + data  # without a checksum


def tcp(
    flags: int, sport: int = 4242, dport: int = 80, source: str = OWN4, to: str = INTERNET4, data: bytes = MARKER
) -> bytes:
    head = struct.pack(">HHIIBBHHH", sport, dport, 1, 1, 5 << 4, flags, 1024, 0, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(to) + struct.pack(">BBH", 0, 6, len(head) + len(data))
    return head[:16] + struct.pack(">H", checksum(pseudo + head + data)) + head[18:] + data


def icmp(kind: int, code: int = 0, quote: bytes = b"") -> bytes:
    body = struct.pack(">BBHI", kind, code, 0, 0) + quote + MARKER
    return body[:2] + struct.pack(">H", checksum(body)) + body[4:]


def from_the_lan() -> Iterator[bytes]:
    """The Ethernet type and what follows, of every frame."""
    yield from (ipv4(MARKER * 2, protocol, to=to) for protocol in range(256) for to in (INTERNET4, VPN4))
    yield from (ipv6(MARKER * 2, header, to=to) for header in range(256) for to in (INTERNET6,))
    for to in TARGETS4:
        yield from (ipv4(udp(dport=port), source=source, to=to) for source in SOURCES4 for port in (9, 53, 123))
        yield from (ipv4(udp(VPN_PORT, VPN_PORT), to=to, ttl=ttl) for ttl in (0, 1, 2))
        yield from (ipv4(tcp(flags, to=to), 6, to=to) for flags in (0, 1, 2, 4, 0x10, 0x12, 0x18, 0x29, 0x3F))
    for to in TARGETS6:
        yield from (ipv6(udp(), source=source, to=to) for source in SOURCES6)
        yield from (ipv6(udp(), to=to, hops=hops) for hops in (0, 1))
    inner = ipv4(udp(VPN_PORT, VPN_PORT), source="192.168.1.20", to=VPN4)[2:]
    yield from (ipv4(icmp(kind, code, inner), 1) for kind in range(45) for code in (0, 4))
    yield from (ipv6(icmp(kind), 58, to=to) for kind in range(1, 165) for to in (INTERNET6, "ff02::16"))
    long = udp(data=MARKER * 8)
    for cut in (8, 16, 24):  # tiny, overlapping, backwards, and fragments without a first one
        first, rest = ipv4(long[:cut], at=0x2000), ipv4(long[cut:], at=cut // 8)
        yield from (first, rest, rest, first, ipv4(long[cut:], at=max(0, cut // 8 - 1)), ipv4(MARKER, at=0x1FFF))
        yield ipv6(bytes([17, 0]) + struct.pack(">HI", 1, 9) + long[:cut], 44)
        yield ipv6(bytes([17, 0]) + struct.pack(">HI", cut, 9) + long[cut:], 44)
    via = socket.inet_aton("192.168.1.1")
    for option in (7, 68, 131, 137, 148, 130, 25):  # record route, time stamp, loose and strict source route, ...
        yield ipv4(udp(), opts=bytes([option, 7, 4]) + via + b"\0")
    for header in (0, 60, 43, 135, 139, 140, 253):
        yield ipv6(bytes([17, 0, 1, 4, 0, 0, 0, 0]) + udp(), header)
    hop = socket.inet_pton(socket.AF_INET6, VPN6)
    yield from (ipv6(bytes([17, 2, kind, 1, 0, 0, 0, 0]) + hop + udp(), 43) for kind in range(5))  # routing headers
    plain = ipv4(udp())
    yield b"\x81\x00\x00\x01" + plain  # 802.1Q
    yield b"\x88\xa8\x00\x01\x81\x00\x00\x02" + plain
    yield b"\x88\x64\x11\x00\x00\x01" + struct.pack(">H", len(plain)) + b"\x00\x21" + plain[2:]  # PPPoE
    yield b"\x88\x47\x00\x01\x01\x40" + plain[2:]  # MPLS
    yield struct.pack(">H", len(plain) + 6) + b"\xaa\xaa\x03\0\0\0" + plain  # SNAP


def from_the_wan(own: str) -> Iterator[bytes]:
    router = "192.168.1.1"
    for port in range(1, 65536):
        yield ipv4(tcp(2, 40000, port, router, own, b""), 6, router, own)
    yield from (ipv4(udp(40000, port), source=router, to=own) for port in range(1, 65536, 7))
    yield from (ipv4(MARKER * 2, protocol, router, own) for protocol in range(256))
    yield from (ipv4(icmp(kind), 1, router, own) for kind in range(45))
    for to in ("192.168.77.1", "192.168.77.77", "10.64.0.2", "10.65.0.2", "203.0.113.80"):  # the gateway as a router
        for source in (router, "203.0.113.80", "192.168.77.77", "10.64.0.1"):
            yield ipv4(udp(80, 5000), source=source, to=to)
            yield ipv4(tcp(2, 80, 5000, source, to), 6, source, to)


def main() -> None:
    interface, source, router, mode, *own = sys.argv[1:]
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((interface, 0))
    mac = bytes.fromhex(source.replace(":", ""))
    to = [bytes.fromhex(router.replace(":", ""))]
    if mode == "lan":  # to a group and to somebody else too
        to += [b"\xff" * 6, bytes.fromhex("01005e000001"), bytes.fromhex("020000000099")]
    count = 0
    for number, frame in enumerate(from_the_lan() if mode == "lan" else from_the_wan(own[0])):
        for destination in to if number % 16 == 0 else to[:1]:
            out.send((destination + mac + frame).ljust(60, b"\0"))
            count += 1
            if count % 100 == 0:
                time.sleep(0.005)  # the gateway's queue is no part of the test
    print(count)


if __name__ == "__main__":
    main()
