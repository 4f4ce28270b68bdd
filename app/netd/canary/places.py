"""The places to look at: the LAN's link, every tunnel, the WAN and the port under it (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from app.addresses import Address, Network
from app.canary import filters
from app.canary.identity import TARGETS6, target_network
from app.model import LanSettings, Links
from app.netd.canary.capture import Tap
from app.network.plan import ExitPlan, exit_interface

_CONTROLS = 8  # peers of one filter, whose jumps are short


def targets(links: Links, lan: LanSettings, plans: Iterable[ExitPlan]) -> IPv4Network:
    """The documentation network to send to: none that is in use here, as in a lab."""
    avoid: list[Address | Network] = [*lan.networks]
    if links.wan is not None:
        avoid += [a.network for a in links.wan.addresses]
    for plan in plans:
        for tunnel in (plan.active, plan.candidate, plan.draining):
            if tunnel is not None:
                avoid += [*(peer.address for peer in tunnel.transport), *(a.ip for a in tunnel.addresses), *tunnel.dns]
    return target_network(avoid)


def taps(
    links: Links, plans: Iterable[ExitPlan], own: frozenset[str], network: IPv4Network, *, names_on_lan: bool
) -> tuple[Tap, ...]:
    """The taps for devices of the exits ``own``; what the tunnel of another exit carries of theirs is a leak."""
    plans = tuple(plans)
    incoming = filters.probes("in", network, TARGETS6, names=names_on_lan)
    leaving = filters.probes("out", network, TARGETS6, names=True)
    found = [Tap("lan", links.lan[0].name, incoming)] if links.lan else []
    for plan in plans:
        tunnels = [tunnel for tunnel in (plan.active, plan.candidate, plan.draining) if tunnel is not None]
        where = "tunnel" if plan.name in own else "other"
        names = dict.fromkeys(exit_interface(plan.index, tunnel.slot) for tunnel in tunnels)
        found += [Tap(where, name, leaving) for name in names]
    wan = links.wan
    if wan is not None:
        there = {port.name for port in links.ports}
        names = [n for n in (wan.name, wan.port) if n is not None and (n in there or (n == wan.name and wan.up))]
        found += [Tap("wan", name, leaving) for name in dict.fromkeys(names)]
        peers = [p for plan in plans if plan.name in own and plan.active for p in plan.active.transport]
        if peers and wan.up:
            found.append(Tap("control", wan.name, filters.transport(peers[:_CONTROLS]), first=True))
    return tuple(found)
