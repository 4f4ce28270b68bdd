"""The prerouting chains: marks for packets from the LAN, and the redirection of its DNS (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from app.addresses import collapse
from app.network.policy import FAMILIES, View
from app.network.ruleset.exceptions import EXCEPTION_MARK, NUMBER_OF_EXCEPTION
from app.network.ruleset.matches import PORT53, from_lan
from app.network.ruleset.syntax import any_of, base, chain, ip_word


def prerouting_chains(view: View) -> Iterator[str]:
    yield chain(
        "prerouting_policy",
        (f"{match} goto policy_lan" for match in from_lan(view)),
        hook=base("filter", "prerouting", "mangle"),
    )
    yield chain("policy_lan", _policy_lan(view))
    yield chain("policy_near", (EXCEPTION_MARK,))  # then accepted, as the end of the base chain does
    for family in FAMILIES:
        within = f"meta mark . {ip_word(family)} daddr @exit_routes{family} accept"
        yield chain(f"exit_split{family}", (within, "goto refuse_no_route"))

    redirects: list[str] = []
    for match in from_lan(view):
        redirects.append(f"{match} {PORT53} redirect to :meta mark map @resolver_port")
        redirects.append(f"{match} {PORT53} redirect to :53")  # the resolver that knows only the LAN's own names
    yield chain("prerouting_dns", redirects, hook=base("nat", "prerouting", "dstnat"))


def _policy_lan(view: View) -> Iterator[str]:
    """The rules that give every LAN packet the mark of its device, and refuse and count packets that have no exit.

    Routing would refuse the same packets; here they are counted, and TCP gets a reset.
    """
    yield "meta mark set meta nfproto map @default_mark"
    yield "meta mark set ether saddr map @device_mark"
    yield NUMBER_OF_EXCEPTION
    own = view.wan.addresses if view.wan and view.shared else ()
    four = collapse([view.lan4.network, *(ip_network(a.ip) for a in own if a.version == 4)])
    six = collapse([*view.lan_networks(6), *(ip_network(a.ip) for a in own if a.version == 6)])
    yield f"ip daddr {any_of((*four, '224.0.0.0/4', '255.255.255.255'))} goto policy_near"
    yield f"ip6 daddr {any_of((*six, 'fe80::/10', 'ff00::/8'))} goto policy_near"
    yield f"{PORT53} goto policy_near"  # redirected to the gateway itself by the next hook
    # netd finds an exit's connections by this mark when it changes; that of an exception is its number.
    yield "ct mark set meta mark"
    yield EXCEPTION_MARK
    yield "meta nfproto . meta mark vmap @outward"
    yield "goto refuse_blocked"
