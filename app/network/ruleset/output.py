"""The output chains: what the gateway itself may send, and the translation of DNS to the resolvers (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.plan import (
    MARK_CLEAR,
    MARK_DIRECT,
    MARK_END,
    MARK_LOOKUP,
    MARK_TIME,
    MARK_TRANSPORT,
    MAX_EXITS,
    exit_mark,
)
from app.network.policy import FAMILIES, VIPS4, VIPS6, View
from app.network.ruleset.exceptions import resolver_marks
from app.network.ruleset.matches import (
    DHCP4,
    DHCP6,
    LINK_LOCAL6,
    MULTICAST,
    NEIGHBOUR,
    PORT53,
    lan_hosts,
    to_lan,
)
from app.network.ruleset.refusals import drop, refuse
from app.network.ruleset.syntax import any_of, base, chain, hex_mark, ip_word, quoted

_ERRORS4 = ("destination-unreachable", "time-exceeded", "parameter-problem")
_ERRORS6 = ("destination-unreachable", "packet-too-big", "time-exceeded", "parameter-problem")


def output_chains(view: View) -> Iterator[str]:
    marks = [f"meta mark set {ip_word(f)} daddr map @resolver_mark{f}" for f in FAMILIES] + resolver_marks()
    marks.append(f"meta mark {hex_mark(exit_mark(0))}-{hex_mark(exit_mark(MAX_EXITS - 1))} ct mark set meta mark")
    # Errors about these packets carry the mark: see input_chains.
    marks.append(f"meta mark {hex_mark(MARK_TRANSPORT)} ct mark set meta mark")
    # Untracked, so that the device's answer belongs to no connection and is reset: app.network.end_connections.
    untracked = [f"meta mark {hex_mark(MARK_END)} {m} notrack" for m in lan_hosts(view)]
    yield chain("output_untracked", untracked, hook=base("filter", "output", "raw"))
    yield chain("output_marks", marks, hook=base("route", "output", "mangle"))
    yield chain("output_dns", _resolvers(), hook=base("nat", "output", "-100"))

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
        yield chain("output_wan", _cleartext_allowlist())


def _resolvers() -> Iterator[str]:
    """The translations of the virtual addresses, each to one resolver, so that dnsmasq sees which one is silent."""
    for family in FAMILIES:
        ip = ip_word(family)
        yield f"{PORT53} dnat {ip} to {ip} daddr map @resolver{family}"


def _cleartext_allowlist() -> Iterator[str]:
    """Everything that the gateway itself may send on the WAN in the clear, by address and port."""
    for family in FAMILIES:
        ip = ip_word(family)
        yield f"meta mark {hex_mark(MARK_TRANSPORT)} {ip} daddr . udp dport @transport{family} accept"
        yield f"meta mark {hex_mark(MARK_LOOKUP)} {ip} daddr @lookup{family} {PORT53} accept"
        yield f"meta mark {hex_mark(MARK_CLEAR)} {ip} daddr . tcp dport @clear_api{family} accept"
        yield f"meta mark {hex_mark(MARK_DIRECT)} {ip} daddr @direct_resolver{family} {PORT53} accept"
        time = f"meta skuid . {ip} daddr @time_query{family} udp dport 123"
        yield f"{time} meta mark set {hex_mark(MARK_TIME)} accept"
    yield f"{DHCP4} accept"
    yield f"{DHCP6} accept"
    yield f"icmpv6 type {{ {NEIGHBOUR}, {MULTICAST} }} ip6 daddr {any_of(LINK_LOCAL6)} accept"
    # To addresses in the WAN's own prefix: neighbour unreachability detection and its answers (RFC 4861, 7.3). It is
    # often known seconds after the first load, and changes with the uplink's.
    yield "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } oifname . ip6 daddr @wan_network6 accept"
