"""Kernel parameters below /proc/sys: the planned values, reading and writing.

A path has slashes, because an interface's name may contain a dot. Source: the kernel's ip-sysctl document.
"""

from __future__ import annotations

import os
from pathlib import Path

from app.network.plan import OWN_PORTS
from app.network.policy import View

ROOT = Path("/proc/sys")
_LONGEST = 4096  # bytes of a value

_EVERYWHERE = (
    # First, because writing it resets other settings of the same tree.
    ("net/ipv4/ip_forward", "1"),
    ("net/ipv6/conf/all/forwarding", "1"),
    # A port answers ARP for its own addresses only, so that the tunnel's cannot be probed from LAN or WAN
    # (CVE-2019-14899). Not 2: that also requires the sender to be within our prefix, which fails on a WAN with a /32.
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
    # The kernel looks up the reverse path without a mark, as for the gateway's own packets: while no tunnel is up that
    # is unreachable, and with 1 or 2 (the higher of "all" and the link's applies) the tunnel's handshake would be
    # dropped on the WAN. nftables checks sources on every link instead.
    ("net/ipv4/conf/all/rp_filter", "0"),
    ("net/ipv4/conf/default/rp_filter", "0"),
    ("net/ipv4/ip_local_port_range", f"{OWN_PORTS[0]} {OWN_PORTS[-1]}"),
    # Saves a look-up for a host's own connections; a router has few. With it the kernel drops a device's answer to
    # app.network.end_connections, whose socket it finds instead of forwarding.
    ("net/ipv4/tcp_early_demux", "0"),
    # No reports of the groups in 224.0.0.0/24, which every switch passes on without them (RFC 4541): with one port for
    # LAN and WAN they would go out in the clear.
    ("net/ipv4/igmp_link_local_mcast_reports", "0"),
    # Smaller packets than IPv6's smallest are of no use to anybody but who forges "fragmentation needed".
    ("net/ipv4/route/min_pmtu", "1280"),
    # Hours of silence instead of five days, so that dead connections do not fill the table (RFC 5382, REQ-5).
    ("net/netfilter/nf_conntrack_tcp_timeout_established", "7440"),
)


def planned(view: View) -> tuple[tuple[str, str], ...]:
    """The parameters as (path, value), in the order to write them (pure).

    The WAN's ``accept_ra`` is left alone: networkd handles router advertisements itself and keeps it at 0, a link
    without networkd needs 2.
    """
    found = list(_EVERYWHERE)
    outside = (view.wan.name,) if view.wan else ()
    tunnels = tuple(t.interface for t in view.tunnels)
    for name in dict.fromkeys((*view.lan_names, *outside, *tunnels)):
        # The kernel would look up each packet's source as well, past all rules, to see whether it is the link's, or at
        # least not the gateway's own. The ruleset has dropped those packets by then (RFC 3704; app.network.ruleset
        # .sources): "1" saves all others the look-up, which costs forwarding 2 % and more. Without the ruleset no packet
        # of the LAN has a route to the outside anyhow.
        found += [
            (f"net/ipv4/conf/{name}/rp_filter", "0"),
            (f"net/ipv4/conf/{name}/accept_local", "1"),
            (f"net/ipv4/conf/{name}/send_redirects", "0"),
            (f"net/ipv4/conf/{name}/route_localnet", "0"),
            (f"net/ipv6/conf/{name}/accept_redirects", "0"),
        ]
        if name not in outside:
            found.append((f"net/ipv6/conf/{name}/accept_ra", "0"))
    return tuple(found)


def enables_forwarding(name: str) -> bool:
    """Whether the parameter enables forwarding, which must wait until ruleset and routes are in force (pure)."""
    return name.rpartition("/")[2] in {"ip_forward", "forwarding"}


# --- the kernel ------------------------------------------------------------------------------------------------------


def read(name: str) -> str | None:
    """The present value; None where the kernel has no such parameter (an interface that is gone)."""
    try:  # without the layers of a file object: they are read twice a second
        descriptor = os.open(f"{ROOT}/{name}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return " ".join(os.read(descriptor, _LONGEST).decode().split())
    except OSError:
        return None
    finally:
        os.close(descriptor)


def write(name: str, value: str) -> None:
    """Raises OSError, which names the file."""
    (ROOT / name).write_text(value)
