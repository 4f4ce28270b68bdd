"""rtnetlink(7) messages read and built without a library: links, addresses, routes and rules of the hot paths (pure).

A decoder for all of rtnetlink takes milliseconds for a small machine's tables, and they are read several times for each
change of the network. Linux: include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h, fib_rules.h.
"""

from __future__ import annotations

import functools
import socket
import struct
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from app.addresses import Address, Network
from app.network.netlink_raw import (
    NETLINK_ROUTE,
    NLA_F_NESTED,
    NLM_F_ACK,
    NLM_F_DUMP,
    attribute,
    exchange,
)

NEW_LINK, DELETE_LINK, GET_LINK = 16, 17, 18
NEW_ADDRESS, DELETE_ADDRESS, GET_ADDRESS = 20, 21, 22
NEW_ROUTE, DELETE_ROUTE, GET_ROUTE = 24, 25, 26
NEW_RULE, DELETE_RULE, GET_RULE = 32, 33, 34
NEW_NEIGHBOUR, GET_NEIGHBOUR = 28, 30
_REPLACE, _EXCLUSIVE, _CREATE = 0x100, 0x200, 0x400

LINK = struct.Struct("=BxHiII")  # family, type, index, flags, changed flags
ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
ROUTE = struct.Struct("=BBBBBBBBI")  # family, lengths of dst and src, tos, table, protocol, scope, type, flags
RULE = struct.Struct("=BBBBBBBBI")  # family, lengths of dst and src, tos, table, two reserved, action, flags
NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type

_IFF_UP = 1
_IFLA_NAME, _IFLA_MTU, _IFLA_MASTER, _IFLA_INFO, _IFLA_EXT_MASK, _INFO_KIND = 3, 4, 10, 18, 29, 1
_SKIP_STATISTICS = 1 << 3
_NDA_DESTINATION = 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS, _IFA_PROTO = 1, 2, 8, 11
FAMILIES: Mapping[int, int] = {4: socket.AF_INET, 6: socket.AF_INET6}


def dump(kind: int, family: int = socket.AF_UNSPEC) -> list[bytes]:
    """The bodies of all messages of ``kind``. Raises OSError."""
    header = {GET_LINK: LINK, GET_ADDRESS: ADDRESS, GET_ROUTE: ROUTE, GET_RULE: RULE, GET_NEIGHBOUR: NEIGHBOUR}[kind]
    body = bytes((family,)) + bytes(header.size - 1)
    if kind == GET_LINK:
        body += attribute(_IFLA_EXT_MASK, struct.pack("=I", _SKIP_STATISTICS))
    return exchange(NETLINK_ROUTE, kind, NLM_F_DUMP, body)


@functools.lru_cache(4096)
def address(packed: bytes) -> Address:
    return IPv4Address(packed) if len(packed) == 4 else IPv6Address(packed)


@functools.lru_cache(4096)
def network(packed: bytes, length: int) -> Network:
    """Raises ValueError where bits are set beyond ``length``."""
    return IPv4Network((packed, length)) if len(packed) == 4 else IPv6Network((packed, length))


def number(value: bytes) -> int:
    return int.from_bytes(value, "little") if struct.pack("=H", 1) == b"\1\0" else int.from_bytes(value)


def text(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def unsigned(value: int) -> bytes:
    return struct.pack("=I", value)


def string(value: str) -> bytes:
    return value.encode() + b"\0"


def send(kind: int, body: bytes, flags: int = 0) -> None:
    """Send a request and wait for its acknowledgement. Raises OSError."""
    exchange(NETLINK_ROUTE, kind, flags | NLM_F_ACK, body)


# --- links and addresses ---------------------------------------------------------------------------------------------


def set_link(index: int, *, up: bool | None = None, mtu: int | None = None, master: int | None = None) -> None:
    flags = (_IFF_UP if up else 0, _IFF_UP) if up is not None else (0, 0)
    body = LINK.pack(0, 0, index, *flags)
    body += attribute(_IFLA_MTU, unsigned(mtu)) if mtu is not None else b""
    body += attribute(_IFLA_MASTER, unsigned(master)) if master is not None else b""
    send(NEW_LINK, body)


def add_link(name: str, kind: str) -> None:
    info = attribute(_INFO_KIND, kind.encode())
    body = LINK.pack(0, 0, 0, 0, 0) + attribute(_IFLA_NAME, string(name)) + attribute(_IFLA_INFO | NLA_F_NESTED, info)
    send(NEW_LINK, body, _CREATE | _EXCLUSIVE)


def delete_link(index: int) -> None:
    send(DELETE_LINK, LINK.pack(0, 0, index, 0, 0))


def set_address(index: int, ip: Address, prefix: int, flags: int, protocol: int) -> None:
    """Add an address, or change its flags where it is there."""
    body = _address(index, ip, prefix) + attribute(_IFA_FLAGS, unsigned(flags))
    send(NEW_ADDRESS, body + attribute(_IFA_PROTO, bytes((protocol,))), _CREATE | _REPLACE)


def delete_address(index: int, ip: Address, prefix: int) -> None:
    send(DELETE_ADDRESS, _address(index, ip, prefix))


def _address(index: int, ip: Address, prefix: int) -> bytes:
    body = ADDRESS.pack(FAMILIES[ip.version], prefix, 0, 0, index)
    return body + attribute(_IFA_LOCAL, ip.packed) + attribute(_IFA_ADDRESS, ip.packed)


def use_neighbour(index: int, ip: Address, flags: int) -> None:
    """Have the kernel look for the neighbour ``ip`` on a link, as ``flags`` (NTF_*) say."""
    body = NEIGHBOUR.pack(FAMILIES[ip.version], index, 0, flags, 0) + attribute(_NDA_DESTINATION, ip.packed)
    send(NEW_NEIGHBOUR, body, _CREATE | _REPLACE)


# --- routes and rules ------------------------------------------------------------------------------------------------


def replace_route(body: bytes) -> None:
    send(NEW_ROUTE, body, _CREATE | _REPLACE)


def add_rule(body: bytes) -> None:
    send(NEW_RULE, body, _CREATE | _EXCLUSIVE)
