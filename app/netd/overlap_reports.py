"""The overlaps of what is in use now: the WAN's lease with the LAN, and the tunnels with both (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from app import overlaps
from app.model import LanSettings, LinkProblem, Links
from app.network.plan import ExitPlan, TunnelPlan
from app.overlaps import Claim, Clash


def with_overlap(links: Links, lan: LanSettings) -> Links:
    """``links`` with the overlap as their problem where the WAN's lease makes the WAN useless.

    A WAN without link or address has that fault first, also while its lease is being set: with two faults an answer had
    the code of the one and the message of the other.
    """
    if links.wan is None or not links.wan.usable or links.problem is not None:
        return links
    stops = next((clash for clash in _wan_clashes(links, lan) if clash.stops), None)
    if stops is None:
        return links
    return replace(links, problem=LinkProblem("networks_overlap", stops.message))


def tunnel_clash(
    plan: TunnelPlan, exit_name: str, exits: Iterable[ExitPlan], links: Links, lan: LanSettings
) -> Clash | None:
    """The overlap for which the tunnel of ``plan`` must not be made for exit ``exit_name``."""
    others = [
        claim
        for one in exits
        for tunnel in (one.active, one.candidate, one.draining)
        if tunnel is not None and (one.name, tunnel.slot) != (exit_name, plan.slot)
        for claim in _claims(tunnel, one.name)
    ]
    found = overlaps.clashes(_claims(plan), (*_surroundings(links, lan), *others))
    return next((clash for clash in found if clash.stops), None)


def limits(exits: Iterable[ExitPlan], links: Links, lan: LanSettings) -> tuple[str, ...]:
    """What overlaps without stopping all, or has come since the tunnels were made; for people."""
    around = _surroundings(links, lan)
    found = [clash for clash in _wan_clashes(links, lan) if not clash.stops]
    found += [
        clash
        for one in exits
        if one.active is not None
        for clash in overlaps.clashes(_claims(one.active, one.name), around)
    ]
    return tuple(dict.fromkeys(clash.message for clash in found))


def _wan_clashes(links: Links, lan: LanSettings) -> tuple[Clash, ...]:
    return overlaps.clashes(overlaps.wan_claims(links.wan), _own(links, lan))


def _surroundings(links: Links, lan: LanSettings) -> tuple[Claim, ...]:
    return (*_own(links, lan), *overlaps.wan_claims(links.wan))


def _own(links: Links, lan: LanSettings) -> tuple[Claim, ...]:
    """The gateway's own networks. On a wire shared with the WAN the LAN may be a part of the router's network."""
    shared = links.wan is not None and any(link.name == links.wan.name for link in links.lan)
    return overlaps.STAND_INS if shared else overlaps.lan_claims(lan.networks)


def _claims(tunnel: TunnelPlan, owner: str = "") -> tuple[Claim, ...]:
    return overlaps.tunnel_claims(tunnel.addresses, (peer.address for peer in tunnel.transport), tunnel.dns, owner)
