"""The planner: computes the plan of links, addresses, routes, rules and sysctls from its input (pure).

Routing blocks leaks independently of nftables. A packet from the LAN is routed by its mark in the table of its exit,
or, unmarked, in a table that has only the LAN's routes; both end in ``unreachable``, so main's default route is never
used. The gateway's own packets reach main only with a mark of the cleartext allowlist, or as DHCP. The last rule
rejects every other packet.

The ports that lead outside have a filter that depends on neither (:mod:`app.network.egress_filter`).
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from app.addresses import Interface, Network
from app.network import sysctl
from app.network.egress_filter import OWN_MARKS
from app.network.plan import (
    DIRECT_RESOLVERS,
    MARK_CLEAR,
    MARK_DIRECT,
    MARK_LOOKUP,
    MARK_TRANSPORT,
    MARK_WAITING,
    RULE_FIRST,
    RULE_LAST,
    TABLE_DIRECT,
    TABLE_LAN,
    BridgePlan,
    EgressFilter,
    LinkPlan,
    NetworkPlan,
    PlanInput,
    RoutePlan,
    RulePlan,
    exit_table,
    resolver_network,
)
from app.network.policy import FAMILIES, Family, View, make_view
from app.network.ruleset import ruleset
from app.network.ruleset.bridge import Admission, bridge_ruleset
from app.network.ruleset.exceptions import timed_elements

TABLE_MAIN = 254
METRIC_LAST = 2**32 - 1  # of the unreachable defaults: any other route of the table is preferred
LINK_LOCAL6 = IPv6Network("fe80::/10")
UDP = 17

# Offsets from RULE_FIRST, the same in both families.
_LAN = 0
_DIRECT = 1
_EXITS = 10  # + exit; before the gateway's own, as most packets are the LAN's and each rule before theirs costs them
_MARKS = 60
_DHCP = 70
_TIME = 71
_BOUND = 75
_DIRECT_RESOLVER = 99
_RESOLVERS = 100  # + exit
_FROM_LAN = 300  # + LAN link
_FROM_LAN_STOP = 400  # + LAN link
_LINK_LOCAL = 500
_OWN = 900


def plan(inputs: PlanInput) -> NetworkPlan:
    """The plan for ``inputs``; equal inputs give equal plans. Raises InvalidFieldError naming the field."""
    view = make_view(inputs)
    rules = [r for family in FAMILIES for r in _rules(view, family, time_sync=inputs.time_sync_uid is not None)]
    bridge = view.bridge
    return NetworkPlan(
        ruleset=ruleset(inputs, view),
        rules=tuple(sorted(rules, key=lambda r: (r.family, r.priority))),
        routes=tuple(r for family in FAMILIES for r in _routes(view, family)),
        links=tuple(LinkPlan(t.interface, t.addresses, t.mtu) for t in view.tunnels),
        lan_addresses=_lan_addresses(view),
        sysctls=sysctl.planned(view),
        bridge=BridgePlan(bridge.name, bridge.ports) if bridge else None,
        bridge_ruleset=bridge_ruleset(bridge, view.lan4, view.ula, _admission(view)) if bridge else "",
        egress=_egress(view),
        timed=tuple(timed_elements(view)),
        unfiltered=tuple(dict.fromkeys((*view.lan, *((*bridge.ports, *bridge.radios) if bridge else ())))),
    )


def _admission(view: View) -> Admission:
    """The devices that wait, for the bridge; where the others do, those that do not."""
    others = view.default_mark == MARK_WAITING
    return Admission(others, tuple(mac for mac, mark in view.device_marks if (mark == MARK_WAITING) != others))


def _egress(view: View) -> tuple[EgressFilter, ...]:
    marks = (*OWN_MARKS, MARK_DIRECT) if view.direct else OWN_MARKS
    outside = (view.wan_name, view.wan.port) if view.wan else (view.wan_name,)
    lan = tuple(n for family in FAMILIES for n in view.lan_networks(family))
    return tuple(
        EgressFilter(name, marks, lan if name == view.shared else ()) for name in dict.fromkeys(filter(None, outside))
    )


def _lan_addresses(view: View) -> tuple[tuple[str, Interface], ...]:
    if not view.lan_names:
        return ()
    first = view.lan_names[0]
    ula: tuple[Interface, ...] = (view.ula,) if view.ula else ()
    return ((first, view.lan4), *((first, a) for a in ula))


def _everything(family: Family) -> Network:
    return IPv4Network("0.0.0.0/0") if family == 4 else IPv6Network("::/0")


def _rules(view: View, family: Family, *, time_sync: bool) -> list[RulePlan]:
    found: list[RulePlan] = []

    def rule(
        offset: int,
        table: int | None,
        *,
        iif: str | None = None,
        oif: str | None = None,
        fwmark: int | None = None,
        dst: Network | None = None,
        sport: int | None = None,
        dport: int | None = None,
    ) -> None:
        found.append(
            RulePlan(
                RULE_FIRST + offset,
                family,
                table,
                iif=iif,
                oif=oif,
                fwmark=fwmark,
                dst=dst,
                ip_proto=UDP if dport else None,
                sport=sport,
                dport=dport,
                action="unreachable" if table is None else "lookup",
            )
        )

    # First, so that no route pushed into main (DHCP option 121, an RA) can redirect traffic within the LAN.
    for network in view.lan_networks(family):
        rule(_LAN, TABLE_LAN, dst=network)
    for offset, mark in enumerate((MARK_TRANSPORT, MARK_LOOKUP, MARK_CLEAR)):
        rule(_MARKS + offset, TABLE_MAIN, iif="lo", fwmark=mark)
    client, server = (68, 67) if family == 4 else (546, 547)
    rule(_DHCP, TABLE_MAIN, iif="lo", sport=client, dport=server)
    if time_sync:
        rule(_TIME, TABLE_MAIN, iif="lo", dport=123)
    # Before the kernel accepts a route "via G dev WAN" in main, it checks by the rules that G is on that link; without
    # this rule the WAN's DHCP client cannot set its default route ("Nexthop has invalid gateway", ip_fib_check_nh).
    # Also for an absent WAN: its client may have an address before netd sees the link, and sets the route only once.
    if view.wan_name:
        rule(_BOUND, TABLE_MAIN, iif="lo", oif=view.wan_name)
    # A query to a resolver's virtual address is routed, and gets its source, before it is marked: hence by address.
    if view.direct:
        rule(_DIRECT, TABLE_DIRECT, fwmark=MARK_DIRECT)
        rule(_DIRECT_RESOLVER, TABLE_DIRECT, iif="lo", dst=resolver_network(DIRECT_RESOLVERS, family))
    for one in view.exits:
        n = one.index
        rule(_EXITS + n, exit_table(n), fwmark=one.mark)
        rule(_RESOLVERS + n, exit_table(n), iif="lo", dst=resolver_network(n, family))
    # Packets of the LAN without the mark of an exit: blocked devices, and every device once nftables is flushed.
    for n, name in enumerate(view.lan_names):
        rule(_FROM_LAN + n, TABLE_LAN, iif=name)
        rule(_FROM_LAN_STOP + n, None, iif=name)
    if family == 6:
        rule(_LINK_LOCAL, TABLE_MAIN, iif="lo", dst=LINK_LOCAL6)
    # The gateway's own packets: by the default exit, whose table ends in unreachable, or not at all.
    if view.exits:
        rule(_OWN, exit_table(view.exits[0].index), iif="lo")
    # All others, from an unknown link or out of a tunnel, must not use main.
    rule(RULE_LAST - RULE_FIRST, None)
    return found


def _routes(view: View, family: Family) -> list[RoutePlan]:
    def stop(table: int) -> RoutePlan:
        return RoutePlan(table, family, _everything(family), kind="unreachable", metric=METRIC_LAST)

    found: list[RoutePlan] = []
    if view.lan_names:
        found += [RoutePlan(TABLE_LAN, family, n, oif=view.lan_names[0]) for n in view.lan_networks(family)]
    found.append(stop(TABLE_LAN))
    if view.direct:
        gateway = view.direct_gateway(family)
        if gateway is not None and view.wan is not None:
            found.append(RoutePlan(TABLE_DIRECT, family, _everything(family), oif=view.wan.name, gateway=gateway))
        found.append(stop(TABLE_DIRECT))
    for one in view.exits:
        table = exit_table(one.index)
        if one.active is not None:
            destinations = one.active.carries(family)
            if one.active.resolvers(family):
                destinations += (resolver_network(one.index, family),)
            found += [RoutePlan(table, family, n, oif=one.active.interface) for n in destinations]
        found.append(stop(table))
    return found
