"""The roles of the ports: which is the WAN and which are the LAN, from the settings and what is plugged in (pure).

A port that carries the ISP's network and one that carries the LAN must never be in one bridge: frames would pass
between them unseen by any packet filter of the IP layer. So on a machine with a bridge nothing is guessed: the WAN is
the port that was named, or the one called ``wan...``, as the port on the board is; without it no port joins.

A WAN that is a VLAN or PPPoE is an interface of its own, on a port that carries it: its carrier. What else goes over
that port's wire is the provider's network as well, so the carrier is kept out of the LAN like the WAN itself. Ports
join the bridge once the carrier is known: a PPPoE session comes and goes, and the LAN stays.

Settings that point at two ports (a place without its controller, two adapters with one MAC address) name none: either
may be the ISP's, so there is no WAN, and neither of the two is the LAN's.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from msgspec import Struct
from msgspec.structs import replace

from app import portname
from app.lan import BRIDGE
from app.model import LanBridge, LinkProblem, LinkSettings, NetworkPort


class Roles(Struct, frozen=True):
    wan: str | None  # a VLAN or PPPoE is named before it exists
    lan: tuple[str, ...]
    bridge: LanBridge | None
    ports: tuple[NetworkPort, ...]
    problem: LinkProblem | None
    carrier: str | None = None  # the port under the WAN, where that is another interface


def never_one_arm(single: bool) -> bool:  # noqa: ARG001
    return False


def roles(
    settings: LinkSettings,
    ports: Sequence[NetworkPort],
    *,
    others: Sequence[str] = (),
    in_bridge: frozenset[str] = frozenset(),
    lan_ports: frozenset[str] = frozenset(),
    one_arm: Callable[[bool], bool] = never_one_arm,
) -> Roles:
    """The roles of ``ports``.

    ``others`` are interfaces that are not ports (the bridge among them), ``in_bridge`` the ports that are in a bridge
    now, ``lan_ports`` those that were the LAN's when the WAN was last known. Without a bridge called ``br-lan`` the WAN
    is the port named in the settings, or called ``wan...``, or the first wired one, those on the board before USB's;
    the LAN is all other wired ports. Where the settings name none, ``one_arm(single)`` decides whether the WAN's port
    is the LAN's as well; ``single`` says that there is no other port.
    """
    wired = sorted((p for p in ports if not p.radio), key=lambda p: (p.usb is not None, p.name))
    modems = {p.name for p in wired if p.driver in portname.MODEM_DRIVERS}
    bridged = BRIDGE in others
    named = settings.carrier or settings.wan
    candidates = [p for p in ports if named is not None and points_at(named, p)]
    only = candidates[0].name if len(candidates) == 1 else None
    carrier = only if settings.carrier is not None else None
    if named is None:
        wan = _detected([p for p in wired if p.name not in modems], in_bridge, bridged=bridged)
    elif settings.carrier is not None:
        wan = settings.wan if carrier is not None else None
    else:
        wan = only or (named if not candidates and named in others else None)
    outside = {wan, carrier}
    doubtful = {p.name for p in candidates} - outside
    eligible = tuple(
        sorted(p.name for p in wired if p.name not in outside and p.name not in doubtful and p.name not in modems)
    )

    lan = settings.lan
    if lan is None:
        lan = (BRIDGE,) if bridged else tuple(n for n in eligible if n not in in_bridge)
        alone = len(wired) == 1 and not in_bridge - {p.name for p in wired}
        if settings.wan is None and wan is not None and one_arm(alone):
            lan = (wan,)
    there = {*others, *(p.name for p in ports)}
    # One-arm by settings: the LAN is named in the same form as the WAN.
    lan = tuple(name for n in lan if (name := wan if wan is not None and n == settings.wan else n) in there)
    lan = tuple(n for n in lan if n not in doubtful)
    if settings.carrier is not None:
        lan = tuple(n for n in lan if n not in outside)  # a WAN that is a VLAN or a session cannot share its wire

    bridge = None
    if BRIDGE in lan:
        radios = tuple(sorted(p.name for p in ports if p.radio and p.name in in_bridge and p.name not in outside))
        bridge = LanBridge(BRIDGE, tuple(n for n in eligible if wan is not None or n in lan_ports), radios)
    lans = {*lan, *((*bridge.ports, *bridge.radios) if bridge else ())}
    with_roles = tuple(
        replace(
            p, role="wan" if p.name in outside else "lan" if p.name in lans else "modem" if p.name in modems else "none"
        )
        for p in sorted(ports, key=lambda p: p.name)
    )
    problem = _problem(settings, with_roles, candidates, bridged=bridged) if wan is None else None
    return Roles(wan, lan, bridge, with_roles, problem, carrier)


def _detected(wired: Sequence[NetworkPort], in_bridge: frozenset[str], *, bridged: bool) -> str | None:
    named = [p.name for p in wired if p.name.startswith("wan") and (bridged or p.name not in in_bridge)]
    if named or bridged:
        return min(named, default=None)
    return next((p.name for p in wired if p.name not in in_bridge and not p.name.startswith("lan")), None)


def expected(settings: LinkSettings, there: Container[str], last: str | None) -> str | None:
    """The name that the WAN will have once it is there: the one in the settings, or its ``last``.

    None where it cannot be known, and where an interface in ``there`` has the name already: that is not the WAN.
    """
    name = last or "wan"
    if settings.wan is not None:
        parsed = portname.parse(settings.wan) if portname.is_valid(settings.wan) else None
        name = parsed.text if parsed is not None and parsed.is_interface else last
    return name if name is not None and name not in there else None


def points_at(text: str, port: NetworkPort) -> bool:
    """Whether ``text``, in a form of :mod:`app.portname`, names ``port``."""
    try:
        name = portname.parse(text)
    except ValueError:
        return False
    match name.kind:
        case "name":
            return port.name == name.text
        case "mac":
            return port.mac == name.text
        case "usb":
            return portname.is_at(port.usb, name.text)
        case "modem":
            return port.driver in portname.MODEM_DRIVERS


_CHOOSE = "on the page, with `vpn-gateway wan PORT` or with wan = in the section [network] of gateway.toml choose"


def _problem(
    settings: LinkSettings, ports: Sequence[NetworkPort], candidates: Sequence[NetworkPort], *, bridged: bool
) -> LinkProblem | None:
    there = "; ".join(describe(p) for p in ports) or "none"
    if len(candidates) > 1:
        return LinkProblem(
            "wan_ambiguous",
            f"{settings.carrier or settings.wan} is more than one port: {' and '.join(p.name for p in candidates)}."
            f" It is not known which of them is the WAN, so no port joins the LAN: {_CHOOSE} it, by its whole place"
            f" or its MAC address. The ports: {there}",
        )
    if settings.wan is not None:
        return LinkProblem(
            "wan_missing",
            f"the WAN port {settings.carrier or settings.wan} is not there, so no port joins the LAN:"
            f" plug it in, or {_CHOOSE} another one. The ports: {there}",
        )
    if bridged:
        return LinkProblem(
            "wan_unknown",
            "it is not known which port is the WAN, so no port joins the LAN:"
            f" {_CHOOSE} it, by its MAC address or its place. The ports: {there}",
        )
    return None


def describe(port: NetworkPort) -> str:
    """The port in words: ``enx00e04c680122 (r8152, 00:e0:4c:68:01:22, usb-1.2@0000:01:00.0, cable in)``."""
    facts = [port.driver, port.mac, port.usb, "radio" if port.radio else "cable in" if port.carrier else "no cable"]
    return f"{port.name} ({', '.join(f for f in facts if f)})"
