"""The managed ip rules and routes: read from the kernel, added, deleted. rtnetlink(7).

Managed are the rules with priorities ``RULE_FIRST..RULE_LAST`` and the routes in the gateway's tables. A foreign rule
with a priority before the last of them is drift and is removed, because it could divert the LAN's packets; the kernel's
first rule, which looks up ``local``, must exist and be alone at its priority. Each rule and route is kept with the
kernel's message and deleted by it: exactly that one, not a similar one.
"""

from __future__ import annotations

import errno
import functools
import socket
import struct
from typing import Literal

from msgspec import Struct

from app.errors import KernelError
from app.network import rtnetlink
from app.network.netlink_raw import attribute, attributes
from app.network.plan import RULE_LAST, TABLE_DIRECT, TABLE_EXIT_BASE, RoutePlan, RulePlan

Family = Literal[4, 6]
FAMILIES: dict[Family, int] = {4: socket.AF_INET, 6: socket.AF_INET6}

TABLE_LOCAL = 255
_TABLE_COMPAT = 252  # in the byte of a message's header: the table is in an attribute
_RANGE = struct.Struct("=HH")
TABLE_LAST = TABLE_EXIT_BASE + 255
PROTOCOL_GATEWAY = 0x56  # shown by `ip route` and `ip address` as the origin of the gateway's own

_RTN_UNICAST, _RTN_UNREACHABLE = 1, 7
_TO_TABLE, _UNREACHABLE = 1, 7  # FR_ACT_*
_INVERT = 0x2  # FIB_RULE_INVERT
_RTM_F_CLONED = 0x200
_SCOPE_LINK = 253
_ONLINK = 4  # RTNH_F_ONLINK
_ALL = 0xFFFFFFFF
_DEFAULT_METRIC: dict[Family, int] = {4: 0, 6: 1024}  # what the kernel uses where none is given
_GONE = {errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENETUNREACH}

# linux/fib_rules.h FRA_*; the masks of ports are there since Linux 6.15
_FRA_DST, _FRA_IIF, _FRA_PRIORITY, _FRA_MARK, _FRA_SUPPRESS, _FRA_TABLE, _FRA_MASK = 1, 3, 6, 10, 14, 15, 16
_FRA_OIF, _FRA_PAD, _FRA_PROTOCOL, _FRA_IP_PROTO, _FRA_SPORT, _FRA_DPORT = 17, 18, 21, 22, 23, 24
_SPORT_MASK, _DPORT_MASK = 28, 29
_RULE_ATTRIBUTES = frozenset(
    {
        _FRA_DST, _FRA_IIF, _FRA_PRIORITY, _FRA_MARK, _FRA_SUPPRESS, _FRA_TABLE, _FRA_MASK, _FRA_OIF, _FRA_PAD,
        _FRA_PROTOCOL, _FRA_IP_PROTO, _FRA_SPORT, _FRA_DPORT, _SPORT_MASK, _DPORT_MASK,
    }
)  # fmt: skip
# linux/rtnetlink.h RTA_*; of the last two nothing is planned
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE, _RTA_CACHE, _RTA_PREF = 1, 4, 5, 6, 15, 12, 20
_ROUTE_ATTRIBUTES = frozenset({_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_PRIORITY, _RTA_TABLE, _RTA_CACHE, _RTA_PREF})

# Every namespace starts with it, in both families; without it the gateway receives nothing.
LOCAL_RULES = frozenset(RulePlan(0, family, TABLE_LOCAL) for family in FAMILIES)


class LiveRouting(Struct, frozen=True):
    """The live rules and routes as the plan describes them, each with its raw message; and those that no plan can."""

    rules: dict[RulePlan, bytes]
    foreign_rules: tuple[tuple[str, bytes], ...]  # (description, raw message)
    routes: dict[RoutePlan, bytes]
    foreign_routes: tuple[tuple[str, bytes], ...]


class RoutingReader:
    """The reader of the managed rules and routes. While the kernel's messages are the same, so is the result."""

    def __init__(self) -> None:
        self._messages: dict[Family, tuple[list[bytes], list[bytes]]] = {}
        self._names: dict[int, str] = {}
        self._last = LiveRouting({}, (), {}, ())

    def read(self, names: dict[int, str]) -> LiveRouting:
        """The managed rules and routes, and foreign ones among them. ``names`` of the interfaces by index.

        Raises OSError.
        """
        messages: dict[Family, tuple[list[bytes], list[bytes]]] = {
            family: (_rules(number), _routes(number)) for family, number in FAMILIES.items()
        }
        if messages != self._messages or names != self._names:
            self._last = _live(messages, names)
            self._messages, self._names = messages, names
        return self._last


def _rules(family: int) -> list[bytes]:
    return rtnetlink.dump(rtnetlink.GET_RULE, family)


def _routes(family: int) -> list[bytes]:
    """The routes whose tables' numbers need an attribute, as the managed ones do."""
    return [raw for raw in rtnetlink.dump(rtnetlink.GET_ROUTE, family) if raw[4] in {0, _TABLE_COMPAT}]


def _live(messages: dict[Family, tuple[list[bytes], list[bytes]]], names: dict[int, str]) -> LiveRouting:
    rules: dict[RulePlan, bytes] = {}
    routes: dict[RoutePlan, bytes] = {}
    foreign_rules: list[tuple[str, bytes]] = []
    foreign_routes: list[tuple[str, bytes]] = []
    for family, (of_rules, of_routes) in messages.items():
        for raw in of_rules:
            priority = _priority(raw)
            if priority > RULE_LAST:
                continue  # the gateway's last rule ends every look-up
            rule = parse_rule(raw, family)
            if rule is None or rule in rules or (priority == 0 and rule not in LOCAL_RULES):
                foreign_rules.append((f"rule {priority} (IPv{family})", raw))
            else:
                rules[rule] = raw
        for raw in of_routes:
            table, flags = route_table(raw)
            if not TABLE_DIRECT <= table <= TABLE_LAST or flags & _RTM_F_CLONED:
                continue
            route = parse_route(raw, family, names)
            if route is None or route in routes:
                foreign_routes.append((f"route in table {table} (IPv{family})", raw))
            else:
                routes[route] = raw
    return LiveRouting(rules, tuple(foreign_rules), routes, tuple(foreign_routes))


def _priority(raw: bytes) -> int:
    return rtnetlink.number(attributes(raw[rtnetlink.RULE.size :]).get(_FRA_PRIORITY, b""))


def route_table(raw: bytes) -> tuple[int, int]:
    """The table and the flags of a route's message."""
    header = rtnetlink.ROUTE.unpack_from(raw)
    if header[4] not in {0, _TABLE_COMPAT}:
        return header[4], header[8]
    named = attributes(raw[rtnetlink.ROUTE.size :]).get(_RTA_TABLE)
    return rtnetlink.number(named) if named else header[4], header[8]


# --- rules -----------------------------------------------------------------------------------------------------------


@functools.lru_cache(1024)
def parse_rule(raw: bytes, family: Family) -> RulePlan | None:
    """The rule of a message as a plan describes it; None for one that no plan can have."""
    _, dst_len, src_len, tos, table, _, _, action, flags = rtnetlink.RULE.unpack_from(raw)
    attrs = attributes(raw[rtnetlink.RULE.size :])
    numbers = {kind: rtnetlink.number(value) for kind, value in attrs.items() if len(value) in {1, 4}}
    unplannable = (
        set(attrs) - _RULE_ATTRIBUTES
        or action not in {_TO_TABLE, _UNREACHABLE}
        or flags & _INVERT
        or tos
        or src_len
        or (_FRA_MARK in attrs) != (_FRA_MASK in attrs)
        or numbers.get(_FRA_MASK, _ALL) != _ALL
        or any(attrs.get(kind, b"\xff\xff") != b"\xff\xff" for kind in (_SPORT_MASK, _DPORT_MASK))
    )
    sport, dport = _single(attrs.get(_FRA_SPORT)), _single(attrs.get(_FRA_DPORT))
    if unplannable or sport == -1 or dport == -1:
        return None
    suppress = numbers.get(_FRA_SUPPRESS, _ALL)
    return RulePlan(
        priority=numbers.get(_FRA_PRIORITY, 0),
        family=family,
        table=numbers.get(_FRA_TABLE, table) if action == _TO_TABLE else None,
        iif=rtnetlink.text(attrs[_FRA_IIF]) if _FRA_IIF in attrs else None,
        oif=rtnetlink.text(attrs[_FRA_OIF]) if _FRA_OIF in attrs else None,
        fwmark=numbers.get(_FRA_MARK),
        dst=rtnetlink.network(attrs[_FRA_DST], dst_len) if _FRA_DST in attrs else None,
        ip_proto=numbers.get(_FRA_IP_PROTO),
        sport=sport,
        dport=dport,
        suppress_prefixlength=suppress if suppress != _ALL else None,
        action="lookup" if action == _TO_TABLE else "unreachable",
    )


def _single(ports: bytes | None) -> int | None:
    """The one port of a range; None for any, -1 for a range of several, which no plan has."""
    if ports is None:
        return None
    first, last = _RANGE.unpack(ports)
    return first if first == last else -1


def rule_request(rule: RulePlan) -> bytes:
    """The message that adds ``rule`` (pure)."""
    table = rule.table or 0
    body = rtnetlink.RULE.pack(
        FAMILIES[rule.family],
        rule.dst.prefixlen if rule.dst is not None else 0,
        0,
        0,
        table if table < _TABLE_COMPAT or table == TABLE_LOCAL else 0,
        0,
        0,
        _UNREACHABLE if rule.action == "unreachable" else _TO_TABLE,
        0,
    )
    body += attribute(_FRA_PRIORITY, rtnetlink.unsigned(rule.priority))
    if rule.action == "lookup":
        body += attribute(_FRA_TABLE, rtnetlink.unsigned(table))
    if rule.iif is not None:
        body += attribute(_FRA_IIF, rtnetlink.string(rule.iif))
    if rule.oif is not None:
        body += attribute(_FRA_OIF, rtnetlink.string(rule.oif))
    if rule.fwmark is not None:
        body += attribute(_FRA_MARK, rtnetlink.unsigned(rule.fwmark)) + attribute(_FRA_MASK, rtnetlink.unsigned(_ALL))
    if rule.dst is not None:
        body += attribute(_FRA_DST, rule.dst.network_address.packed)
    if rule.ip_proto is not None:
        body += attribute(_FRA_IP_PROTO, bytes((rule.ip_proto,)))
    for kind, port in ((_FRA_SPORT, rule.sport), (_FRA_DPORT, rule.dport)):
        body += attribute(kind, _RANGE.pack(port, port)) if port is not None else b""
    if rule.suppress_prefixlength is not None:
        body += attribute(_FRA_SUPPRESS, rtnetlink.unsigned(rule.suppress_prefixlength))
    return body


def add_rule(rule: RulePlan) -> None:
    """Raises OSError."""
    rtnetlink.add_rule(rule_request(rule))


def delete_rule(raw: bytes) -> None:
    """Delete exactly the rule whose message is ``raw``; it may be gone already. Raises OSError."""
    _delete(rtnetlink.DELETE_RULE, raw)


# --- routes ----------------------------------------------------------------------------------------------------------


def parse_route(raw: bytes, family: Family, names: dict[int, str]) -> RoutePlan | None:
    """The route of a message as a plan describes it; None for one that no plan can have."""
    _, dst_len, src_len, tos, table, _, _, kind, _ = rtnetlink.ROUTE.unpack_from(raw)
    attrs = attributes(raw[rtnetlink.ROUTE.size :])
    unreachable = kind == _RTN_UNREACHABLE
    oif = names.get(rtnetlink.number(attrs.get(_RTA_OIF, b"")))
    if (
        set(attrs) - _ROUTE_ATTRIBUTES
        or kind not in {_RTN_UNICAST, _RTN_UNREACHABLE}
        or tos
        or src_len
        or (oif is None and not unreachable)
    ):
        return None
    metric = rtnetlink.number(attrs.get(_RTA_PRIORITY, b""))
    return RoutePlan(
        table=rtnetlink.number(attrs[_RTA_TABLE]) if _RTA_TABLE in attrs else table,
        family=family,
        dst=rtnetlink.network(attrs.get(_RTA_DST, bytes(4 if family == 4 else 16)), dst_len),
        oif=None if unreachable else oif,
        gateway=rtnetlink.address(attrs[_RTA_GATEWAY]) if _RTA_GATEWAY in attrs else None,
        kind="unreachable" if unreachable else "unicast",
        metric=0 if metric == _DEFAULT_METRIC[family] else metric,
    )


def route_request(route: RoutePlan, indices: dict[str, int]) -> bytes:
    """The message that sets ``route`` (pure). Raises KernelError where its interface is missing."""
    if route.oif is not None and route.oif not in indices:
        raise KernelError(f"there is no interface {route.oif} for a route")
    # The gateway is on the link by definition; onlink does not depend on a connected route, which may be changing.
    on_link = route.gateway is None and route.oif is not None and route.family == 4
    body = rtnetlink.ROUTE.pack(
        FAMILIES[route.family],
        route.dst.prefixlen,
        0,
        0,
        0,
        PROTOCOL_GATEWAY,
        _SCOPE_LINK if on_link else 0,
        _RTN_UNREACHABLE if route.kind == "unreachable" else _RTN_UNICAST,
        _ONLINK if route.gateway is not None else 0,
    )
    body += attribute(_RTA_TABLE, rtnetlink.unsigned(route.table))
    if route.dst.prefixlen:
        body += attribute(_RTA_DST, route.dst.network_address.packed)
    if route.oif is not None:
        body += attribute(_RTA_OIF, rtnetlink.unsigned(indices[route.oif]))
    if route.gateway is not None:
        body += attribute(_RTA_GATEWAY, route.gateway.packed)
    if route.metric:
        body += attribute(_RTA_PRIORITY, rtnetlink.unsigned(route.metric))
    return body


def replace_route(route: RoutePlan, indices: dict[str, int]) -> None:
    """Add ``route``, or replace one with the same destination and metric, in one step. Raises KernelError, OSError."""
    rtnetlink.replace_route(route_request(route, indices))


def delete_route(raw: bytes) -> None:
    """Delete exactly the route whose message is ``raw``; it may be gone already. Raises OSError."""
    _delete(rtnetlink.DELETE_ROUTE, raw)


def _delete(kind: int, raw: bytes) -> None:
    try:
        rtnetlink.send(kind, raw)
    except OSError as error:
        if error.errno not in _GONE:
            raise
