"""The MTU of a tunnel, and where it comes from (pure).

A setting counts first, then what the server's file says, then what was found to pass, else the WAN's MTU less
WireGuard's overhead.
"""

from __future__ import annotations

from msgspec.structs import replace

from app.model import MIN_TUNNEL_MTU, MtuOrigin
from app.tunnel.states import Tunnel

OVERHEAD = 80  # bytes: IPv6 header 40, UDP 8, WireGuard 32 (whitepaper 5.4.6)


def route_mtu(wan_mtu: int) -> int:
    """The largest MTU at which WireGuard's packets fit into one packet of the WAN."""
    return max(MIN_TUNNEL_MTU, wan_mtu - OVERHEAD)


def choose_mtu(
    by_exit: int | None, by_provider: int | None, *, given: int | None, wan_mtu: int, found: int | None = None
) -> tuple[int, MtuOrigin]:
    """The MTU of a tunnel; ``by_exit`` and ``by_provider`` are set for it. ``given`` is that of the server's file.

    ``found`` is the largest size seen to pass; it never exceeds the route's.
    """
    if by_exit is not None:
        return by_exit, "exit"
    if by_provider is not None:
        return by_provider, "provider"
    if given is not None:
        return given, "server"
    route = route_mtu(wan_mtu)
    return (found, "found") if found is not None and found < route else (route, "route")


def with_mtu(tunnel: Tunnel, mtu: int, origin: MtuOrigin) -> Tunnel:
    return replace(tunnel, plan=replace(tunnel.plan, mtu=mtu), mtu_origin=origin)
