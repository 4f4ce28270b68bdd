"""The packets from the WAN that the gateway itself asks for, where its address there is also a tunnel's (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.policy import FAMILIES, View
from app.network.ruleset.matches import NEIGHBOUR
from app.network.ruleset.syntax import ip_word


def own_address_rules(view: View, verdict: str, *, direct: bool) -> Iterator[str]:
    """The rules that give ``verdict`` to answers to what ``cleartext_allowlist`` in the output chains permits.

    ``direct``: where a device is ``direct``.
    """
    for family in FAMILIES:
        ip = ip_word(family)
        yield f"{ip} saddr . udp sport @transport{family} {verdict}"
        for asked in ("lookup", "direct_resolver") if direct else ("lookup",):
            yield f"{ip} saddr @{asked}{family} meta l4proto {{ tcp, udp }} th sport 53 {verdict}"
        yield f"{ip} saddr . tcp sport @clear_api{family} {verdict}"
        yield f"{ip} saddr @time_server{family} udp sport 123 {verdict}"
    yield f"udp sport 67 udp dport 68 {verdict}"
    yield f"ip6 saddr fe80::/10 udp sport 547 udp dport 546 {verdict}"
    yield f"icmpv6 type {{ {NEIGHBOUR}, nd-router-advert }} {verdict}"
    if view.shared:  # a device of the LAN on the same wire
        yield f"ip saddr {view.lan4.network} {verdict}"
        yield from (f"ip6 saddr {network} {verdict}" for network in view.lan_networks(6))
