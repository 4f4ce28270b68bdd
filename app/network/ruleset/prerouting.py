"""The prerouting chains: marks for packets from the LAN, and the redirection of its DNS (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from app.addresses import collapse
from app.network.policy import FAMILIES, View
from app.network.ruleset.matches import PORT53, from_lan
from app.network.ruleset.sets import resolver_ports
from app.network.ruleset.syntax import any_of, base, chain, hex_mark, ip_word


def prerouting_chains(view: View) -> Iterator[str]:
    yield chain(
        "prerouting_policy",
        (f"{match} goto policy_lan" for match in from_lan(view)),
        hook=base("filter", "prerouting", "mangle"),
    )
    yield chain("policy_lan", _policy_lan(view))
    for e in view.exits:
        for family in FAMILIES:
            if e.active and e.active.carries(family) and not e.active.has_default(family):
                within = f"{ip_word(family)} daddr @exit{e.index}_routes{family} accept"
                yield chain(f"exit{e.index}_split{family}", (within, "goto refuse_no_route"))

    redirects: list[str] = []
    for match in from_lan(view):
        if resolver_ports(view):
            redirects.append(f"{match} {PORT53} redirect to :meta mark map @resolver_port")
        redirects.append(f"{match} {PORT53} redirect to :53")  # the resolver that knows only the LAN's own names
    yield chain("prerouting_dns", redirects, hook=base("nat", "prerouting", "dstnat"))


def _policy_lan(view: View) -> Iterator[str]:
    """The rules that give every LAN packet the mark of its device, and refuse and count packets that have no exit.

    Routing would refuse the same packets; here they are counted, and TCP gets a reset.
    """
    yield f"meta mark set {hex_mark(view.default_mark)}"
    yield "meta mark set ether saddr map @device_mark"
    own = view.wan.addresses if view.wan and view.shared else ()
    four = collapse([view.lan4.network, *(ip_network(a.ip) for a in own if a.version == 4)])
    six = collapse([*view.lan_networks(6), *(ip_network(a.ip) for a in own if a.version == 6)])
    yield f"ip daddr {any_of((*four, '224.0.0.0/4', '255.255.255.255'))} accept"
    yield f"ip6 daddr {any_of((*six, 'fe80::/10', 'ff00::/8'))} accept"
    yield f"{PORT53} accept"  # redirected to the gateway itself by the next hook
    # netd finds an exit's connections by this mark when it changes.
    yield "ct mark set meta mark"
    yield "meta nfproto . meta mark vmap @outward"
    yield "goto refuse_blocked"
