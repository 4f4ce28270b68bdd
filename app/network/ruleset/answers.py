"""The packets from the WAN that the gateway itself asks for, where its address there is also a tunnel's (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.plan import PlanInput
from app.network.policy import FAMILIES, View
from app.network.ruleset.matches import NEIGHBOUR, endpoints
from app.network.ruleset.syntax import any_of, ip_word, literal


def own_address_rules(inputs: PlanInput, view: View, verdict: str) -> Iterator[str]:
    """The rules that give ``verdict`` to answers to what ``cleartext_allowlist`` in the output chains permits."""
    for family in FAMILIES:
        ip = ip_word(family)
        yield f"{ip} saddr . udp sport @transport{family} {verdict}"
        asked = (*inputs.lookup_servers, *view.direct_resolvers)
        if servers := sorted({literal(a) for a in asked if a.version == family}):
            yield f"{ip} saddr {any_of(servers)} meta l4proto {{ tcp, udp }} th sport 53 {verdict}"
        if clear := endpoints(inputs.clear_api, family):
            yield f"{ip} saddr . tcp sport {{ {', '.join(clear)} }} {verdict}"
        clocks = inputs.time_servers if inputs.time_sync_uid is not None else ()
        if found := sorted({literal(a) for a in clocks if a.version == family}):
            yield f"{ip} saddr {any_of(found)} udp sport 123 {verdict}"
    yield f"udp sport 67 udp dport 68 {verdict}"
    yield f"ip6 saddr fe80::/10 udp sport 547 udp dport 546 {verdict}"
    yield f"icmpv6 type {{ {NEIGHBOUR}, nd-router-advert }} {verdict}"
    if view.shared:  # a device of the LAN on the same wire
        yield f"ip saddr {view.lan4.network} {verdict}"
        yield from (f"ip6 saddr {network} {verdict}" for network in view.lan_networks(6))
