"""The kernel state beside a plan, as far as packets of the LAN and of tunnels meet it (pure)."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from app.addresses import Interface, Network
from app.network.plan import PlanInput, RoutePlan
from app.network.planner import TABLE_MAIN
from app.packet_trace.host import Surroundings

LINK_LOCAL = IPv6Network("fe80::/64")
EVERYTHING: dict[int, Network] = {4: IPv4Network("0.0.0.0/0"), 6: IPv6Network("::/0")}


def surroundings(inputs: PlanInput) -> Surroundings:
    """The kernel state beside the plan: connected networks and the WAN's default routes, all in main."""
    wan, lan = inputs.links.wan, inputs.links.lan
    addresses: list[tuple[str, Interface]] = []
    if lan:
        addresses += [(lan[0].name, inputs.lan.address), *([(lan[0].name, inputs.lan.ula)] if inputs.lan.ula else [])]
    outside = [(wan.name, a) for a in wan.addresses] if wan is not None else []
    addresses += outside
    main = [RoutePlan(TABLE_MAIN, a.version, a.network, oif=name) for name, a in addresses]
    main += [RoutePlan(TABLE_MAIN, 6, LINK_LOCAL, oif=name) for name in dict.fromkeys(name for name, _ in addresses)]
    if wan is not None:
        gateways = [g for g in (wan.gateway4, wan.gateway6) if g is not None]
        main += [RoutePlan(TABLE_MAIN, g.version, EVERYTHING[g.version], oif=wan.name, gateway=g) for g in gateways]
    return Surroundings(tuple(main), tuple(outside))
