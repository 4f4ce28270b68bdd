"""Messages of multicast DNS (RFC 6762, pure): what devices tell about themselves, and the questions to them.

Any device can send anything, so every length is checked, and no more than a few names are taken from a message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import ip_address

from msgspec import Struct

from app.addresses import Address
from app.hostnames import LABEL

MAX_RECORDS = 64
MAX_SERVICES = 32

_A, _PTR, _AAAA, _SRV = 1, 12, 28, 33
_RESPONSE = 0x8000
_ALL_SERVICES = ("_services", "_dns-sd", "_udp", "local")
_MAX_JUMPS = 16  # of a compressed name
_SERVICE = ("_tcp", "_udp")


class Announcement(Struct, frozen=True):
    """What one message tells: names by address, and services of its sender."""

    names: dict[Address, str]
    services: frozenset[str]


class BadMessageError(Exception):
    """The bytes are no DNS message."""


def parse(data: bytes) -> Announcement:
    """What the message announces; nothing where it is a question. Raises BadMessageError."""
    try:
        return _parse(data)
    except (struct.error, IndexError, ValueError) as error:
        raise BadMessageError(str(error)) from None


def _parse(data: bytes) -> Announcement:
    _, flags, questions, *counts = struct.unpack_from("!6H", data)
    names: dict[Address, str] = {}
    services: set[str] = set()
    if not flags & _RESPONSE:
        return Announcement({}, frozenset())
    at = 12
    for _ in range(min(questions, MAX_RECORDS)):
        at = _name(data, at)[1] + 4
    for _ in range(min(sum(counts), MAX_RECORDS)):
        owner, at = _name(data, at)
        kind, _, _, length = struct.unpack_from("!HHIH", data, at)
        start, at = at + 10, at + 10 + length
        if at > len(data):
            raise BadMessageError("cut off")
        if kind in {_A, _AAAA} and (host := _host(owner)):
            names[ip_address(data[start:at])] = host
        elif kind == _PTR and (address := _reverse(owner)) is not None:
            if host := _host(_name(data, start)[0]):
                names[address] = host
        elif kind == _PTR and owner == _ALL_SERVICES:
            services |= set(_service(_name(data, start)[0]))
        elif kind in {_PTR, _SRV}:
            services |= set(_service(owner))
    return Announcement(names, frozenset(sorted(services)[:MAX_SERVICES]))


def _name(data: bytes, at: int) -> tuple[tuple[str, ...], int]:
    """The labels of the name at ``at``, in lower case, and the offset behind it (RFC 1035, 4.1.4)."""
    labels: list[str] = []
    behind, jumps = -1, 0
    while length := data[at]:
        if length & 0xC0 == 0xC0:
            behind = at + 2 if behind < 0 else behind
            at = (length & 0x3F) << 8 | data[at + 1]
            jumps += 1
            if jumps > _MAX_JUMPS:
                raise BadMessageError("a name without an end")
            continue
        if length & 0xC0 or at + 1 + length > len(data) or len(labels) > 64:
            raise BadMessageError("no name")
        labels.append(data[at + 1 : at + 1 + length].decode(errors="replace").lower())
        at += 1 + length
    return tuple(labels), at + 1 if behind < 0 else behind


def _host(labels: tuple[str, ...]) -> str | None:
    """The name of a host, without its domain."""
    return labels[0] if len(labels) == 2 and labels[1] == "local" and LABEL.fullmatch(labels[0]) else None


def _service(labels: tuple[str, ...]) -> Iterator[str]:
    """The type of the service, such as ``_ipp._tcp``, whoever offers it."""
    if len(labels) >= 3 and labels[-1] == "local" and labels[-2] in _SERVICE:
        name = labels[-3]
        if name.startswith("_") and LABEL.fullmatch(name[1:]) and name != "_dns-sd":
            yield f"{name}.{labels[-2]}"


def _reverse(labels: tuple[str, ...]) -> Address | None:
    """The address whose name the record has."""
    if labels[-2:] == ("in-addr", "arpa") and len(labels) == 6:
        return ip_address(".".join(reversed(labels[:4])))
    if labels[-2:] == ("ip6", "arpa") and len(labels) == 34:
        digits = "".join(reversed(labels[:32]))
        return ip_address(bytes.fromhex(digits))
    return None


def query(addresses: Iterable[Address]) -> bytes:
    """A question to all devices: which services they offer, and the names of ``addresses``."""
    names = [".".join(_ALL_SERVICES), *(address.reverse_pointer for address in addresses)]
    header = struct.pack("!6H", 0, 0, len(names), 0, 0, 0)
    return header + b"".join(_wire(name) + struct.pack("!2H", _PTR, 1) for name in names)


def _wire(name: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in name.split(".")) + b"\0"
