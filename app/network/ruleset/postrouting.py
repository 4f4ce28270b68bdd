"""The postrouting chains: source NAT and the last check before a packet leaves (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.plan import DEVICE_PORTS, MARK_CLEAR, MARK_DIRECT, MARK_LOOKUP, MARK_TIME, MARK_TRANSPORT, PlanInput
from app.network.policy import FAMILIES, View
from app.network.ruleset.matches import DHCP4, DHCP6, MULTICAST, NEIGHBOUR, time_servers, to_lan
from app.network.ruleset.refusals import drop
from app.network.ruleset.syntax import any_of, base, chain, hex_mark, ip_word, literal, quoted

_SERVICES = (53, 80, 123, 443, 853)


def postrouting_chains(inputs: PlanInput, view: View) -> Iterator[str]:
    yield chain("postrouting_nat", _nat(view), hook=base("nat", "postrouting", "srcnat"))

    # The last check, after NAT and independent of all earlier decisions: mark, link and source must match.
    rules = [f"meta mark . oifname . {ip_word(f)} saddr @tunnel_output{f} accept" for f in FAMILIES]
    rules += ['oifname "lo" accept', *(f"{m} accept" for m in to_lan(view))]
    if view.wan:
        rules.append(f'oifname "{view.wan.name}" goto egress_wan')
    rules.append(drop("egress"))
    yield chain("postrouting_egress", rules, hook=base("filter", "postrouting", "200", "drop"))
    if view.wan:
        yield chain("egress_wan", _egress_wan(inputs, view))


def _nat(view: View) -> Iterator[str]:
    """Source NAT to the outgoing link's address.

    A socket of a device keeps one outside port for all destinations (endpoint-independent mapping, RFC 4787, REQ-1), as
    games and calls need it: without "random" the kernel gives a source the port that it already has. No port is one of
    the gateway's own sockets', so that none can be shadowed (CVE-2021-3773). All else gets a random port.
    """
    ways = [f"oifname {quoted(t.interface for t in view.carrying)}"] if view.carrying else []
    if view.wan and view.direct:
        ways.append(f'meta mark {hex_mark(MARK_DIRECT)} oifname "{view.wan.name}"')
    ports = f":{DEVICE_PORTS[0]}-{DEVICE_PORTS[-1]}"
    for way in ways:
        for family in FAMILIES:
            ip = ip_word(family)
            if networks := view.lan_networks(family):
                yield f"{way} {ip} saddr {any_of(networks)} udp dport != {any_of(_SERVICES)} masquerade to {ports}"
        yield f"{way} meta l4proto {{ tcp, udp }} masquerade to {ports} fully-random"
        yield f"{way} masquerade fully-random"


def _egress_wan(inputs: PlanInput, view: View) -> Iterator[str]:
    marks = (MARK_TRANSPORT, MARK_LOOKUP, MARK_CLEAR)
    yield f"meta mark {any_of(hex_mark(m) for m in marks)} accept"
    if inputs.time_sync_uid is not None:
        time = f"meta mark {hex_mark(MARK_TIME)}"
        yield from (f"{time} {servers} udp dport 123 accept" for servers in time_servers(inputs))
    if view.direct and view.wan:
        # Only from the WAN's own addresses: what was not translated would show the LAN's.
        for family in FAMILIES:
            if own := sorted({literal(a.ip) for a in view.wan.addresses if a.version == family}):
                yield f"meta mark {hex_mark(MARK_DIRECT)} {ip_word(family)} saddr {any_of(own)} accept"
    # Packets from the LAN always have a mark: those without are the gateway's own.
    yield f"meta mark 0x0 {DHCP4} accept"
    yield f"meta mark 0x0 {DHCP6} accept"
    yield f"meta mark 0x0 icmpv6 type {{ {NEIGHBOUR}, {MULTICAST} }} accept"
    yield drop("egress")
