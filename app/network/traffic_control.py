"""Traffic control on ports: the egress filter set, read back, removed, its drops counted. tc(8), rtnetlink(7).

A filter is replaced in one step, so a port is never without one in between.
"""

from __future__ import annotations

import errno
import struct

from msgspec import Struct

from app.errors import KernelError
from app.network.netlink_raw import (
    NETLINK_ROUTE,
    NLA_F_NESTED,
    NLM_F_ACK,
    NLM_F_DUMP,
    attribute,
    attributes,
    exchange,
)

# linux/rtnetlink.h, linux/pkt_sched.h, linux/pkt_cls.h
_NEW_QDISC, _DELETE_QDISC, _GET_QDISC = 36, 37, 38
_NEW_FILTER, _DELETE_FILTER, _GET_FILTER = 44, 45, 46
_CREATE, _REPLACE = 0x400, 0x100
_KIND, _OPTIONS, _STATS, _CHAIN = 1, 2, 7, 11
_STATS_QUEUE = 3  # TCA_STATS_QUEUE, in TCA_STATS2
_OPS_LEN, _OPS, _FLAGS = 4, 5, 8
_DIRECT_ACTION = struct.pack("=I", 1)  # the program's result is the verdict
_CLSACT, _CLSACT_HANDLE, _EGRESS = 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFF3
_ALL_PROTOCOLS = 3  # ETH_P_ALL
_PRIORITY = 1  # the first: the verdict of the first filter that has one counts
_HANDLE = 1
_TCMSG = struct.Struct("=BxxxiIII")  # struct tcmsg
_QUEUE = struct.Struct("=III")  # struct gnet_stats_queue: length, backlog, drops
_QDISC_KIND, _FILTER_KIND = b"clsact\0", b"bpf\0"


class Filter(Struct, frozen=True):
    """A filter on a port's egress, ours or another's."""

    handle: int
    info: int  # priority and protocol, as the kernel has them
    kind: bytes
    chain: int
    program: bytes | None  # None: not a program of classic BPF that decides by itself


def _message(index: int, handle: int, parent: int, info: int, *attrs: bytes) -> bytes:
    return _TCMSG.pack(0, index, handle, parent, info) + b"".join(attrs)


def _info(priority: int) -> int:
    return priority << 16 | (_ALL_PROTOCOLS & 0xFF) << 8 | _ALL_PROTOCOLS >> 8  # the protocol is big-endian


def filters(index: int) -> tuple[Filter, ...]:
    """The filters on the egress of port ``index``. Raises OSError."""
    found: list[Filter] = []
    for body in exchange(NETLINK_ROUTE, _GET_FILTER, NLM_F_DUMP, _message(index, 0, _EGRESS, 0)):
        _, _, handle, _, info = _TCMSG.unpack_from(body)
        attrs = attributes(body[_TCMSG.size :])
        if handle == 0:
            continue  # the list that holds the filters of a priority
        options = attributes(attrs.get(_OPTIONS, b""))
        decides = options.get(_FLAGS) == _DIRECT_ACTION
        chain = int.from_bytes(attrs.get(_CHAIN, b"\0"), "little")
        found.append(
            Filter(handle, info, attrs.get(_KIND, b""), chain, options.get(_OPS) if decides else None),
        )
    return tuple(found)


def is_set(index: int, program: bytes) -> bool:
    """Whether ``program`` is the one filter on the port's egress. Raises OSError."""
    return filters(index) == (_ours(program),)


def _ours(program: bytes) -> Filter:
    return Filter(_HANDLE, _info(_PRIORITY), _FILTER_KIND, 0, program)


def install(index: int, program: bytes) -> None:
    """Make ``program`` the one filter on the port's egress. Raises KernelError, OSError."""
    if _qdiscs().get(index, _QDISC_KIND) != _QDISC_KIND:  # an "ingress" qdisc takes clsact's place
        _delete_qdisc(index)
    kind = attribute(_KIND, _QDISC_KIND)
    _ask(_NEW_QDISC, _CREATE, _message(index, _CLSACT_HANDLE, _CLSACT, 0, kind))
    try:
        _set(index, program)
    except OSError:  # what is there cannot be replaced, such as a filter block that is shared between ports
        _delete_qdisc(index)
        _ask(_NEW_QDISC, _CREATE, _message(index, _CLSACT_HANDLE, _CLSACT, 0, kind))
        _set(index, program)
    for other in filters(index):
        if other != _ours(program):
            attrs = attribute(_KIND, other.kind), attribute(_CHAIN, struct.pack("=I", other.chain))
            _ask(_DELETE_FILTER, 0, _message(index, other.handle, _EGRESS, other.info, *attrs))


def _set(index: int, program: bytes) -> None:
    options = attribute(_OPS_LEN, struct.pack("=H", len(program) // 8))
    options += attribute(_OPS, program) + attribute(_FLAGS, _DIRECT_ACTION)
    attrs = attribute(_KIND, _FILTER_KIND), attribute(_OPTIONS | NLA_F_NESTED, options)
    _ask(_NEW_FILTER, _CREATE | _REPLACE, _message(index, _HANDLE, _EGRESS, _info(_PRIORITY), *attrs))


def remove(index: int) -> None:
    """Remove every filter of the port. Idempotent. Raises OSError."""
    if index in _qdiscs():
        _delete_qdisc(index)


def _delete_qdisc(index: int) -> None:
    _ask(_DELETE_QDISC, 0, _message(index, _CLSACT_HANDLE, _CLSACT, 0))


def _ask(kind: int, flags: int, body: bytes) -> None:
    try:
        exchange(NETLINK_ROUTE, kind, flags | NLM_F_ACK, body)
    except OSError as error:
        if error.errno == errno.ENOENT and kind in {_NEW_QDISC, _NEW_FILTER}:
            raise KernelError("the kernel has no sch_ingress or no cls_bpf: the WAN's port cannot be locked") from error
        if error.errno not in {errno.ENOENT, errno.EINVAL} or kind in {_NEW_QDISC, _NEW_FILTER}:
            raise


def _dump() -> list[tuple[int, dict[int, bytes]]]:
    """(port, attributes) of each qdisc that holds filters."""
    found: list[tuple[int, dict[int, bytes]]] = []
    for body in exchange(NETLINK_ROUTE, _GET_QDISC, NLM_F_DUMP, _message(0, 0, 0, 0)):
        _, index, _, parent, _ = _TCMSG.unpack_from(body)
        if parent == _CLSACT:
            found.append((index, attributes(body[_TCMSG.size :])))
    return found


def _qdiscs() -> dict[int, bytes]:
    return {index: attrs.get(_KIND, b"") for index, attrs in _dump()}


def filtered() -> frozenset[int]:
    """The ports that have filters. Raises OSError."""
    return frozenset(_qdiscs())


def queued(index: int) -> int:
    """Packets in the longest of the port's queues. Raises OSError."""
    most = 0
    for body in exchange(NETLINK_ROUTE, _GET_QDISC, NLM_F_DUMP, _message(0, 0, 0, 0)):
        if _TCMSG.unpack_from(body)[1] == index:
            queue = attributes(attributes(body[_TCMSG.size :]).get(_STATS, b"")).get(_STATS_QUEUE, b"")
            most = max(most, _QUEUE.unpack_from(queue)[0] if len(queue) >= _QUEUE.size else 0)
    return most


def drops() -> dict[int, int]:
    """Packets that the filters of each port have dropped. Raises OSError."""
    found: dict[int, int] = {}
    for index, attrs in _dump():
        queue = attributes(attrs.get(_STATS, b"")).get(_STATS_QUEUE, b"")
        found[index] = _QUEUE.unpack_from(queue)[2] if len(queue) >= _QUEUE.size else 0
    return found
