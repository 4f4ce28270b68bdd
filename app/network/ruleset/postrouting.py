"""The postrouting chains: source NAT and the last check before a packet leaves (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.plan import MARK_CLEAR, MARK_DIRECT, MARK_LOOKUP, MARK_TRANSPORT, PlanInput
from app.network.policy import FAMILIES, View
from app.network.ruleset.matches import DHCP4, DHCP6, MULTICAST, NEIGHBOUR, time_servers, to_lan
from app.network.ruleset.refusals import drop
from app.network.ruleset.syntax import any_of, base, chain, hex_mark, ip_word, quoted


def postrouting_chains(inputs: PlanInput, view: View) -> Iterator[str]:
    # fully-random: a device that cannot choose the port cannot shadow one of the gateway's own (CVE-2021-3773).
    nat = [f"oifname {quoted(t.interface for t in view.carrying)} masquerade fully-random"] if view.carrying else []
    if view.wan and view.direct:
        nat.append(f'meta mark {hex_mark(MARK_DIRECT)} oifname "{view.wan.name}" masquerade fully-random')
    yield chain("postrouting_nat", nat, hook=base("nat", "postrouting", "srcnat"))

    # The last check, after NAT and independent of all earlier decisions: mark, link and source must match.
    rules = [f"meta mark . oifname . {ip_word(f)} saddr @tunnel_output{f} accept" for f in FAMILIES]
    rules += ['oifname "lo" accept', *(f"{m} accept" for m in to_lan(view))]
    if view.wan:
        rules.append(f'oifname "{view.wan.name}" goto egress_wan')
    rules.append(drop("egress"))
    yield chain("postrouting_egress", rules, hook=base("filter", "postrouting", "200", "drop"))
    if view.wan:
        yield chain("egress_wan", _egress_wan(inputs, view))


def _egress_wan(inputs: PlanInput, view: View) -> Iterator[str]:
    marks = [MARK_TRANSPORT, MARK_LOOKUP, MARK_CLEAR, *((MARK_DIRECT,) if view.direct else ())]
    yield f"meta mark {any_of(hex_mark(m) for m in marks)} accept"
    # Packets from the LAN always have a mark: the rest are the gateway's own.
    yield f"meta mark != 0x0 {drop('egress')}"
    yield f"{DHCP4} accept"
    yield f"{DHCP6} accept"
    yield f"icmpv6 type {{ {NEIGHBOUR}, {MULTICAST} }} accept"
    if inputs.time_sync_uid is not None:
        yield from (f"{servers} udp dport 123 accept" for servers in time_servers(inputs))
    yield drop("egress")
