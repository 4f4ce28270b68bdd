"""The name servers that can be asked inside a tunnel, so that the ISP does not see which names are looked up (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from app.addresses import Address, Network
from app.network.plan import ExitPlan, exit_mark


class NameServersInside(Struct, frozen=True):
    """Name servers, and the mark of the packets that reach them through a tunnel."""

    mark: int
    servers: tuple[Address, ...]


def name_servers_inside(plans: Iterable[ExitPlan], local: Iterable[Network] = ()) -> NameServersInside | None:
    """Those of the first tunnel that is up, carries the Internet and reaches one; None where there is no such tunnel.

    A split tunnel is left out: its resolver knows the names of one company, and the company need not know ours.
    """
    behind = tuple(local)
    for plan in plans:
        tunnel = plan.active
        if tunnel is None or not (tunnel.carries_all(4) or tunnel.carries_all(6)):
            continue
        servers = tuple(a for a in tunnel.dns if _within(a, tunnel.routes) and not _within(a, behind))
        if servers:
            return NameServersInside(exit_mark(plan.index), servers)
    return None


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == n.version and address in n for n in networks)
