"""``plan``: everything known in, all kernel state out. Pure, total, and the only place where the two meet."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from app.addresses import Interface, Network
from app.network import ruleset
from app.network.plan import (
    MARK_CLEAR,
    MARK_DIRECT,
    MARK_LOOKUP,
    MARK_TRANSPORT,
    TABLE_DIRECT,
    TABLE_LAN,
    LinkPlan,
    NetworkPlan,
    PlanInput,
    RoutePlan,
    RulePlan,
    exit_interface,
    exit_mark,
    exit_table,
)
from app.network.policy import any_direct, existing

MAIN = 254  # the kernel's main table
LAST_RESORT = 4294967295  # the highest metric: an unreachable default that only catches what nothing else takes
EVERYTHING = {4: ip_network("0.0.0.0/0"), 6: ip_network("::/0")}
FAMILIES = (4, 6)
UDP = 17


def plan(inp: PlanInput) -> NetworkPlan:
    """The kernel state for ``inp``. Equal inputs give equal plans."""
    return NetworkPlan(
        ruleset=ruleset.render(inp),
        rules=tuple(sorted(_rules(inp), key=lambda r: (r.priority, r.family))),
        routes=tuple(_routes(inp)),
        links=tuple(
            LinkPlan(exit_interface(e.index, t.slot), t.addresses, t.mtu) for e in inp.exits for t in existing(e)
        ),
        lan_addresses=tuple(_lan_addresses(inp)),
        sysctls=tuple(_sysctls(inp)),
    )


def _rules(inp: PlanInput) -> Iterator[RulePlan]:
    """Priorities leave room between the steps; the steps are in the order in which the kernel asks them."""
    lan6 = inp.lan.ula.network if inp.lan.ula else None
    # First of all the way into the LAN: a route that DHCP (option 121) put into main cannot divert what goes there.
    yield RulePlan(10000, 4, TABLE_LAN, dst=inp.lan.address.network)
    if lan6:
        yield RulePlan(10000, 6, TABLE_LAN, dst=lan6)
    for family in FAMILIES:
        for number, link in enumerate(inp.links.lan):
            for exit_ in inp.exits:
                yield RulePlan(
                    10010 + exit_.index, family, exit_table(exit_.index), iif=link.name, fwmark=exit_mark(exit_.index)
                )
            if any_direct(inp):
                yield RulePlan(10100, family, TABLE_DIRECT, iif=link.name, fwmark=MARK_DIRECT)
            # No mark means blocked, or that the ruleset is gone: LAN or nothing. Both rules say so.
            yield RulePlan(10200 + number, family, TABLE_LAN, iif=link.name)
            yield RulePlan(10250 + number, family, None, iif=link.name, action="unreachable")
        for step, mark in enumerate((MARK_TRANSPORT, MARK_LOOKUP, MARK_CLEAR)):
            yield RulePlan(10300 + step, family, MAIN, fwmark=mark)
        sport, dport = (68, 67) if family == 4 else (546, 547)
        yield RulePlan(10310, family, MAIN, ip_proto=UDP, sport=sport, dport=dport)
        if inp.time_sync_uid is not None:
            yield RulePlan(10320, family, MAIN, ip_proto=UDP, dport=123)
        for exit_ in inp.exits:
            yield RulePlan(10400 + exit_.index, family, exit_table(exit_.index), fwmark=exit_mark(exit_.index))
        if any_direct(inp):
            yield RulePlan(10500, family, MAIN, fwmark=MARK_DIRECT)
        yield RulePlan(10600, family, MAIN, suppress_prefixlength=0)
        # The gateway's own unmarked traffic goes out by the default exit or not at all.
        yield RulePlan(10700, family, exit_table(0), iif="lo")
        yield RulePlan(10701, family, None, iif="lo", action="unreachable")


def _routes(inp: PlanInput) -> Iterator[RoutePlan]:
    if inp.links.lan:
        lan = inp.links.lan[0].name
        yield RoutePlan(TABLE_LAN, 4, inp.lan.address.network, oif=lan)
        if inp.lan.ula:
            yield RoutePlan(TABLE_LAN, 6, inp.lan.ula.network, oif=lan)
    yield from _unreachable(TABLE_LAN)
    for exit_ in inp.exits:
        if exit_.active is not None:
            oif = exit_interface(exit_.index, exit_.active.slot)
            for network in exit_.active.routes:
                yield RoutePlan(exit_table(exit_.index), 4 if network.version == 4 else 6, network, oif=oif)
        yield from _unreachable(exit_table(exit_.index))
    if any_direct(inp):
        wan = inp.links.wan
        if wan is not None and wan.gateway4 is not None:
            yield RoutePlan(TABLE_DIRECT, 4, EVERYTHING[4], oif=wan.name, gateway=wan.gateway4)
        if wan is not None and wan.gateway6 is not None:
            yield RoutePlan(TABLE_DIRECT, 6, EVERYTHING[6], oif=wan.name, gateway=wan.gateway6)
        yield from _unreachable(TABLE_DIRECT)


def _unreachable(table: int) -> Iterator[RoutePlan]:
    for family in FAMILIES:
        yield RoutePlan(table, family, EVERYTHING[family], kind="unreachable", metric=LAST_RESORT)


def _lan_addresses(inp: PlanInput) -> Iterator[tuple[str, Interface]]:
    if inp.links.lan:
        yield inp.links.lan[0].name, inp.lan.address
        if inp.lan.ula:
            yield inp.links.lan[0].name, inp.lan.ula


def _sysctls(inp: PlanInput) -> Iterator[tuple[str, str]]:
    """Kernel: Documentation/networking/ip-sysctl.rst.

    rp_filter is off but on the LAN: while blocked, the way back to a WireGuard peer looks unreachable to it and it
    would drop the peer's handshake. The ruleset checks sources itself.
    """
    yield "net/ipv4/ip_forward", "1"
    yield "net/ipv6/conf/all/forwarding", "1"
    yield "net/ipv4/conf/all/rp_filter", "0"
    yield "net/ipv4/conf/all/accept_redirects", "0"
    yield "net/ipv4/conf/all/send_redirects", "0"
    yield "net/ipv4/conf/all/accept_source_route", "0"
    yield "net/ipv4/conf/all/arp_ignore", "2"
    yield "net/ipv4/conf/all/arp_announce", "2"
    yield "net/ipv6/conf/all/accept_redirects", "0"
    yield "net/ipv6/conf/all/accept_source_route", "0"
    for link in inp.links.lan:
        yield f"net/ipv4/conf/{link.name}/rp_filter", "1"
        yield f"net/ipv4/conf/{link.name}/send_redirects", "0"
        yield f"net/ipv6/conf/{link.name}/accept_ra", "0"
        yield f"net/ipv6/conf/{link.name}/accept_redirects", "0"
    if inp.links.wan is not None and inp.links.wan.name not in {link.name for link in inp.links.lan}:
        wan = inp.links.wan.name
        yield f"net/ipv4/conf/{wan}/rp_filter", "0"
        yield f"net/ipv4/conf/{wan}/send_redirects", "0"
        yield f"net/ipv6/conf/{wan}/accept_ra", "2"
        yield f"net/ipv6/conf/{wan}/accept_redirects", "0"


_ = Network
