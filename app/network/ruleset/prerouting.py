"""The prerouting chains: marks for packets from the LAN, and the redirection of its DNS (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_network

from app.addresses import collapse
from app.network.plan import MARK_CANARY, MARK_TRANSPORT
from app.network.policy import FAMILIES, View
from app.network.ruleset.exceptions import EXCEPTION_MARK, NUMBER_OF_EXCEPTION
from app.network.ruleset.matches import PORT53, from_lan
from app.network.ruleset.sources import drop_canary, drop_to_tunnel_address
from app.network.ruleset.syntax import any_of, base, chain, hex_mark, ip_word

# What most packets are, told without a look at their address: of a connection that has gone to the outside before,
# and is not the gateway's own to a WireGuard server in the LAN.
_OUTWARD_ALREADY = f"ct mark != 0x0 ct mark != {hex_mark(MARK_TRANSPORT)} th dport != 53"


def prerouting_chains(view: View) -> Iterator[str]:
    """The chains that give every LAN packet the mark of its device, and refuse and count packets that have no exit.

    The first hook leads to them (:mod:`app.network.ruleset.sources`). Routing would refuse the same packets; here they are counted, and TCP gets a reset.
    """
    yield chain(
        "policy_lan",
        (
            f"meta mark {hex_mark(MARK_CANARY)} meta mark set ether saddr map @canary_mark goto policy_device",
            "meta mark set ether saddr map @device_mark goto policy_device",
            drop_canary(),
            "meta mark set meta nfproto map @default_mark",
            "goto policy_device",
        ),
    )
    # A connection has a mark only if its first packet went on to policy_outward, so its address is not near.
    yield chain(
        "policy_device",
        (
            NUMBER_OF_EXCEPTION,
            f"{_OUTWARD_ALREADY} goto policy_outward",
            *(() if view.shared else drop_to_tunnel_address()),  # there the first hook, as the address may be both's
            *(f"{match} goto policy_near" for match in _near(view)),
            "goto policy_outward",
        ),
    )
    # netd finds an exit's connections by the first's mark when it changes; that of an exception is its number.
    outward = ("ct mark set meta mark", EXCEPTION_MARK, "meta nfproto . meta mark vmap @outward", "goto refuse_blocked")
    yield chain("policy_outward", outward)
    yield chain("policy_near", (EXCEPTION_MARK,))  # then accepted, as the end of the base chain does
    for family in FAMILIES:
        within = f"meta mark . {ip_word(family)} daddr @exit_routes{family} accept"
        yield chain(f"exit_split{family}", (within, "goto refuse_no_route"))

    redirects: list[str] = []
    for match in from_lan(view):
        redirects.append(f"{match} {PORT53} redirect to :meta mark map @resolver_port")
        redirects.append(f"{match} {PORT53} redirect to :53")  # the resolver that knows only the LAN's own names
    yield chain("prerouting_dns", redirects, hook=base("nat", "prerouting", "dstnat"))


def _near(view: View) -> Iterator[str]:
    """Matches for what is not for the outside: the LAN, the gateway, groups, and DNS, which the next hook redirects."""
    own = view.wan.addresses if view.wan and view.shared else ()
    four = collapse([view.lan4.network, *(ip_network(a.ip) for a in own if a.version == 4)])
    six = collapse([*view.lan_networks(6), *(ip_network(a.ip) for a in own if a.version == 6)])
    yield f"ip daddr {any_of((*four, '224.0.0.0/4', '255.255.255.255'))}"
    yield f"ip6 daddr {any_of((*six, 'fe80::/10', 'ff00::/8'))}"
    yield PORT53
