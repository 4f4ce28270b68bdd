"""From everything that decides the network to the one plan of it (pure): links, addresses, routes, rules, sysctls.

Routing is a lock of its own. A packet from the LAN is looked up by its mark in the table of its exit, or, unmarked, in
a table that knows the LAN alone; both end in ``unreachable``, so main's default route is never asked. The gateway's own
packets reach main only with a mark of the closed list, or as DHCP. Whatever no rule names ends at the last one.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from app.addresses import Interface, Network
from app.network import sysctl
from app.network.plan import (
    MARK_CLEAR,
    MARK_DIRECT,
    MARK_LOOKUP,
    MARK_TRANSPORT,
    RULE_FIRST,
    RULE_LAST,
    TABLE_DIRECT,
    TABLE_LAN,
    BridgePlan,
    LinkPlan,
    NetworkPlan,
    PlanInput,
    RoutePlan,
    RulePlan,
    exit_table,
)
from app.network.policy import FAMILIES, Family, View, view, vip
from app.network.ruleset import ruleset
from app.network.ruleset.bridge import bridge_ruleset

TABLE_MAIN = 254
METRIC_LAST = 2**32 - 1  # of the unreachable defaults: any route of the same table comes first
LINK_LOCAL6 = IPv6Network("fe80::/10")
UDP = 17

# Offsets from RULE_FIRST, the same in both families.
_LAN = 0
_MARKS = 10
_DHCP = 20
_TIME = 21
_BOUND = 25
_DIRECT = 30
_RESOLVERS = 100  # + exit
_EXITS = 200  # + exit
_FROM_LAN = 300  # + LAN link
_FROM_LAN_STOP = 400  # + LAN link
_LINK_LOCAL = 500
_OWN = 900


def plan(inp: PlanInput) -> NetworkPlan:
    """The plan for ``inp``; equal inputs give equal plans. Raises InvalidFieldError naming the field."""
    seen = view(inp)
    rules = [r for family in FAMILIES for r in _rules(seen, family, time_sync=inp.time_sync_uid is not None)]
    bridge = seen.bridge
    return NetworkPlan(
        ruleset=ruleset(inp, seen),
        rules=tuple(sorted(rules, key=lambda r: (r.family, r.priority))),
        routes=tuple(r for family in FAMILIES for r in _routes(seen, family)),
        links=tuple(LinkPlan(t.interface, t.addresses, t.mtu) for t in seen.tunnels),
        lan_addresses=_lan_addresses(seen),
        sysctls=sysctl.planned(seen),
        bridge=BridgePlan(bridge.name, bridge.ports) if bridge else None,
        bridge_ruleset=bridge_ruleset(bridge) if bridge else "",
    )


def _lan_addresses(seen: View) -> tuple[tuple[str, Interface], ...]:
    if not seen.lan_names:
        return ()
    first = seen.lan_names[0]
    ula: tuple[Interface, ...] = (seen.ula,) if seen.ula else ()
    return ((first, seen.lan4), *((first, a) for a in ula))


def _everything(family: Family) -> Network:
    return IPv4Network("0.0.0.0/0") if family == 4 else IPv6Network("::/0")


def _host(index: int, family: Family) -> Network:
    return IPv4Network(int(vip(index, 4))) if family == 4 else IPv6Network(int(vip(index, 6)))


def _rules(seen: View, family: Family, *, time_sync: bool) -> list[RulePlan]:
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

    # First of all, so that no route pushed into main (DHCP option 121, an RA) can pull the LAN's own traffic elsewhere.
    for network in seen.lan_networks(family):
        rule(_LAN, TABLE_LAN, dst=network)
    for offset, mark in enumerate((MARK_TRANSPORT, MARK_LOOKUP, MARK_CLEAR)):
        rule(_MARKS + offset, TABLE_MAIN, iif="lo", fwmark=mark)
    client, server = (68, 67) if family == 4 else (546, 547)
    rule(_DHCP, TABLE_MAIN, iif="lo", sport=client, dport=server)
    if time_sync:
        rule(_TIME, TABLE_MAIN, iif="lo", dport=123)
    # Before it takes a route "via G dev WAN" into main, the kernel asks the rules whether G is on that link: without an
    # answer the WAN's DHCP client cannot set its default route ("Nexthop has invalid gateway", ip_fib_check_nh). Also
    # of a WAN that is away: its client may have an address before we hear of the link, and tries that route only once.
    if seen.wan_name:
        rule(_BOUND, TABLE_MAIN, iif="lo", oif=seen.wan_name)
    # A query to a resolver's stand-in address is routed, and given a source, before its mark exists: hence by address.
    if seen.direct:
        rule(_DIRECT, TABLE_DIRECT, iif="lo", dst=_host(-1, family))
        rule(_DIRECT + 1, TABLE_DIRECT, fwmark=MARK_DIRECT)
    for found_exit in seen.exits:
        n = found_exit.index
        rule(_RESOLVERS + n, exit_table(n), iif="lo", dst=_host(n, family))
        rule(_EXITS + n, exit_table(n), fwmark=found_exit.mark)
    # What the LAN sends without the mark of an exit: blocked devices, and everybody once nftables is flushed.
    for n, name in enumerate(seen.lan_names):
        rule(_FROM_LAN + n, TABLE_LAN, iif=name)
        rule(_FROM_LAN_STOP + n, None, iif=name)
    if family == 6:
        rule(_LINK_LOCAL, TABLE_MAIN, iif="lo", dst=LINK_LOCAL6)
    # The gateway's own packets: by the default exit, whose table ends in unreachable, or not at all.
    if seen.exits:
        rule(_OWN, exit_table(seen.exits[0].index), iif="lo")
    # Anybody else's, from a link that nobody has named yet or out of a tunnel: main is not for them.
    rule(RULE_LAST - RULE_FIRST, None)
    return found


def _routes(seen: View, family: Family) -> list[RoutePlan]:
    def stop(table: int) -> RoutePlan:
        return RoutePlan(table, family, _everything(family), kind="unreachable", metric=METRIC_LAST)

    found: list[RoutePlan] = []
    if seen.lan_names:
        found += [RoutePlan(TABLE_LAN, family, n, oif=seen.lan_names[0]) for n in seen.lan_networks(family)]
    found.append(stop(TABLE_LAN))
    if seen.direct:
        gateway = seen.direct_gateway(family)
        if gateway is not None and seen.wan is not None:
            found.append(RoutePlan(TABLE_DIRECT, family, _everything(family), oif=seen.wan.name, gateway=gateway))
        found.append(stop(TABLE_DIRECT))
    for one in seen.exits:
        table = exit_table(one.index)
        if one.active is not None:
            destinations = one.active.carries(family)
            if one.active.resolvers(family):
                destinations += (_host(one.index, family),)
            found += [RoutePlan(table, family, n, oif=one.active.interface) for n in destinations]
        found.append(stop(table))
    return found
