"""The managed ip rules and routes: read from the kernel, added, deleted. rtnetlink(7).

Managed are the rules with priorities ``RULE_FIRST..RULE_LAST`` and the routes in the gateway's tables. A foreign rule
with a priority before the last of them is drift and is removed, because it could divert the LAN's packets; the kernel's
first rule, which looks up ``local``, must exist and be alone at its priority. Each rule and route is kept with the
kernel's message and deleted by it: exactly that one, not a similar one.
"""

from __future__ import annotations

import errno
import socket
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from msgspec import Struct

from app.errors import KernelError
from app.network.netlink_raw import NETLINK_ROUTE, NLM_F_ACK, NLM_F_DUMP_INTR, attributes, exchange
from app.network.plan import RULE_LAST, TABLE_DIRECT, TABLE_EXIT_BASE, RoutePlan, RulePlan

Family = Literal[4, 6]
FAMILIES: dict[Family, int] = {4: socket.AF_INET, 6: socket.AF_INET6}
ANY: dict[Family, str] = {4: "0.0.0.0/0", 6: "::/0"}

TABLE_LOCAL = 255
TABLE_LAST = TABLE_EXIT_BASE + 255
PROTOCOL_GATEWAY = 0x56  # shown by `ip route` and `ip address` as the origin of the gateway's own

_DELROUTE, _DELRULE = 25, 33
_RTN_UNICAST, _RTN_UNREACHABLE = 1, 7
_TO_TABLE, _UNREACHABLE = 1, 7  # FR_ACT_*
_INVERT = 0x2  # FIB_RULE_INVERT
_RTM_F_CLONED = 0x200
_SCOPE_LINK = 253
_ONLINK = 4  # RTNH_F_ONLINK
_SPORT_MASK, _DPORT_MASK = 28, 29  # FRA_*_MASK, since Linux 6.15; pyroute2 has no names for them
_ALL = 0xFFFFFFFF
_DEFAULT_METRIC: dict[Family, int] = {4: 0, 6: 1024}  # what the kernel uses where none is given
_GONE = {errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.ENETUNREACH}
_DUMP_TRIES = 5

_RULE_ATTRIBUTES = frozenset(
    {
        "FRA_TABLE", "FRA_PRIORITY", "FRA_PROTOCOL", "FRA_SUPPRESS_PREFIXLEN", "FRA_IIFNAME", "FRA_OIFNAME",
        "FRA_FWMARK",
        "FRA_FWMASK", "FRA_DST", "FRA_IP_PROTO", "FRA_SPORT_RANGE", "FRA_DPORT_RANGE", "UNKNOWN",
    }
)  # fmt: skip
_ROUTE_ATTRIBUTES = frozenset(
    {"RTA_TABLE", "RTA_DST", "RTA_OIF", "RTA_GATEWAY", "RTA_PRIORITY", "RTA_CACHEINFO", "RTA_PREF"}
)

# Every namespace starts with it, in both families; without it the gateway receives nothing.
LOCAL_RULES = frozenset(RulePlan(0, family, TABLE_LOCAL) for family in FAMILIES)


class LiveRouting(Struct, frozen=True):
    """The live rules and routes as the plan describes them, each with its raw message; and those that no plan can."""

    rules: dict[RulePlan, bytes]
    foreign_rules: tuple[tuple[str, bytes], ...]  # (description, raw message)
    routes: dict[RoutePlan, bytes]
    foreign_routes: tuple[tuple[str, bytes], ...]


async def read(ip: Any, names: dict[int, str]) -> LiveRouting:
    """The managed rules and routes, and foreign ones among them. ``names`` of the interfaces by index."""
    rules: dict[RulePlan, bytes] = {}
    routes: dict[RoutePlan, bytes] = {}
    foreign_rules: list[tuple[str, bytes]] = []
    foreign_routes: list[tuple[str, bytes]] = []
    for family, number in FAMILIES.items():
        for message in await _dump(ip.get_rules, family=number):
            priority = dict(message["attrs"]).get("FRA_PRIORITY", 0)
            if priority > RULE_LAST:
                continue  # the gateway's last rule ends every look-up
            rule, raw = parse_rule(message, family), _raw(message)
            if rule is None or rule in rules or (priority == 0 and rule not in LOCAL_RULES):
                foreign_rules.append((f"rule {priority} (IPv{family})", raw))
            else:
                rules[rule] = raw
        for message in await _dump(ip.get_routes, family=number):
            table = dict(message["attrs"]).get("RTA_TABLE", message["table"])
            if not TABLE_DIRECT <= table <= TABLE_LAST or message["flags"] & _RTM_F_CLONED:
                continue
            route, raw = parse_route(message, family, names), _raw(message)
            if route is None or route in routes:
                foreign_routes.append((f"route in table {table} (IPv{family})", raw))
            else:
                routes[route] = raw
    return LiveRouting(rules, tuple(foreign_rules), routes, tuple(foreign_routes))


async def _dump(ask: Any, **arguments: Any) -> list[Any]:
    """All messages of a dump, which is repeated if something changed during it, because some may be missing."""
    for _ in range(_DUMP_TRIES):
        messages = [message async for message in await ask(**arguments)]
        if not any(message["header"]["flags"] & NLM_F_DUMP_INTR for message in messages):
            return messages
    raise KernelError("the routing tables change faster than they can be read")


def _raw(message: Any) -> bytes:
    """The message as the kernel sent it, without the netlink header."""
    start = message.offset
    return bytes(message.data[start + 16 : start + message["header"]["length"]])


# --- rules -----------------------------------------------------------------------------------------------------------


def parse_rule(message: Any, family: Family) -> RulePlan | None:
    """The rule as a plan describes it; None for one that no plan can have."""
    attrs = dict(message["attrs"])
    raw = attributes(_raw(message)[12:])
    action, dst = message["action"], attrs.get("FRA_DST")
    mark, mask = attrs.get("FRA_FWMARK"), attrs.get("FRA_FWMASK")
    unplannable = (
        set(attrs) - _RULE_ATTRIBUTES
        or set(raw) - _numbers()
        or action not in {_TO_TABLE, _UNREACHABLE}
        or message["flags"] & _INVERT
        or message["tos"]
        or message["src_len"]
        or (mark is None) != (mask is None)
        or mask not in {None, _ALL}
        or any(raw.get(kind, b"\xff\xff") != b"\xff\xff" for kind in (_SPORT_MASK, _DPORT_MASK))
    )
    sport, dport = _single(attrs.get("FRA_SPORT_RANGE")), _single(attrs.get("FRA_DPORT_RANGE"))
    if unplannable or sport == -1 or dport == -1:
        return None
    suppress = attrs.get("FRA_SUPPRESS_PREFIXLEN", _ALL)
    return RulePlan(
        priority=attrs.get("FRA_PRIORITY", 0),
        family=family,
        table=attrs.get("FRA_TABLE", message["table"]) if action == _TO_TABLE else None,
        iif=attrs.get("FRA_IIFNAME"),
        oif=attrs.get("FRA_OIFNAME"),
        fwmark=mark,
        dst=ip_network(f"{dst}/{message['dst_len']}") if dst else None,
        ip_proto=attrs.get("FRA_IP_PROTO"),
        sport=sport,
        dport=dport,
        suppress_prefixlength=suppress if suppress != _ALL else None,
        action="lookup" if action == _TO_TABLE else "unreachable",
    )


def _numbers() -> frozenset[int]:
    """The numbers of the supported attributes (linux/fib_rules.h)."""
    return frozenset({1, 3, 6, 10, 14, 15, 16, 17, 18, 21, 22, 23, 24, _SPORT_MASK, _DPORT_MASK})


def _single(ports: str | None) -> int | None:
    """The one port of pyroute2's "first:last"; None for any, -1 for a range, which no plan has."""
    if ports is None:
        return None
    first, _, last = ports.partition(":")
    return int(first) if first == last else -1


def rule_request(rule: RulePlan) -> dict[str, Any]:
    """``rule`` as arguments of pyroute2's ``rule()`` (pure)."""
    request: dict[str, Any] = {"family": FAMILIES[rule.family], "priority": rule.priority}
    if rule.action == "unreachable":
        request["action"] = "unreachable"
    else:
        request["table"] = rule.table
    if rule.iif is not None:
        request["iifname"] = rule.iif
    if rule.oif is not None:
        request["oifname"] = rule.oif
    if rule.fwmark is not None:
        request |= {"fwmark": rule.fwmark, "fwmask": _ALL}
    if rule.dst is not None:
        request |= {"dst": str(rule.dst.network_address), "dst_len": rule.dst.prefixlen}
    if rule.ip_proto is not None:
        request["ip_proto"] = rule.ip_proto
    if rule.sport is not None:
        request["sport_range"] = f"{rule.sport}:{rule.sport}"
    if rule.dport is not None:
        request["dport_range"] = f"{rule.dport}:{rule.dport}"
    if rule.suppress_prefixlength is not None:
        request["FRA_SUPPRESS_PREFIXLEN"] = rule.suppress_prefixlength
    return request


async def add_rule(ip: Any, rule: RulePlan) -> None:
    await ip.rule("add", **rule_request(rule))


def delete_rule(raw: bytes) -> None:
    """Delete exactly the rule whose message is ``raw``; it may be gone already. Raises OSError."""
    _delete(_DELRULE, raw)


# --- routes ----------------------------------------------------------------------------------------------------------


def parse_route(message: Any, family: Family, names: dict[int, str]) -> RoutePlan | None:
    """The route as a plan describes it; None for one that no plan can have."""
    attrs = dict(message["attrs"])
    unreachable = message["type"] == _RTN_UNREACHABLE
    oif = names.get(attrs.get("RTA_OIF", 0))
    if (
        set(attrs) - _ROUTE_ATTRIBUTES
        or message["type"] not in {_RTN_UNICAST, _RTN_UNREACHABLE}
        or message["tos"]
        or message["src_len"]
        or (oif is None and not unreachable)
    ):
        return None
    dst, gateway, metric = attrs.get("RTA_DST"), attrs.get("RTA_GATEWAY"), attrs.get("RTA_PRIORITY", 0)
    return RoutePlan(
        table=attrs.get("RTA_TABLE", message["table"]),
        family=family,
        dst=ip_network(f"{dst}/{message['dst_len']}" if dst else ANY[family]),
        oif=None if unreachable else oif,
        gateway=ip_address(gateway) if gateway else None,
        kind="unreachable" if unreachable else "unicast",
        metric=0 if metric == _DEFAULT_METRIC[family] else metric,
    )


def route_request(route: RoutePlan, indices: dict[str, int]) -> dict[str, Any]:
    """``route`` as arguments of pyroute2's ``route()`` (pure). Raises KernelError where its interface is missing."""
    request: dict[str, Any] = {
        "family": FAMILIES[route.family],
        "dst": str(route.dst),
        "table": route.table,
        "proto": PROTOCOL_GATEWAY,
    }
    if route.kind == "unreachable":
        request["type"] = "unreachable"
    if route.oif is not None:
        if route.oif not in indices:
            raise KernelError(f"there is no interface {route.oif} for a route")
        request["oif"] = indices[route.oif]
    if route.gateway is not None:
        # The gateway is on the link by definition; onlink does not depend on a connected route, which may be changing.
        request |= {"gateway": str(route.gateway), "flags": _ONLINK}
    elif route.oif is not None and route.family == 4:
        request["scope"] = _SCOPE_LINK
    if route.metric:
        request["priority"] = route.metric
    return request


async def replace_route(ip: Any, route: RoutePlan, indices: dict[str, int]) -> None:
    """Add ``route``, or replace one with the same destination and metric, in one step."""
    await ip.route("replace", **route_request(route, indices))


def delete_route(raw: bytes) -> None:
    """Delete exactly the route whose message is ``raw``; it may be gone already. Raises OSError."""
    _delete(_DELROUTE, raw)


def _delete(kind: int, raw: bytes) -> None:
    try:
        exchange(NETLINK_ROUTE, kind, NLM_F_ACK, raw)
    except OSError as error:
        if error.errno not in _GONE:
            raise
