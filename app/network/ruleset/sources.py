"""The first hook: spoofed packets are dropped, and the LAN's others go on to their policy (pure)."""

from __future__ import annotations

from collections.abc import Iterator

from app.network.policy import FAMILIES, View
from app.network.ruleset.answers import own_address_rules
from app.network.ruleset.matches import DHCP4, from_lan
from app.network.ruleset.refusals import drop
from app.network.ruleset.syntax import any_of, base, chain, ip_word, quoted


def source_chains(view: View) -> Iterator[str]:
    jumps: list[str] = []  # the links that most packets come from first
    if view.lan:
        jumps.append(f"iifname {quoted(view.lan)} goto sources_lan")
    if view.wan and view.shared:
        jumps.append(f'iifname "{view.wan.name}" jump sources_shared')
        jumps += [f"{match} goto policy_lan" for match in from_lan(view) if view.shared in match]
        jumps.append(f'iifname "{view.wan.name}" accept')
    elif view.wan:
        jumps.append(f'iifname "{view.wan.name}" goto sources_wan')
    jumps += [f"iifname . {ip_word(f)} daddr @tunnel_input{f} goto sources_tunnel" for f in FAMILIES]
    jumps.append(f"iifname @tunnel_link {drop('tunnel_address')}")
    jumps.append('iifname "lo" accept')
    jumps += drop_to_tunnel_address()
    # One chain for sources and policy, as each costs every packet. It is behind connection tracking, which the policy
    # needs; the connection of a packet that is dropped here is never confirmed, and so never kept.
    yield chain("prerouting", jumps, hook=base("filter", "prerouting", "mangle"))
    if view.lan:
        yield chain("sources_lan", _sources_lan(view))
    yield chain("sources_tunnel", _drop_inside_sources(view))
    if view.wan:
        name, rules = ("shared", _sources_shared(view)) if view.shared else ("wan", _sources_wan(view))
        yield chain(f"sources_{name}", rules)
        yield chain("sources_own_address", _sources_own_address(view))
        yield chain("sources_own", _drop_inside_sources(view, lan=not view.shared))


def drop_to_tunnel_address() -> list[str]:
    return [f"{ip_word(f)} daddr @tunnel_address{f} {drop('tunnel_address')}" for f in FAMILIES]


def _to_own_address() -> list[str]:
    """The jumps for the WAN's own addresses, to which almost all that comes from there is sent.

    Those that a tunnel has as well, as NordVPN's and a hotel's first may be, have a chain of their own.
    """
    return [f"{ip_word(family)} daddr vmap @own_address{family}" for family in FAMILIES]


def _sources_own_address(view: View) -> Iterator[str]:
    """Only what the WAN is asked for: any other packet might belong to a connection inside the tunnel.

    Where a device is ``direct``, answers for it may come from anywhere (``sources_own``). Input then has these
    rules again, and forward lets no packet of a tunnel's connection in from the WAN.
    """
    yield from _drop_inside_sources(view, lan=not view.shared, own=False)
    yield from own_address_rules(view, "accept", direct=False)
    yield drop("tunnel_address")


def _drop_own_sources(view: View) -> tuple[list[str], list[str]]:
    """The drops of packets that have the gateway's own address in the LAN as source, of IPv4 and of IPv6."""
    own = ([f"ip saddr {view.lan4.ip}"], [f"ip6 saddr {view.ula.ip}"] if view.ula else [])
    four, six = ([f"{match} {drop('spoofed')}" for match in matches] for matches in own)
    return four, six


def drop_canary() -> str:
    """No device may take the canary's MAC address, whose frames alone carry its mark: the rule for all without it."""
    return f"ether saddr @canary {drop('spoofed')}"


def _sources_lan(view: View) -> Iterator[str]:
    six = any_of((*view.lan_networks(6), "fe80::/10"))
    good = (f"ip saddr {view.lan4.network}", f"ip6 saddr {six}")
    for own, match in zip(_drop_own_sources(view), good, strict=True):
        yield from (*own, f"{match} goto policy_lan")
    # A host that has no address yet: DHCP, and duplicate address detection (RFC 4862).
    yield f"ip saddr 0.0.0.0 {DHCP4} goto policy_lan"
    yield "ip6 saddr :: meta l4proto icmpv6 goto policy_lan"
    yield drop("spoofed")


def _drop_inside_sources(view: View, *, lan: bool = True, own: bool = True) -> list[str]:
    """Drops for sources that no packet from outside can have.

    Those are loopback's, the LAN's with ``lan``, and with ``own`` the gateway's, which the kernel does not look for as
    well (``accept_local`` in :mod:`app.network.sysctl`).
    """
    four, six = ((view.lan4.network,), view.lan_networks(6)) if lan else ((), ())
    own4, own6 = (("@own_source4",), ("@own_source6",)) if own else ((), ())
    return [
        *(f"ip saddr {source} {drop('spoofed')}" for source in (*four, "127.0.0.0/8", *own4)),
        *(f"ip6 saddr {source} {drop('spoofed')}" for source in (any_of((*six, "::1")), *own6)),
    ]


def _sources_wan(view: View) -> Iterator[str]:
    yield from _to_own_address()
    yield from drop_to_tunnel_address()
    yield from _drop_inside_sources(view)
    # No legitimate packet from the WAN is addressed to the LAN: answers to its connections come to the WAN's address.
    yield f"ip daddr {any_of((view.lan4.network, '127.0.0.0/8'))} {drop('spoofed')}"
    if view.ula:
        yield f"ip6 daddr {view.ula.network} {drop('spoofed')}"


def _sources_shared(view: View) -> Iterator[str]:
    """The rules of a shared link: sources of LAN and WAN are valid, loopback and the gateway's own are not."""
    for own in _drop_own_sources(view):
        yield from own
    yield from _to_own_address()
    yield from drop_to_tunnel_address()
    yield f"ip saddr 127.0.0.0/8 {drop('spoofed')}"
    yield f"ip daddr 127.0.0.0/8 {drop('spoofed')}"
    yield f"ip6 saddr ::1 {drop('spoofed')}"
    yield from (f"{ip_word(f)} saddr @own_source{f} {drop('spoofed')}" for f in FAMILIES)
