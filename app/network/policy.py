"""The planner's input, checked and interpreted: LAN links, the mark of each device, what each tunnel carries (pure).

Every value that becomes text in the ruleset is checked here first, so that a bad name or number raises an error that
names the field and can neither break nor open the ruleset.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Interface, IPv6Interface
from typing import Literal, assert_never

from msgspec import Struct

from app.addresses import Address, Family, Interface, Network, collapse
from app.errors import InvalidFieldError
from app.lan import RESOLVERS4, RESOLVERS6, check_address, check_ula
from app.mac_address import is_canonical
from app.model import BlockedPolicy, DirectPolicy, LanBridge, Policy, VpnPolicy, WaitingPolicy, WanLink
from app.network.plan import (
    MARK_BLOCKED,
    MARK_DIRECT,
    MARK_WAITING,
    MAX_EXCEPTIONS,
    MAX_EXITS,
    ExitPlan,
    PlanInput,
    TransportPeer,
    TunnelPlan,
    exit_interface,
    exit_mark,
)
from app.network.resolvers import obstacle
from app.policies import PlannedException

FAMILIES: tuple[Family, Family] = (4, 6)

VIPS4 = RESOLVERS4
VIPS6 = RESOLVERS6

MIN_MTU = 576  # bytes, RFC 791

_INTERFACE = re.compile(r"[A-Za-z0-9_.:-]{1,15}")


Role = Literal["active", "retiring", "candidate", "draining"]


class Tunnel(Struct, frozen=True):
    """A WireGuard interface as the rules see it, limited to what its own addresses and allowed IPs can carry.

    ``retiring`` is the tunnel that an ``active`` one replaces: ruleset and routes cannot change at the same instant, so
    the exit's packets may use it until the routes have changed. ``draining`` has no successor and carries nothing.
    """

    exit: int
    interface: str
    role: Role
    addresses: tuple[Interface, ...]
    mtu: int
    transport: tuple[TransportPeer, ...]
    routes: tuple[Network, ...]
    dns: tuple[Address, ...]

    def carries(self, family: Family) -> tuple[Network, ...]:
        return tuple(n for n in self.routes if n.version == family)

    def has_default(self, family: Family) -> bool:
        return any(n.prefixlen == 0 for n in self.carries(family))

    def resolvers(self, family: Family) -> tuple[Address, ...]:
        return tuple(a for a in self.dns if a.version == family)


class Exit(Struct, frozen=True):
    index: int
    tunnels: tuple[Tunnel, ...]

    @property
    def mark(self) -> int:
        return exit_mark(self.index)

    @property
    def active(self) -> Tunnel | None:
        """The tunnel that the exit's routes lead to."""
        for tunnel in self.tunnels:
            if tunnel.role == "active":
                return tunnel
        return None

    @property
    def carrying(self) -> tuple[Tunnel, ...]:
        """The tunnels that the exit's packets may pass."""
        return tuple(t for t in self.tunnels if t.role in {"active", "retiring"})


class Excepted(Struct, frozen=True):
    """Devices that have ``mark`` for a while in place of their own."""

    slot: int
    mark: int
    macs: tuple[str, ...]
    deadline: float  # CLOCK_BOOTTIME


class View(Struct, frozen=True):
    """The planner's input after checking, in the terms that rules, routes and ruleset use."""

    lan: tuple[str, ...]  # links that are the LAN's only
    shared: str | None  # the link that is WAN and LAN at once (one-arm), known by source address only
    wan: WanLink | None
    wan_name: str | None  # also of a WAN that does not exist yet
    lan4: IPv4Interface
    ula: IPv6Interface | None
    exits: tuple[Exit, ...]
    default_mark: int
    device_marks: tuple[tuple[str, int], ...]  # (MAC, mark), sorted
    marks: frozenset[int]  # of the devices and the default
    direct: bool  # some device, or the default, may use the WAN in the clear, if only for a while
    direct_stands: bool  # one may by its standing policy, so not only until an exception ends
    bridge: LanBridge | None = None
    exceptions: tuple[Excepted, ...] = ()
    canary: tuple[str, ...] = ()  # MAC addresses of the gateway's own devices in the LAN, sorted

    @property
    def waiting(self) -> bool:
        """Whether some device waits for its admission, or would."""
        return MARK_WAITING in self.marks

    @property
    def lan_names(self) -> tuple[str, ...]:
        return (*self.lan, *((self.shared,) if self.shared else ()))

    @property
    def tunnels(self) -> tuple[Tunnel, ...]:
        return tuple(t for e in self.exits for t in e.tunnels)

    @property
    def carrying(self) -> tuple[Tunnel, ...]:
        return tuple(t for e in self.exits for t in e.carrying)

    def lan_networks(self, family: Family) -> tuple[Network, ...]:
        if family == 4:
            return (self.lan4.network,)
        return (self.ula.network,) if self.ula else ()

    def addresses_on_both(self, family: Family) -> tuple[Address, ...]:
        """The WAN's own addresses that a tunnel has, too."""
        inside = {a.ip for t in self.tunnels for a in t.addresses}
        own = self.wan.addresses if self.wan else ()
        return tuple(a.ip for a in own if a.version == family and a.ip in inside)

    def addresses_outside(self, family: Family) -> tuple[Address, ...]:
        """The WAN's own addresses; without those that belong to the LAN's networks as well, if the LAN is elsewhere."""
        inside = () if self.shared else self.lan_networks(family)
        own = self.wan.addresses if self.wan else ()
        return tuple(a.ip for a in own if a.version == family and not any(a.ip in n for n in inside))

    def direct_gateway(self, family: Family) -> Address | None:
        """The router for packets in the clear; None where no device may send any or the WAN has no router."""
        if self.wan is None or not self.direct:
            return None
        return self.wan.gateway4 if family == 4 else self.wan.gateway6

    @property
    def direct_resolvers(self) -> tuple[Address, ...]:
        """The WAN's own resolvers, for the devices whose packets leave in the clear."""
        found = self.wan.nameservers if self.wan is not None else ()
        return tuple(a for a in found if self.direct_gateway(a.version) is not None and not a.is_link_local)


def policy_mark(policy: Policy | WaitingPolicy, exits: dict[str, int]) -> int:
    """The packet mark of ``policy``; an exit that does not exist counts as blocked."""
    match policy:
        case VpnPolicy(exit=name):
            return exit_mark(exits[name]) if name in exits else MARK_BLOCKED
        case DirectPolicy():
            return MARK_DIRECT
        case BlockedPolicy():
            return MARK_BLOCKED
        case WaitingPolicy():
            return MARK_WAITING
        case _:
            assert_never(policy)


def make_view(inputs: PlanInput) -> View:
    """Check and interpret ``inputs``. Raises InvalidFieldError."""
    wan = inputs.links.wan
    names = tuple(dict.fromkeys(link.name for link in inputs.links.lan))
    bridge = inputs.links.bridge
    members = (*bridge.ports, *bridge.radios) if bridge else ()
    wan_names = [n for n in (wan.name if wan else None, inputs.links.expected) if n]
    for name in (*names, *members, *wan_names):
        _check(_INTERFACE.fullmatch(name) is not None, "links", "not an interface name")
    _check(wan is None or wan.name not in members, "links", "the WAN is a port of the LAN's bridge")
    _check(bridge is None or bridge.name in names, "links", "the bridge is not the LAN")
    lan4, ula = inputs.lan.address, inputs.lan.ula
    check_address(lan4)
    if ula is not None:
        check_ula(ula)
    for port in inputs.http_ports:
        _check(0 < port < 65536, "http_ports", "not a port")
    for peer in inputs.clear_api:
        _check(0 < peer.port < 65536, "clear_api", "not a port")
    indexes = {e.name: e.index for e in inputs.exits}
    _check(len(set(indexes.values())) == len(inputs.exits), "exits", "two exits share a name or a number")
    shared = wan.name if wan is not None and wan.name in names else None
    marks: dict[str, int] = {}
    of_policy: dict[Policy | WaitingPolicy, int] = {}  # a thousand devices have a few
    for mac, policy in (*inputs.devices, *inputs.canary):
        lower = mac.lower()
        if not is_canonical(lower):
            _check(False, "devices", "not a MAC address")
        if policy not in of_policy:
            of_policy[policy] = policy_mark(policy, indexes)
        marks[lower] = of_policy[policy]
    local: tuple[Network, ...] = (lan4.network, ula.network) if ula else (lan4.network,)
    default_mark = policy_mark(inputs.default_policy, indexes)
    used = frozenset((default_mark, *marks.values()))
    direct_stands = MARK_DIRECT in used
    exceptions = tuple(_excepted(e, indexes) for e in inputs.exceptions)
    _check(len({e.slot for e in exceptions}) == len(exceptions), "exceptions", "two exceptions share a number")
    return View(
        lan=tuple(n for n in names if n != shared),
        shared=shared,
        wan=wan,
        wan_name=wan.name if wan else inputs.links.expected,
        lan4=lan4,
        ula=ula,
        exits=tuple(_exit(e, local) for e in sorted(inputs.exits, key=lambda e: e.index)),
        default_mark=default_mark,
        device_marks=tuple(sorted(marks.items())),
        marks=used,
        direct=direct_stands or any(e.mark == MARK_DIRECT for e in exceptions),
        direct_stands=direct_stands,
        bridge=bridge,
        canary=tuple(sorted(mac for mac, _ in inputs.canary)),
        exceptions=exceptions,
    )


def _excepted(planned: PlannedException, exits: dict[str, int]) -> Excepted:
    _check(0 <= planned.slot < MAX_EXCEPTIONS, "exceptions", f"their numbers are 0 to {MAX_EXCEPTIONS - 1}")
    macs = tuple(sorted({mac.lower() for mac in planned.macs}))
    _check(all(is_canonical(mac) for mac in macs), "exceptions", "not a MAC address")
    return Excepted(planned.slot, policy_mark(planned.policy, exits), macs, planned.deadline)


def _check(good: bool, field: str, message: str) -> None:
    if not good:
        raise InvalidFieldError(f"{field}: {message}", field=field)


def _exit(plan: ExitPlan, local: tuple[Network, ...]) -> Exit:
    _check(0 <= plan.index < MAX_EXITS, "exits", f"the number of an exit is 0 to {MAX_EXITS - 1}")
    roles: tuple[tuple[Role, TunnelPlan | None], ...] = (
        ("active", plan.active),
        ("candidate", plan.candidate),
        ("retiring" if plan.active else "draining", plan.draining),
    )
    tunnels = tuple(_tunnel(plan.index, role, t, local) for role, t in roles if t is not None)
    _check(len({t.interface for t in tunnels}) == len(tunnels), "exits", "two tunnels of an exit share a slot")
    return Exit(plan.index, tunnels)


def _tunnel(index: int, role: Role, plan: TunnelPlan, local: tuple[Network, ...]) -> Tunnel:
    _check(MIN_MTU <= plan.mtu <= 65535, "mtu", f"{plan.mtu} is not {MIN_MTU} to 65535")
    for peer in plan.transport:
        _check(0 < peer.port < 65536, "endpoint", "not a port")
    families = {a.version for a in plan.addresses}
    # A family without a tunnel address cannot be carried: there is no source to translate the LAN's packets to.
    routes = collapse(n for n in plan.routes if n.version in families)
    dns = tuple(a for a in dict.fromkeys(plan.dns) if obstacle(a, plan.addresses, routes, local) is None)
    return Tunnel(
        exit=index,
        interface=exit_interface(index, plan.slot),
        role=role,
        addresses=plan.addresses,
        mtu=plan.mtu,
        transport=plan.transport,
        routes=routes,
        dns=dns,
    )
