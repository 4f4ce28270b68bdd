"""ip rules and routes of ours: read from the kernel, compared with the plan, put right. rtnetlink(7).

Ours are the rules with priorities ``RULE_FIRST..RULE_LAST`` and the routes in our tables; nothing else is touched, but
a foreign rule that would be asked before ours is drift and is removed: it could divert what the LAN sends.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from pyroute2.netlink.exceptions import NetlinkError

from app.network.plan import (
    RULE_FIRST,
    RULE_LAST,
    TABLE_DIRECT,
    TABLE_EXIT_BASE,
    RoutePlan,
    RulePlan,
)

Family = Literal[4, 6]
FAMILIES: dict[Family, int] = {4: socket.AF_INET, 6: socket.AF_INET6}
ANY: dict[int, str] = {4: "0.0.0.0/0", 6: "::/0"}

RTN_UNICAST, RTN_UNREACHABLE = 1, 7
FR_ACT_TO_TBL, FR_ACT_UNREACHABLE = 1, 7
FRA_SPORT_MASK, FRA_DPORT_MASK = 28, 29
RTPROT_OURS = 0x56  # marks routes as ours to whoever looks with `ip route`
TABLE_LAST = TABLE_EXIT_BASE + 255
DEFAULT_METRIC = {4: 0, 6: 1024}  # what the kernel makes of no metric


def our_table(table: int) -> bool:
    return TABLE_DIRECT <= table <= TABLE_LAST


# --- rules -----------------------------------------------------------------------------------------------------------


def parse_rule(message: Any, family: Family) -> RulePlan | None:
    """A rule as the plan writes it; None for one that no plan can hold."""
    # Kernels from 6.15 on also tell the masks of the port ranges, which pyroute2 does not know by name.
    attributes = dict(item for item in message["attrs"] if not _is_port_mask(item))
    action = message["action"]
    dst = attributes.get("FRA_DST")
    suppress = attributes.get("FRA_SUPPRESS_PREFIXLEN", 0xFFFFFFFF)
    mark = attributes.get("FRA_FWMARK")
    known = {"FRA_TABLE", "FRA_PRIORITY", "FRA_IIFNAME", "FRA_FWMARK", "FRA_FWMASK", "FRA_DST", "FRA_IP_PROTO"}
    known |= {"FRA_SPORT_RANGE", "FRA_DPORT_RANGE", "FRA_SUPPRESS_PREFIXLEN", "FRA_PROTOCOL", "FRA_DSCP"}
    odd = set(attributes) - known or (mark is not None and attributes.get("FRA_FWMASK") != 0xFFFFFFFF)
    if odd or action not in {FR_ACT_TO_TBL, FR_ACT_UNREACHABLE} or message.get("flags", 0) & 0x2:  # FIB_RULE_INVERT
        return None
    return RulePlan(
        priority=attributes.get("FRA_PRIORITY", 0),
        family=family,
        table=attributes.get("FRA_TABLE") if action == FR_ACT_TO_TBL else None,
        iif=attributes.get("FRA_IIFNAME"),
        fwmark=mark,
        dst=ip_network(f"{dst}/{message['dst_len']}") if dst else None,
        ip_proto=attributes.get("FRA_IP_PROTO"),
        sport=_single(attributes.get("FRA_SPORT_RANGE")),
        dport=_single(attributes.get("FRA_DPORT_RANGE")),
        suppress_prefixlength=suppress if suppress != 0xFFFFFFFF else None,
        action="lookup" if action == FR_ACT_TO_TBL else "unreachable",
    )


def _is_port_mask(item: tuple[str, Any]) -> bool:
    name, value = item
    return name == "UNKNOWN" and value["header"]["type"] in {FRA_SPORT_MASK, FRA_DPORT_MASK}


def _single(ports: Any) -> int | None:
    if ports is None:
        return None
    return ports["start"] if isinstance(ports, dict) else int(str(ports).partition(":")[0])


def rule_request(rule: RulePlan) -> dict[str, Any]:
    """``rule`` as arguments of pyroute2's ``rule()`` (pure)."""
    request: dict[str, Any] = {"family": FAMILIES[rule.family], "priority": rule.priority}
    if rule.action == "unreachable":
        request["action"] = "unreachable"
    else:
        request["table"] = rule.table
    if rule.iif is not None:
        request["iifname"] = rule.iif
    if rule.fwmark is not None:
        request |= {"fwmark": rule.fwmark, "fwmask": 0xFFFFFFFF}
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


async def read_rules(ip: Any) -> tuple[set[RulePlan], list[tuple[Family, Any]]]:
    """Ours, and the raw messages of those that are not but would be asked before or between ours."""
    ours: set[RulePlan] = set()
    strangers: list[tuple[Family, Any]] = []
    for family, number in FAMILIES.items():
        async for message in await ip.get_rules(family=number):
            priority = dict(message["attrs"]).get("FRA_PRIORITY", 0)
            if priority == 0 or priority > RULE_LAST:
                continue  # the kernel's look-up of local, and what comes after us
            rule = parse_rule(message, family)
            if rule is None or priority < RULE_FIRST or rule in ours:
                strangers.append((family, message))
            else:
                ours.add(rule)
    return ours, strangers


# --- routes ----------------------------------------------------------------------------------------------------------


def parse_route(message: Any, family: Family, names: dict[int, str]) -> RoutePlan | None:
    attributes = dict(message["attrs"])
    dst = attributes.get("RTA_DST")
    network = ip_network(f"{dst}/{message['dst_len']}") if dst else ip_network(ANY[family])
    unreachable = message["type"] == RTN_UNREACHABLE
    if not unreachable and message["type"] != RTN_UNICAST:
        return None
    gateway = attributes.get("RTA_GATEWAY")
    metric = attributes.get("RTA_PRIORITY", 0)
    return RoutePlan(
        table=attributes.get("RTA_TABLE", message["table"]),
        family=family,
        dst=network,
        oif=None if unreachable else names.get(attributes.get("RTA_OIF", 0)),
        gateway=ip_address(gateway) if gateway else None,
        kind="unreachable" if unreachable else "unicast",
        metric=0 if metric == DEFAULT_METRIC[family] else metric,
    )


def route_request(route: RoutePlan, indices: dict[str, int]) -> dict[str, Any]:
    """``route`` as arguments of pyroute2's ``route()``; raises KeyError where its interface is missing (pure)."""
    request: dict[str, Any] = {
        "family": FAMILIES[route.family],
        "dst": str(route.dst),
        "table": route.table,
        "proto": RTPROT_OURS,
    }
    if route.kind == "unreachable":
        request["type"] = "unreachable"
    if route.oif is not None:
        request["oif"] = indices[route.oif]
    if route.gateway is not None:
        # The gateway is on the link by definition; do not depend on a connected route that is just being renumbered.
        request |= {"gateway": str(route.gateway), "flags": 4}  # RTNH_F_ONLINK
    elif route.oif is not None and route.family == 4:
        request["scope"] = 253
    if route.metric:
        request["priority"] = route.metric
    return request


async def read_routes(ip: Any, names: dict[int, str]) -> set[RoutePlan]:
    """All routes in our tables. IPv6 has one of its own in every table's dump at most for multicast; those are not ours."""
    found: set[RoutePlan] = set()
    for family, number in FAMILIES.items():
        async for message in await ip.get_routes(family=number):
            table = dict(message["attrs"]).get("RTA_TABLE", message["table"])
            if not our_table(table):
                continue
            route = parse_route(message, family, names)
            if route is not None:
                found.add(route)
    return found


async def replace_route(ip: Any, route: RoutePlan, indices: dict[str, int]) -> None:
    """Add ``route``, or put it in the place of one with the same destination and metric, in one step (NLM_F_REPLACE)."""
    await ip.route("replace", **route_request(route, indices))


async def delete_route(ip: Any, route: RoutePlan, indices: dict[str, int]) -> None:
    try:
        await ip.route("del", **{k: v for k, v in route_request(route, indices).items() if k != "proto"})
    except NetlinkError as error:
        if error.code not in {3, 2}:  # ESRCH, ENOENT: gone already
            raise


def taken_over(old: Iterable[RoutePlan], new: Iterable[RoutePlan]) -> set[RoutePlan]:
    """The routes of ``old`` that a replacement by ``new`` has removed already: same table, destination and metric (pure)."""
    places = {(r.table, r.family, r.dst, r.metric) for r in new}
    return {r for r in old if (r.table, r.family, r.dst, r.metric) in places}
