"""The input chains, for packets to the gateway itself (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.plan import (
    MARK_TRANSPORT,
    MARK_WAITING,
    OWN_PORTS,
    RESOLVER_PORT_BASE,
    WAITING_RESOLVER_PORT,
    PlanInput,
)
from app.network.policy import FAMILIES, View
from app.network.ruleset.answers import own_address_rules
from app.network.ruleset.matches import DHCP4, DHCP6, MULTICAST, NEIGHBOUR, PORT53, from_lan
from app.network.ruleset.refusals import drop, refuse
from app.network.ruleset.sources import drop_to_tunnel_address
from app.network.ruleset.syntax import any_of, base, chain, hex_mark, ip_word, quoted

_SSH = 22
_RESOLVERS = f"meta l4proto {{ tcp, udp }} th dport {RESOLVER_PORT_BASE}-{WAITING_RESOLVER_PORT}"


def input_chains(inputs: PlanInput, view: View) -> Iterator[str]:
    jumps = [
        'iifname "lo" accept',
        # Also within a connection that a device had when the address was not yet a tunnel's.
        *(f"iifname {quoted(view.lan)} {rule}" for rule in drop_to_tunnel_address() if view.lan),
        *_to_own_address(view),
        # Also within a conversation: where a device's exception has ended, the resolver that it asks is another one's.
        *(f"{match} {_RESOLVERS} goto input_resolver" for match in from_lan(view)),
        # The size of the tunnel's packets is set, and WireGuard ignores all errors. One that a stranger forges, on the
        # WAN or in the LAN, would make the kernel fragment them for ten minutes (RFC 5927, section 7).
        f"ct mark {hex_mark(MARK_TRANSPORT)} ct state related {drop('transport')}",
        "ct state vmap { established : accept, related : accept, invalid : goto drop_invalid }",
    ]
    if view.wan:
        jumps.append(f'iifname "{view.wan.name}" jump input_wan')
    jumps += [f"{match} goto input_lan" for match in from_lan(view, link_local=True)]
    if view.shared:
        # A host without an address asks for one; the IPv6 equivalent is accepted in input_wan.
        jumps.append(f'iifname "{view.shared}" ip saddr 0.0.0.0 {DHCP4} accept')
    if view.wan:
        jumps.append(f'iifname "{view.wan.name}" {drop("wan")}')
    jumps.append(drop("input"))
    yield chain("input", jumps, hook=base("filter", "input", "filter", "drop"))
    if view.wan:
        yield chain("input_wan", _input_wan())
        yield chain("input_own_address", (*own_address_rules(view, "return", direct=True), drop("tunnel_address")))
    yield chain("input_lan", _input_lan(inputs))
    # A resolver's port, for the devices of its exit only, so that no device uses another exit's tunnel.
    yield chain("input_resolver", ("meta mark . th dport @resolver_input accept", refuse("input")))


def _to_own_address(view: View) -> Iterator[str]:
    """Checks before connection tracking is believed: an answer from the WAN must be none to a tunnel's connection.

    Needed only where a device is ``direct``; else the first hook has dropped those packets.
    """
    if view.wan:
        for family in FAMILIES:
            match = f'iifname "{view.wan.name}" {ip_word(family)} daddr @own_address_direct{family}'
            yield f"{match} jump input_own_address"


def _input_wan() -> Iterator[str]:
    yield "udp sport 67 udp dport 68 accept"
    yield "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept"
    yield "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-query } accept"
    own = f"udp dport {OWN_PORTS[0]}-{OWN_PORTS[-1]}"
    yield from (f"{ip_word(f)} saddr . udp sport @transport{f} {own} accept" for f in FAMILIES)


def _input_lan(inputs: PlanInput) -> Iterator[str]:
    yield f"{DHCP4} accept"
    yield f"ip6 saddr fe80::/10 {DHCP6} accept"
    yield f"{PORT53} accept"
    # A device that waits: the page, and no way to sign in to the machine.
    yield f"meta mark {hex_mark(MARK_WAITING)} tcp dport {_SSH} {refuse('waiting')}"
    if inputs.http_ports:
        yield f"tcp dport {any_of(sorted(set(inputs.http_ports)))} accept"
    yield "udp dport 5353 accept"
    yield "icmp type echo-request accept"
    yield f"icmpv6 type {{ echo-request, {NEIGHBOUR}, mld-listener-query, {MULTICAST} }} accept"
    yield "meta l4proto igmp accept"
    yield refuse("input")
