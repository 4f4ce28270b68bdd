"""Raw netlink messages that pyroute2 cannot build.

They delete a rule or route exactly as dumped, read nftables' generation and counters, and delete connections
(app.network.conntrack). netlink(7), RFC 3549; Linux: include/uapi/linux/netlink.h. The kernel answers within the call
that sends the request, so an exchange is short enough for an event loop.
"""

from __future__ import annotations

import os
import socket
import struct

NETLINK_ROUTE, NETLINK_NETFILTER = 0, 12
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR = 0x1, 0x4, 0x300, 0x10
NLA_F_NESTED = 0x8000

_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_HEADER = struct.Struct("=IHHII")
_TIMEOUT = 5.0  # seconds
_DUMP_TRIES = 5
_RECEIVE = 1 << 18


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute with its padding."""
    return struct.pack("=HH", len(payload) + 4, kind) + payload + b"\0" * (-len(payload) % 4)


def attributes(data: bytes) -> dict[int, bytes]:
    """The payloads of consecutive attributes by number, without their flags; a truncated one is left out."""
    found: dict[int, bytes] = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4 or length > len(data):
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def nfgenmsg(family: int, payload: bytes = b"") -> bytes:
    """The body of a netfilter message; numbers in ``payload`` are big-endian there."""
    return struct.pack("=BBH", family, 0, 0) + payload


def exchange(protocol: int, kind: int, flags: int, body: bytes) -> list[bytes]:
    """Send one request and return the bodies of the answers. ``flags`` are added to NLM_F_REQUEST. Raises OSError.

    A dump during which something changed is repeated, because it may be incomplete.
    """
    for _ in range(_DUMP_TRIES):
        answers, complete = _exchange(protocol, kind, flags, body)
        if complete:
            return answers
    raise OSError("the kernel's tables change faster than they can be read")


def _exchange(protocol: int, kind: int, flags: int, body: bytes) -> tuple[list[bytes], bool]:
    request = _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags, 1, 0) + body
    answers: list[bytes] = []
    complete = True
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as sock:
        sock.settimeout(_TIMEOUT)
        sock.bind((0, 0))
        sock.send(request)
        while True:
            data = sock.recv(_RECEIVE)
            while len(data) >= _HEADER.size:
                length, kind, answer_flags, _, _ = _HEADER.unpack_from(data)
                complete = complete and not answer_flags & NLM_F_DUMP_INTR
                if kind in {_NLMSG_ERROR, _NLMSG_DONE}:
                    code = struct.unpack_from("=i", data, _HEADER.size)[0]
                    if code < 0:
                        raise OSError(-code, os.strerror(-code))
                    return answers, complete
                answers.append(data[_HEADER.size : length])
                data = data[(length + 3) & ~3 :]
