"""Deletion of tracked connections, so that none survives a change of exit or policy. Linux: nf_conntrack_netlink.

By mark, ctnetlink's own filter does the work in the kernel: one message for any number of connections. By source it
must not: for IPv6 the kernel's filter selects every address except the requested one (seen with Linux 6.18), so a
device would keep the connections that it must lose. Those are filtered here, in a thread. pyroute2's
``AsyncNFCTSocket`` cannot do it: its tuples have the ports of TCP and UDP only, so the deletion of an SCTP connection
is refused (0.9.7); and it runs on the event loop, where a thousand connections took 1.3 s instead of 0.1 s.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from ipaddress import ip_address

from app.addresses import Address
from app.network.end_connections import Connection, end
from app.network.netlink_raw import (
    NETLINK_NETFILTER,
    NLA_F_NESTED,
    NLM_F_ACK,
    NLM_F_DUMP,
    attribute,
    attributes,
    exchange,
    nfgenmsg,
)

# linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h
_SUBSYSTEM = 1 << 8
_CT_GET, _CT_DELETE = _SUBSYSTEM | 1, _SUBSYSTEM | 2
_CTA_TUPLE_ORIG, _CTA_MARK, _CTA_ID, _CTA_ZONE, _CTA_MARK_MASK = 1, 8, 12, 18, 21
_CTA_TUPLE_IP, _CTA_IP_V4_SRC, _CTA_IP_V6_SRC = 1, 1, 3
_CTA_TUPLE_PROTO, _SOURCE_PORT, _DESTINATION_PORT = 2, 2, 3
_CTA_PROTOINFO, _CTA_PROTOINFO_TCP, _TCP_STATE, _ESTABLISHED = 4, 1, 1, 3


def _tcp(entries: list[bytes], source: Address | None = None) -> list[Connection]:
    """The established TCP connections among ``entries``, those of ``source`` where it is given."""
    found: list[Connection] = []
    for body in entries:
        entry = attributes(body[4:])
        original = attributes(entry.get(_CTA_TUPLE_ORIG, b""))
        addresses, ports = (attributes(original.get(kind, b"")) for kind in (_CTA_TUPLE_IP, _CTA_TUPLE_PROTO))
        state = attributes(attributes(entry.get(_CTA_PROTOINFO, b"")).get(_CTA_PROTOINFO_TCP, b"")).get(_TCP_STATE)
        if state != bytes((_ESTABLISHED,)):
            continue
        ends = [ip_address(addresses[kind]) for kind in sorted(addresses)]
        if source in {None, ends[0]}:
            numbers = [int.from_bytes(ports[kind]) for kind in (_SOURCE_PORT, _DESTINATION_PORT)]
            found.append(Connection(ends[0], numbers[0], ends[1], numbers[1]))
    return found


def _flush_mark(mark: int) -> list[Connection]:
    wanted = attribute(_CTA_MARK, struct.pack(">I", mark)) + attribute(_CTA_MARK_MASK, b"\xff\xff\xff\xff")
    there = _tcp(exchange(NETLINK_NETFILTER, _CT_GET, NLM_F_DUMP, nfgenmsg(socket.AF_UNSPEC, wanted)))
    exchange(NETLINK_NETFILTER, _CT_DELETE, NLM_F_ACK, nfgenmsg(socket.AF_UNSPEC, wanted))
    return there


def _flush_source(address: Address) -> list[Connection]:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    source = _CTA_IP_V4_SRC if address.version == 4 else _CTA_IP_V6_SRC
    entries = exchange(NETLINK_NETFILTER, _CT_GET, NLM_F_DUMP, nfgenmsg(family))
    for body in entries:
        entry = attributes(body[4:])
        original = entry.get(_CTA_TUPLE_ORIG, b"")
        if attributes(attributes(original).get(_CTA_TUPLE_IP, b"")).get(source) != address.packed:
            continue
        # With its id, so that a later connection with the same ports is not deleted.
        identity = attribute(_CTA_TUPLE_ORIG | NLA_F_NESTED, original)
        identity += b"".join(attribute(kind, entry[kind]) for kind in (_CTA_ID, _CTA_ZONE) if kind in entry)
        try:
            exchange(NETLINK_NETFILTER, _CT_DELETE, NLM_F_ACK, nfgenmsg(family, identity))
        except OSError as error:
            if error.errno != errno.ENOENT:  # it has ended in between
                raise
    return _tcp(entries, address)


async def flush_mark(mark: int) -> None:
    """Delete every connection whose ct mark is ``mark``, and end those of TCP. Raises OSError."""
    await end(await asyncio.to_thread(_flush_mark, mark))


async def flush_source(address: Address) -> None:
    """Delete every connection that ``address`` opened, and end those of TCP. Raises OSError."""
    await end(await asyncio.to_thread(_flush_source, address))
