"""The postrouting chains: source NAT and the last check before a packet leaves (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.plan import DEVICE_PORTS, MARK_CLEAR, MARK_DIRECT, MARK_LOOKUP, MARK_TIME, MARK_TRANSPORT
from app.network.policy import FAMILIES, View
from app.network.ruleset.matches import DHCP4, DHCP6, MULTICAST, NEIGHBOUR, addresses_of_lan, to_lan
from app.network.ruleset.refusals import drop
from app.network.ruleset.syntax import any_of, base, chain, hex_mark, ip_word, quoted

_SERVICES = (53, 80, 123, 443, 853)


def postrouting_chains(view: View) -> Iterator[str]:
    yield chain("postrouting_nat", _nat(view), hook=base("nat", "postrouting", "srcnat"))

    # The last check, after NAT and independent of all earlier decisions: mark, link and source must match.
    # The links that most packets leave by come first; one that is LAN and WAN at once has both's rules.
    rules = [f"oifname {quoted(view.lan)} jump egress_lan"] if view.lan and not view.shared else []
    rules += [f"{m} accept" for m in to_lan(view)] if view.shared else []
    if view.wan:
        rules.append(f'oifname "{view.wan.name}" goto egress_wan')
    rules += [f"meta mark . oifname . {ip_word(f)} saddr @tunnel_output{f} accept" for f in FAMILIES]
    rules.append('oifname "lo" accept')
    rules.append(drop("egress"))
    yield chain("postrouting_egress", rules, hook=base("filter", "postrouting", "200", "drop"))
    if view.lan and not view.shared:
        yield chain("egress_lan", (f"{m} accept" for m in addresses_of_lan(view)))
    if view.wan:
        yield chain("egress_wan", _egress_wan())


def _nat(view: View) -> Iterator[str]:
    """Source NAT to the outgoing link's address.

    A socket of a device keeps one outside port for all destinations (endpoint-independent mapping, RFC 4787, REQ-1), as
    games and calls need it: without "random" the kernel gives a source the port that it already has. No port is one of
    the gateway's own sockets', so that none can be shadowed (CVE-2021-3773). All else gets a random port.
    """
    way = "meta mark . oifname @exit_nat"
    ports = f":{DEVICE_PORTS[0]}-{DEVICE_PORTS[-1]}"
    for family in FAMILIES:
        if networks := view.lan_networks(family):
            device = f"{ip_word(family)} saddr {any_of(networks)} udp dport != {any_of(_SERVICES)}"
            yield f"{way} {device} masquerade to {ports}"
    yield f"{way} meta l4proto {{ tcp, udp }} masquerade to {ports} fully-random"
    yield f"{way} masquerade fully-random"


def _egress_wan() -> Iterator[str]:
    yield f"meta mark {hex_mark(MARK_TRANSPORT)} accept"
    # Only from the WAN's own addresses: what was not translated would show the LAN's.
    yield from (f"meta mark {hex_mark(MARK_DIRECT)} {ip_word(f)} saddr @direct_source{f} accept" for f in FAMILIES)
    yield f"meta mark {any_of(hex_mark(m) for m in (MARK_LOOKUP, MARK_CLEAR))} accept"
    for family in FAMILIES:
        time = f"{ip_word(family)} daddr @time_server{family} udp dport 123"
        yield f"meta mark {hex_mark(MARK_TIME)} {time} accept"
    # Packets from the LAN always have a mark: those without are the gateway's own.
    yield f"meta mark 0x0 {DHCP4} accept"
    yield f"meta mark 0x0 {DHCP6} accept"
    yield f"meta mark 0x0 icmpv6 type {{ {NEIGHBOUR}, {MULTICAST} }} accept"
    yield drop("egress")
