"""The output chains: what the gateway itself may send, and the translation of DNS to the resolvers (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.addresses import collapse
from app.network.plan import (
    DIRECT_RESOLVERS,
    MARK_CLEAR,
    MARK_DIRECT,
    MARK_END,
    MARK_LOOKUP,
    MARK_TIME,
    MARK_TRANSPORT,
    RESOLVER_SLOTS,
    PlanInput,
    resolver_vips,
)
from app.network.policy import FAMILIES, VIPS4, VIPS6, View
from app.network.ruleset.matches import (
    DHCP4,
    DHCP6,
    LINK_LOCAL6,
    MULTICAST,
    NEIGHBOUR,
    PORT53,
    endpoints,
    lan_hosts,
    time_servers,
    to_lan,
)
from app.network.ruleset.refusals import drop, refuse
from app.network.ruleset.syntax import any_of, base, chain, hex_mark, ip_word, literal, quoted

_ERRORS4 = ("destination-unreachable", "time-exceeded", "parameter-problem")
_ERRORS6 = ("destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem")


def output_chains(inputs: PlanInput, view: View) -> Iterator[str]:
    marks = [f"meta mark set {ip_word(f)} daddr map @resolver_mark{f}" for f in FAMILIES]
    if view.exits:
        marks.append(f"meta mark {any_of(hex_mark(e.mark) for e in view.exits)} ct mark set meta mark")
    # Errors about these packets carry the mark: see input_chains.
    marks.append(f"meta mark {hex_mark(MARK_TRANSPORT)} ct mark set meta mark")
    # Untracked, so that the device's answer belongs to no connection and is reset: app.network.end_connections.
    untracked = [f"meta mark {hex_mark(MARK_END)} {m} notrack" for m in lan_hosts(view)]
    yield chain("output_untracked", untracked, hook=base("filter", "output", "raw"))
    yield chain("output_marks", marks, hook=base("route", "output", "mangle"))
    yield chain("output_dns", _resolvers(view), hook=base("nat", "output", "-100"))

    rules = [
        'oifname "lo" accept',
        # A virtual address that was not translated has no resolver: refuse, so that dnsmasq asks the next one.
        f"ip daddr {VIPS4} {refuse('dns')}",
        f"ip6 daddr {VIPS6} {refuse('dns')}",
    ]
    if view.wan:
        rules.append(f'oifname "{view.wan.name}" jump output_wan')
    if view.lan_names:
        # Never to a host of the LAN: the gateway resolves names through its resolvers only.
        rules.append(f"oifname {quoted(view.lan_names)} {PORT53} {drop('dns')}")
    rules += [f"{m} accept" for m in to_lan(view)]
    # An ICMP error must not leave through a tunnel: a sender on the WAN that forges the source of a packet would learn
    # which exit the gateway uses.
    rules += [f"icmp type {any_of(_ERRORS4)} {drop('output')}", f"icmpv6 type {any_of(_ERRORS6)} {drop('output')}"]
    rules += [f"meta mark . oifname . {ip_word(f)} saddr @tunnel_output{f} accept" for f in FAMILIES]
    rules.append(drop("output"))
    yield chain("output", rules, hook=base("filter", "output", "filter", "drop"))
    if view.wan:
        yield chain("output_wan", _cleartext_allowlist(inputs, view))


def _resolvers(view: View) -> Iterator[str]:
    """The translations of the virtual addresses, each to one resolver, so that dnsmasq sees which one is silent.

    Where there are fewer resolvers than virtual addresses they come again: a query that was lost is then repeated.
    """
    targets = [(e.index, e.active.dns) for e in view.exits if e.active]
    targets.append((DIRECT_RESOLVERS, view.direct_resolvers))
    for index, resolvers in targets:
        for slot in range(RESOLVER_SLOTS if resolvers else 0):
            resolver = resolvers[slot % len(resolvers)]
            ip, vip = ip_word(resolver.version), resolver_vips(index, resolver.version)[slot]
            yield f"{ip} daddr {vip} {PORT53} dnat {ip} to {literal(resolver)}"


def _cleartext_allowlist(inputs: PlanInput, view: View) -> Iterator[str]:
    """Everything that the gateway itself may send on the WAN in the clear, by address and port."""
    for family in FAMILIES:
        ip = ip_word(family)
        yield f"meta mark {hex_mark(MARK_TRANSPORT)} {ip} daddr . udp dport @transport{family} accept"
        if lookup := sorted({literal(a) for a in inputs.lookup_servers if a.version == family}):
            yield f"meta mark {hex_mark(MARK_LOOKUP)} {ip} daddr {any_of(lookup)} {PORT53} accept"
        if clear := endpoints(inputs.clear_api, family):
            yield f"meta mark {hex_mark(MARK_CLEAR)} {ip} daddr . tcp dport {{ {', '.join(clear)} }} accept"
        if found := sorted(literal(a) for a in view.direct_resolvers if a.version == family):
            yield f"meta mark {hex_mark(MARK_DIRECT)} {ip} daddr {any_of(found)} {PORT53} accept"
    yield f"{DHCP4} accept"
    yield f"{DHCP6} accept"
    yield f"icmpv6 type {{ {NEIGHBOUR}, {MULTICAST} }} ip6 daddr {any_of(LINK_LOCAL6)} accept"
    # To addresses in the WAN's own prefix: neighbour unreachability detection and its answers (RFC 4861, 7.3).
    if six := collapse(a.network for a in (view.wan.addresses if view.wan else ()) if a.version == 6):
        yield f"icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert }} ip6 daddr {any_of(six)} accept"
    if inputs.time_sync_uid is not None:
        yield from (
            f"meta skuid {inputs.time_sync_uid} {servers} udp dport 123 meta mark set {hex_mark(MARK_TIME)} accept"
            for servers in time_servers(inputs)
        )
