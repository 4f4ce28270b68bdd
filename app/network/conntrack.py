"""Forgetting connections, so that none survives a change of exit or policy. Linux: nf_conntrack_netlink.

ctnetlink's own filters do the work in the kernel: one message, however many connections there are.
"""

from __future__ import annotations

import asyncio
import socket
import struct

from app.addresses import Address

NETLINK_NETFILTER = 12
NFNL_SUBSYS_CTNETLINK = 1
IPCTNL_MSG_CT_GET, IPCTNL_MSG_CT_DELETE = 1, 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 1, 4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLA_F_NESTED = 0x8000
CTA_TUPLE_ORIG, CTA_MARK, CTA_ID, CTA_MARK_MASK = 1, 8, 12, 21
CTA_TUPLE_IP, CTA_IP_V4_SRC, CTA_IP_V6_SRC = 1, 1, 3


def _attribute(kind: int, payload: bytes) -> bytes:
    padding = b"\0" * (-len(payload) % 4)
    return struct.pack("=HH", len(payload) + 4, kind) + payload + padding


def _message(kind: int, flags: int, family: int, attributes: bytes = b"") -> bytes:
    body = struct.pack("=BBH", family, 0, 0) + attributes
    header = struct.pack("=IHHII", 16 + len(body), NFNL_SUBSYS_CTNETLINK << 8 | kind, NLM_F_REQUEST | flags, 1, 0)
    return header + body


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def _exchange(request: bytes) -> list[bytes]:
    """Send one request; returns the payloads of the answers after nfgenmsg. Raises OSError."""
    answers: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as sock:
        sock.settimeout(5.0)
        sock.bind((0, 0))
        sock.send(request)
        while True:
            data = sock.recv(1 << 20)
            while len(data) >= 16:
                length, kind = struct.unpack_from("=IH", data)
                if kind == NLMSG_ERROR:
                    code = -struct.unpack_from("=i", data, 16)[0]
                    if code:
                        raise OSError(code, "conntrack")
                    return answers
                if kind == NLMSG_DONE:
                    return answers
                answers.append(data[20:length])
                data = data[(length + 3) & ~3 :]


def _flush_mark(mark: int) -> None:
    attributes = _attribute(CTA_MARK, struct.pack(">I", mark)) + _attribute(CTA_MARK_MASK, b"\xff\xff\xff\xff")
    _exchange(_message(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, socket.AF_UNSPEC, attributes))


def _flush_source(address: Address) -> None:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    wanted = CTA_IP_V4_SRC if address.version == 4 else CTA_IP_V6_SRC
    for entry in _exchange(_message(IPCTNL_MSG_CT_GET, NLM_F_DUMP, family)):
        attributes = _attributes(entry)
        original = attributes.get(CTA_TUPLE_ORIG, b"")
        if _attributes(_attributes(original).get(CTA_TUPLE_IP, b"")).get(wanted) != address.packed:
            continue
        identity = _attribute(CTA_TUPLE_ORIG | NLA_F_NESTED, original)
        if CTA_ID in attributes:
            identity += _attribute(CTA_ID, attributes[CTA_ID])
        try:
            _exchange(_message(IPCTNL_MSG_CT_DELETE, NLM_F_ACK, family, identity))
        except FileNotFoundError:
            continue  # it ended by itself meanwhile


async def flush_mark(mark: int) -> None:
    """Forget every connection whose ct mark is ``mark``. Raises OSError."""
    await asyncio.to_thread(_flush_mark, mark)


async def flush_source(address: Address) -> None:
    """Forget every connection that ``address`` began. Raises OSError."""
    await asyncio.to_thread(_flush_source, address)
