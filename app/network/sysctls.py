"""The kernel settings that the gateway stands on (pure). Sources: the kernel's ip-sysctl document."""

from __future__ import annotations

from app.network.policy import View

_EVERYWHERE = (
    # First, for writing it resets other settings of the same tree.
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    # A port answers ARP for its own addresses only, so nobody on LAN or WAN can probe for the tunnel's
    # (CVE-2019-14899). Not 2: that also wants the asker within our prefix, which a WAN with a /32 is not.
    ("net/ipv4/conf/all/arp_ignore", "1"),
    ("net/ipv4/conf/all/arp_announce", "2"),
    ("net/ipv4/conf/all/accept_redirects", "0"),
    ("net/ipv4/conf/all/accept_source_route", "0"),
    ("net/ipv4/conf/all/route_localnet", "0"),
    ("net/ipv4/conf/default/route_localnet", "0"),
    ("net/ipv4/conf/all/send_redirects", "0"),
    ("net/ipv4/conf/default/send_redirects", "0"),
    ("net/ipv6/conf/all/accept_source_route", "0"),
    ("net/ipv6/conf/default/accept_redirects", "0"),
    # The kernel asks the reverse path without a mark, as if from the gateway itself: while no tunnel is up that is
    # unreachable, and with 1 or 2 (the highest of "all" and the link's counts) the tunnel's own handshake would be
    # dropped on the WAN. nftables checks sources on every link instead.
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
)


def sysctls(seen: View) -> tuple[tuple[str, str], ...]:
    """(path under /proc/sys, value), in the order to write them.

    How the WAN takes router advertisements is left to whoever runs that link: networkd handles them itself and keeps
    the kernel's ``accept_ra`` at 0, a link without networkd needs 2.
    """
    found = list(_EVERYWHERE)
    outside = (seen.wan.name,) if seen.wan else ()
    tunnels = tuple(t.interface for t in seen.tunnels)
    for name in dict.fromkeys((*seen.lan_names, *outside, *tunnels)):
        # Strict on a LAN of its own, where it is a second look at spoofed sources (RFC 3704).
        strict = seen.lan == (name,) and seen.shared is None
        found += [
            (f"net/ipv4/conf/{name}/rp_filter", "1" if strict else "0"),
            (f"net/ipv4/conf/{name}/send_redirects", "0"),
            (f"net/ipv4/conf/{name}/route_localnet", "0"),
            (f"net/ipv6/conf/{name}/accept_redirects", "0"),
        ]
        if name not in outside:
            found.append((f"net/ipv6/conf/{name}/accept_ra", "0"))
    return tuple(found)
