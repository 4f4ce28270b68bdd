"""Frames by hand (RFC 791, 792, 4443, 768, 9293, 8200): made for taps to send, and read from what the kernel sends."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv6Address

from msgspec import Struct

from app.addresses import Address
from app.packet_trace import Packet

NUMBERS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "icmpv6": 58}
NAMES = {v: k for k, v in NUMBERS.items()}
ICMP_TYPES = {
    "echo-request": (8, 128),
    "nd-router-advert": (134, 134),
    "nd-neighbor-solicit": (135, 135),
    "mld2-listener-report": (143, 143),
    "echo-reply": (0, 129),
}
IPV4, IPV6, ARP = 0x0800, 0x86DD, 0x0806


class Seen(Struct, frozen=True):
    """A packet that the kernel sent, with the interface by which it left."""

    link: str
    src: Address
    dst: Address
    proto: str
    sport: int = 0
    dport: int = 0
    icmp: tuple[int, int] | None = None
    flags: str = ""  # of TCP
    mss: int | None = None


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet_bytes(packet: Packet, *, flags: int | None = None, mss: int = 1460, payload: bytes = b"payload!") -> bytes:
    """The IP packet for ``packet``."""
    four = packet.family == 4
    number = NUMBERS[packet.proto]
    src, dst = packet.src.packed, packet.dst.packed

    def summed(body: bytes, at: int) -> bytes:
        pseudo = b"" if packet.proto == "icmp" else src + dst + struct.pack("!IHBB", len(body), 0, 0, number)
        return body[:at] + struct.pack("!H", checksum(pseudo + body)) + body[at + 2 :]

    match packet.proto:
        case "udp":
            body = summed(struct.pack("!HHHH", packet.sport, packet.dport, 8 + len(payload), 0) + payload, 6)
        case "tcp":
            bits = flags if flags is not None else (0x02 if packet.syn else 0x10)
            options = struct.pack("!BBH", 2, 4, mss) if bits & 0x02 else b""
            offset = (20 + len(options)) // 4 << 4
            head = struct.pack("!HHIIBBHHH", packet.sport, packet.dport, 7, 9, offset, bits, 8192, 0, 0)
            body = summed(head + options, 16)
        case "icmp" | "icmpv6":
            kind = ICMP_TYPES[packet.icmp_type][0 if four else 1]
            body = summed(struct.pack("!BBHHH", kind, 0, 0, packet.sport, 1) + payload, 2)
        case _:
            body = summed(struct.pack("!BBHI", 0x16, 0, 0, 0xE00000FB), 2)
    if four:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 1, 0, 64, number, 0) + src + dst
        return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body
    hops = 255 if packet.icmp_type.startswith("nd-") else 64
    return struct.pack("!IHBB", 6 << 28, len(body), number, hops) + src + dst + body


def ethernet(payload: bytes, src: str, dst: str) -> bytes:
    kind = IPV4 if payload[0] >> 4 == 4 else IPV6
    return mac_bytes(dst) + mac_bytes(src) + struct.pack("!H", kind) + payload


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def arp_probe(mac: str, target: str) -> bytes:
    """An ARP probe for ``target`` (RFC 5227)."""
    head = b"\xff" * 6 + mac_bytes(mac) + struct.pack("!HHHBBH", ARP, 1, IPV4, 6, 4, 1)
    return head + mac_bytes(mac) + bytes(4) + bytes(6) + socket.inet_aton(target)


def parse(link: str, data: bytes) -> Seen:
    """Read an IP packet (no options, no extension headers but hop-by-hop of MLD)."""
    if data[0] >> 4 == 4:
        src, dst = IPv4Address(data[12:16]), IPv4Address(data[16:20])
        number, body = data[9], data[(data[0] & 15) * 4 :]
    else:
        src, dst = IPv6Address(data[8:24]), IPv6Address(data[24:40])
        number, body = data[6], data[40:]
        if number == 0:
            number, body = body[0], body[8 + body[1] * 8 :]
    proto = NAMES.get(number, str(number))
    if proto in {"icmp", "icmpv6"}:
        return Seen(link, src, dst, proto, icmp=(body[0], body[1]))
    if proto not in {"tcp", "udp"}:
        return Seen(link, src, dst, proto)
    sport, dport = struct.unpack("!HH", body[:4])
    if proto == "udp":
        return Seen(link, src, dst, proto, sport, dport)
    flags = "".join(n for bit, n in ((2, "S"), (4, "R"), (16, "A")) if body[13] & bit)
    mss = struct.unpack("!H", body[22:24])[0] if body[12] >> 4 > 5 and body[20] == 2 else None
    return Seen(link, src, dst, proto, sport, dport, flags=flags, mss=mss)


def is_background(seen: Seen) -> bool:
    """Whether every kernel sends it on a link: neighbour discovery, router solicitation, group membership."""
    return seen.proto == "igmp" or (
        seen.proto == "icmpv6" and seen.icmp is not None and seen.icmp[0] in range(130, 144)
    )
