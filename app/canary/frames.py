"""Ethernet frames, built by hand as a device of the LAN would send them (pure). RFC 791, 768, 9293, 792, 8200, 4443."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from app.addresses import Address

TCP, UDP, ICMP, ICMP6, EXPERIMENT = 6, 17, 1, 58, 253  # the last one is RFC 3692's
IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"
_SYN = 0x02
_RECURSION = 0x0100
_A = 1
_TTL = 64


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def _pseudo(source: Address, to: Address, protocol: int, length: int) -> bytes:
    """What a checksum covers beside the segment (RFC 9293, section 3.1; RFC 8200, section 8.1)."""
    if source.version == 4:
        return source.packed + to.packed + struct.pack(">BBH", 0, protocol, length)
    return source.packed + to.packed + struct.pack(">II", length, protocol)


def udp(source: Address, to: Address, ports: tuple[int, int], payload: bytes) -> bytes:
    length = 8 + len(payload)
    head = struct.pack(">HHH", *ports, length)
    total = checksum(_pseudo(source, to, UDP, length) + head + b"\0\0" + payload) or 0xFFFF
    return head + struct.pack(">H", total) + payload


def tcp_syn(source: Address, to: Address, ports: tuple[int, int], payload: bytes) -> bytes:
    """The first segment of a connection; data may come with it (RFC 9293, section 3.10.7.2), here to know it again."""
    sequence = int.from_bytes(payload[:4].ljust(4, b"\0"))
    head = struct.pack(">HHIIBBHHH", *ports, sequence, 0, 5 << 4, _SYN, 64240, 0, 0)
    total = checksum(_pseudo(source, to, TCP, len(head) + len(payload)) + head + payload)
    return head[:16] + struct.pack(">H", total) + head[18:] + payload


def echo_request(source: Address, to: Address, identifier: int, payload: bytes) -> bytes:
    kind = 8 if source.version == 4 else 128
    body = struct.pack(">BBHHH", kind, 0, 0, identifier, 1) + payload
    covered = body if source.version == 4 else _pseudo(source, to, ICMP6, len(body)) + body
    return body[:2] + struct.pack(">H", checksum(covered)) + body[4:]


def dns_query(identifier: int, name: str) -> bytes:
    """A query for the IPv4 address of ``name`` (RFC 1035, section 4)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return struct.pack(">HHHHHH", identifier, _RECURSION, 1, 0, 0, 0) + labels + struct.pack(">HH", _A, 1)


def packet(source: Address, to: Address, protocol: int, body: bytes) -> bytes:
    """An IP packet behind the Ethernet type of its version. Raises ValueError where the versions differ."""
    match source, to:
        case IPv4Address(), IPv4Address():
            ends = source.packed + to.packed
            head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(body), checksum(body) or 1, 0, _TTL, protocol, 0) + ends
            return IPV4 + head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body
        case IPv6Address(), IPv6Address():
            return IPV6 + struct.pack(">IHBB", 6 << 28, len(body), protocol, _TTL) + source.packed + to.packed + body
        case _:
            raise ValueError("two versions of IP in one packet")


def ethernet(source: str, to: str, typed: bytes) -> bytes:
    """The frame from one MAC address to another, ``typed`` being its type and content."""
    both = bytes.fromhex(to.replace(":", "")) + bytes.fromhex(source.replace(":", ""))
    return (both + typed).ljust(60, b"\0")  # the least that a wire carries, without the check sequence
