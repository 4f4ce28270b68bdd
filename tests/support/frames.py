"""Ethernet frames to everybody: what a host, a DHCP server or a router says on a wire."""

from __future__ import annotations

import socket
import struct
from typing import Literal

Kind = Literal["host", "dhcp", "dhcpv6", "advertisement", "redirect", "extended"]
SOURCE = "02:00:00:00:aa:01"
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"
_ADVERTISEMENT = bytes([134, 0, 0, 0, 64, 0, 7, 8]) + bytes(8)  # RFC 4861, 4.2; 30 minutes


def frame(kind: Kind) -> bytes:
    """A whole frame of ``kind``; ``extended`` is an advertisement behind an extension header (RFC 7113)."""
    ethernet = b"\xff" * 6 + bytes.fromhex(SOURCE.replace(":", ""))
    match kind:
        case "host":
            return ethernet + _IPV4 + _ipv4(_udp(4242, 4242))
        case "dhcp":
            return ethernet + _IPV4 + _ipv4(_udp(67, 68))
        case "dhcpv6":
            return ethernet + _IPV6 + _ipv6(17, _udp(547, 546))
        case "advertisement":
            return ethernet + _IPV6 + _ipv6(58, _ADVERTISEMENT)
        case "redirect":
            return ethernet + _IPV6 + _ipv6(58, bytes([137, 0, 0, 0]) + bytes(36))
        case "extended":
            return ethernet + _IPV6 + _ipv6(0, bytes([58, 0, 1, 4, 0, 0, 0, 0]) + _ADVERTISEMENT)


def _udp(source: int, destination: int) -> bytes:
    return struct.pack(">HHHH", source, destination, 12, 0) + b"some"


def _ipv4(body: bytes) -> bytes:
    ends = socket.inet_aton("192.0.2.1") + socket.inet_aton("255.255.255.255")
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, 17, 0) + ends
    total = sum(struct.unpack(">10H", head))  # RFC 1071; a bridge drops a header whose checksum is wrong
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack(">H", ~total & 0xFFFF) + head[12:] + body


def _ipv6(header: int, body: bytes) -> bytes:
    ends = socket.inet_pton(socket.AF_INET6, "fe80::1") + socket.inet_pton(socket.AF_INET6, "ff02::1")
    return struct.pack(">IHBB", 6 << 28, len(body), header, 255) + ends + body
