"""Kernel parameters below /proc/sys: those that the gateway needs, and how they are read and written.

A path is given with slashes, for an interface's name may hold a dot. Sources: the kernel's ip-sysctl document.
"""

from __future__ import annotations

from pathlib import Path

from app.network.policy import View

ROOT = Path("/proc/sys")

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


def planned(seen: View) -> tuple[tuple[str, str], ...]:
    """(path, value), in the order to write them (pure).

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


def forwards(name: str) -> bool:
    """Whether the parameter turns forwarding on: to be done only when both locks are closed (pure)."""
    return name.rpartition("/")[2] in {"ip_forward", "forwarding"}


# --- the kernel ------------------------------------------------------------------------------------------------------


def read(name: str) -> str | None:
    """The value now; None where the kernel has no such parameter (an interface that is gone)."""
    try:
        return " ".join((ROOT / name).read_text().split())
    except OSError:
        return None


def write(name: str, value: str) -> None:
    """Raises OSError, which names the file."""
    (ROOT / name).write_text(value)
