"""The live tables read from the kernel, and transactions of elements, over netlink and without the nft program.

linux/netfilter/nf_tables.h. The kernel refuses a transaction that is not for the generation it names, so a change is
made to exactly the state that it was computed from.
"""

from __future__ import annotations

import errno
import hashlib
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from app.network import nft_bytes
from app.network.netlink_raw import (
    NETLINK_NETFILTER,
    NLA_F_NESTED,
    NLM_F_DUMP,
    attribute,
    attribute_list,
    attributes,
    equal_attributes,
    exchange,
    nfgenmsg,
    transaction,
)
from app.network.nft_delta import Change
from app.network.nft_layout import Layout, Name
from app.network.plan import NFT_TABLE

FAMILIES = {"inet": 1, "bridge": 7}
_SUBSYSTEM = 10
_GET_TABLE, _GET_CHAIN, _GET_RULE, _GET_SET, _GET_OBJECT, _GET_FLOWTABLE = (
    _SUBSYSTEM << 8 | n for n in (1, 4, 7, 10, 19, 23)
)
_NEW_ELEMENT, _GET_ELEMENT, _DELETE_ELEMENT = (_SUBSYSTEM << 8 | n for n in (12, 13, 14))
_DELETE_TABLE = _SUBSYSTEM << 8 | 2
_NEW_FLOWTABLE, _DELETE_FLOWTABLE = _SUBSYSTEM << 8 | 22, _SUBSYSTEM << 8 | 24
_TABLE = 1  # NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_RULE_TABLE, NFTA_SET_TABLE ...: always the first
_OUR_TABLE = attribute(_TABLE, NFT_TABLE.encode() + b"\0")
_SET_NAME, _SET_FLAGS, _SET_HANDLE = 2, 3, 16
_FILLED_FLAGS = 0x10 | 0x20  # with timeouts, or filled by packets
_FIXED_FLAGS = 0x1 | 0x2  # anonymous and constant: of one rule, and the kernel refuses every change of its elements
_LIST_SET, _LIST_ELEMENTS, _LIST_ELEMENT = 2, 3, 1
_ELEM_KEY, _ELEM_DATA, _ELEM_EXPIRATION, _ELEM_KEY_END = 1, 2, 5, 10
_FLOWTABLE_NAME, _FLOWTABLE_HOOK, _HOOK_NUMBER, _HOOK_PRIORITY, _HOOK_DEVICES = 2, 3, 1, 2, 3
_DEVICE_NAME = 1
_HOOK_INGRESS, _PRIORITY_FILTER = 0, 0
_CREATE = 0x400
_PER_MESSAGE = 400  # elements; the length of an attribute has 16 bits
# What is compared of each object: not its handle, nor how often it is used. Of rules, the most numerous, all is: none
# of it changes by itself, and a rule that was put in the place of an equal one is a change by another program, too.
_KEPT = {
    _GET_TABLE: (1, 2),  # name, flags
    _GET_CHAIN: (1, 3, 4, 5, 7, 10),  # table, name, hook, policy, type, flags
    _GET_SET: (1, 2, 3, 4, 5, 6, 7, 9, 11, 15, 17, 18),  # table, name, flags, types, sizes, timeout, expressions
    _GET_OBJECT: (1, 2, 3),  # table, name, type
}


class Live(Struct, frozen=True):
    """The live tables: a digest of chains, rules and declarations, and the elements of the sets that were asked for."""

    frame: bytes
    sets: Mapping[Name, frozenset[bytes]]
    timed: Mapping[Name, Mapping[bytes, tuple[bytes, float]]]  # by key: data, seconds that are left
    flowtables: Mapping[Name, frozenset[str]]


def read(families: Iterable[str], managed: Layout) -> Live:
    """The gateway's tables of ``families``; a missing one adds nothing. ``managed`` has the sets. Raises OSError."""
    digest = hashlib.sha256()
    sets: dict[Name, frozenset[bytes]] = {}
    timed: dict[Name, Mapping[bytes, tuple[bytes, float]]] = {}
    flowtables: dict[Name, frozenset[str]] = {}
    for family in families:
        number = FAMILIES[family]
        digest.update(b"".join(_messages(number, _GET_RULE)))
        for kind, kept in _KEPT.items():
            head, marked = b"%d %d" % (number, kind), [(which, b"\n%d " % which) for which in kept]
            for attrs in _objects(number, kind):
                digest.update(head + b"".join(mark + attrs.get(which, b"-") for which, mark in marked))
                if kind == _GET_SET:
                    name = family, _text(attrs[_SET_NAME])
                    flags = int.from_bytes(attrs.get(_SET_FLAGS, b""))
                    if name in managed.sets:
                        if managed.sets[name].flags == "timeout":
                            timed[name] = dict(_timed(number, name[1]))
                        else:
                            sets[name] = frozenset(_elements(number, name[1]))
                    elif flags & _FIXED_FLAGS == _FIXED_FLAGS:
                        digest.update(attrs[_SET_HANDLE])  # no other set of the table ever has it
                    elif not flags & _FILLED_FLAGS:
                        digest.update(b"".join(sorted(_elements(number, name[1]))))
        for attrs in _objects(number, _GET_FLOWTABLE):
            hook = attributes(attrs[_FLOWTABLE_HOOK])
            name = family, _text(attrs[_FLOWTABLE_NAME])
            digest.update(repr((name, hook.get(_HOOK_NUMBER), hook.get(_HOOK_PRIORITY))).encode())
            devices = (_text(device) for _, device in attribute_list(hook.get(_HOOK_DEVICES, b"")))
            flowtables[name] = frozenset(devices)
    return Live(digest.digest(), sets, timed, flowtables)


def _messages(family: int, kind: int) -> Iterator[bytes]:
    """The attributes of the objects of one kind in the gateway's table, of which the kernel puts the table first."""
    body = nfgenmsg(family, _OUR_TABLE if kind != _GET_TABLE else b"")
    try:
        answers = exchange(NETLINK_NETFILTER, kind, NLM_F_DUMP, body)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.EOPNOTSUPP, errno.EAFNOSUPPORT}:
            raise
        return
    for answer in answers:
        if answer[0] == family and answer.startswith(_OUR_TABLE, 4):
            yield answer[4:]


def _objects(family: int, kind: int) -> Iterator[dict[int, bytes]]:
    return (attributes(message) for message in _messages(family, kind))


def _elements(family: int, name: str, table: str = NFT_TABLE) -> list[bytes]:
    body = attribute(_TABLE, table.encode() + b"\0") + attribute(_LIST_SET, name.encode() + b"\0")
    try:
        answers = exchange(NETLINK_NETFILTER, _GET_ELEMENT, NLM_F_DUMP, nfgenmsg(family, body))
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return []
    found: list[bytes] = []
    for answer in answers:
        found += equal_attributes(attributes(answer[4:]).get(_LIST_ELEMENTS, b""))
    return found


def _timed(family: int, name: str) -> Iterator[tuple[bytes, tuple[bytes, float]]]:
    for element in _elements(family, name):
        attrs = attributes(element)
        left = int.from_bytes(attrs[_ELEM_EXPIRATION]) / 1000 if _ELEM_EXPIRATION in attrs else float("inf")
        yield attribute(_ELEM_KEY, attrs[_ELEM_KEY]), (attrs.get(_ELEM_DATA, b""), left)


def lasting_parts(family: str, name: str, table: str) -> Iterator[bytes]:
    """The elements of a set of ``table``, without what runs with the time. Raises OSError."""
    for element in _elements(FAMILIES[family], name, table):
        parts = attribute_list(element)
        yield b"".join(
            attribute(kind, value) for kind, value in parts if kind in {_ELEM_KEY, _ELEM_DATA, _ELEM_KEY_END}
        )


def delete_table(family: str, table: str) -> None:
    """Raises OSError."""
    message = nfgenmsg(FAMILIES[family], attribute(_TABLE, table.encode() + b"\0"))
    transaction([(_DELETE_TABLE, 0, message)], _SUBSYSTEM)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()


def change(changes: Sequence[Change], layout: Layout, generation: int) -> None:
    """Make ``changes`` to the ruleset of ``generation`` in one transaction.

    Raises OSError, with ERESTART where the generation is another; then nothing has changed.
    """
    messages: list[tuple[int, int, bytes]] = []
    for one in changes:
        if one.flowtable:
            messages += _devices(_DELETE_FLOWTABLE, 0, one, one.removed)
        else:
            keys = [nft_bytes.key(layout.sets[one.name], key) for key in one.removed]
            messages += _listed(_DELETE_ELEMENT, 0, one, keys)
    for one in changes:
        if one.flowtable:
            messages += _devices(_NEW_FLOWTABLE, _CREATE, one, tuple(device for device, _, _ in one.added))
        else:
            whole = [nft_bytes.element(layout.sets[one.name], *added) for added in one.added]
            messages += _listed(_NEW_ELEMENT, _CREATE, one, whole)
    transaction(messages, _SUBSYSTEM, generation)


def _listed(kind: int, flags: int, one: Change, elements: Collection[bytes]) -> Iterator[tuple[int, int, bytes]]:
    family, name = one.name
    head = _OUR_TABLE + attribute(_LIST_SET, name.encode() + b"\0")
    elements = list(elements)
    for start in range(0, len(elements), _PER_MESSAGE):
        body = b"".join(attribute(_LIST_ELEMENT | NLA_F_NESTED, e) for e in elements[start : start + _PER_MESSAGE])
        yield kind, flags, nfgenmsg(FAMILIES[family], head + attribute(_LIST_ELEMENTS | NLA_F_NESTED, body))


def _devices(kind: int, flags: int, one: Change, devices: tuple[str, ...]) -> Iterator[tuple[int, int, bytes]]:
    if devices:
        family, name = one.name
        named = b"".join(attribute(_DEVICE_NAME, device.encode() + b"\0") for device in devices)
        hook = attribute(_HOOK_NUMBER, struct.pack(">I", _HOOK_INGRESS))
        hook += attribute(_HOOK_PRIORITY, struct.pack(">i", _PRIORITY_FILTER))
        hook += attribute(_HOOK_DEVICES | NLA_F_NESTED, named)
        head = _OUR_TABLE + attribute(_FLOWTABLE_NAME, name.encode() + b"\0")
        yield kind, flags, nfgenmsg(FAMILIES[family], head + attribute(_FLOWTABLE_HOOK | NLA_F_NESTED, hook))
