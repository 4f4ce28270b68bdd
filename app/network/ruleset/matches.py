"""Matches that several chains share: protocols, and what comes from the LAN or goes to it (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.addresses import Family
from app.network.plan import TransportPeer
from app.network.policy import FAMILIES, View
from app.network.ruleset.syntax import any_of, ip_word, literal, quoted

PORT53 = "meta l4proto { tcp, udp } th dport 53"
DHCP4 = "udp sport 68 udp dport 67"
DHCP6 = "udp sport 546 udp dport 547"
LINK_LOCAL4 = ("224.0.0.0/24", "255.255.255.255")
LINK_LOCAL6 = ("fe80::/10", "ff02::/16")
# The messages that a host needs to have an address on a link (RFC 4861, RFC 3810).
NEIGHBOUR = "nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert"
MULTICAST = "mld-listener-report, mld-listener-done, mld2-listener-report"


def from_lan(view: View, *, link_local: bool = False) -> list[str]:
    """Matches for "this packet comes from the LAN"; on a link shared with the WAN the source address decides."""
    found = [f"iifname {quoted(view.lan)}"] if view.lan else []
    if view.shared:
        found.append(f'iifname "{view.shared}" ip saddr {view.lan4.network}')
        six = [str(n) for n in view.lan_networks(6)] + (["fe80::/10"] if link_local else [])
        if six:
            found.append(f'iifname "{view.shared}" ip6 saddr {any_of(six)}')
    return found


def to_lan(view: View) -> Iterator[str]:
    """Matches for "this packet leaves for the LAN": a LAN link and an address of the LAN."""
    if view.lan_names:
        yield from (f"oifname {quoted(view.lan_names)} {near}" for near in addresses_of_lan(view))


def addresses_of_lan(view: View) -> Iterator[str]:
    """Matches for an address of the LAN as destination, by family."""
    yield f"ip daddr {view.lan4.network}"  # alone, as a comparison costs less than a look-up
    yield f"ip daddr {any_of(LINK_LOCAL4)}"
    yield f"ip6 daddr {any_of((*view.lan_networks(6), *LINK_LOCAL6))}"


def lan_hosts(view: View) -> Iterator[str]:
    """Matches for "this packet leaves for a host of the LAN": no multicast, no link-local address."""
    if view.lan_names:
        link = f"oifname {quoted(view.lan_names)}"
        for family in FAMILIES:
            if networks := view.lan_networks(family):
                yield f"{link} {ip_word(family)} daddr {any_of(networks)}"


def endpoints(peers: Iterable[TransportPeer], family: Family) -> list[str]:
    """Set elements ``address . port``."""
    return sorted({f"{literal(p.address)} . {p.port}" for p in peers if p.address.version == family})
