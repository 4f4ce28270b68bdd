"""Representative scenarios: inputs of the planner, with the kernel state around the plan."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface, ip_network

from msgspec.structs import replace

from app.addresses import Interface
from app.canary.identity import policies as canary_policies
from app.model import (
    BlockedPolicy,
    DirectPolicy,
    LanBridge,
    LanLink,
    LanSettings,
    Links,
    Policy,
    VpnPolicy,
    WaitingPolicy,
    WanLink,
)
from app.network.plan import ExitPlan, PlanInput, RoutePlan, Slot, TransportPeer, TunnelPlan
from app.network.planner import TABLE_MAIN
from app.packet_trace import Surroundings
from app.policies import PlannedException

LAN = LanSettings(ula=IPv6Interface("fd12:3456:789a::1/64"))
BY_DEFAULT = VpnPolicy()
EVERYTHING = ("0.0.0.0/0", "::/0")

WAN = WanLink(
    "wan",
    up=True,
    addresses=(ip_interface("203.0.113.5/24"), ip_interface("2001:db8:1::5/64")),
    gateway4=ip_address("203.0.113.1"),
    gateway6=IPv6Address("fe80::1"),
    nameservers=(ip_address("203.0.113.1"), ip_address("2001:db8:1::53")),
)
WAN4 = WanLink(
    "wan",
    up=True,
    addresses=(ip_interface("203.0.113.5/24"),),
    gateway4=ip_address("203.0.113.1"),
    nameservers=(ip_address("203.0.113.1"),),
)

DIRECT_MAC, BLOCKED_MAC, WORK_MAC, OTHER_MAC, PLAIN_MAC = (f"02:00:00:00:00:0{n}" for n in range(1, 6))
MACS = (DIRECT_MAC, BLOCKED_MAC, WORK_MAC, OTHER_MAC, PLAIN_MAC)
DEVICES: tuple[tuple[str, Policy], ...] = (
    (DIRECT_MAC, DirectPolicy()),
    (BLOCKED_MAC, BlockedPolicy()),
    (WORK_MAC, VpnPolicy("work")),
    (OTHER_MAC, VpnPolicy("no such exit")),
)


def tunnel(
    slot: Slot = "a",
    addresses: tuple[str, ...] = ("10.64.1.2/32", "fc00:bbbb::2/128"),
    routes: tuple[str, ...] = EVERYTHING,
    dns: tuple[str, ...] = ("10.64.0.1", "fc00:bbbb::1"),
    peer: str = "198.51.100.7",
    mtu: int = 1420,
) -> TunnelPlan:
    return TunnelPlan(
        slot=slot,
        addresses=tuple(ip_interface(a) for a in addresses),
        mtu=mtu,
        transport=(TransportPeer(ip_address(peer), 51820),),
        routes=tuple(ip_network(r) for r in routes),
        dns=tuple(ip_address(a) for a in dns),
    )


SECOND = tunnel("b", ("10.65.3.4/32",), ("0.0.0.0/0",), ("10.65.0.1",), "198.51.100.8", 1380)
WORK = tunnel("a", ("10.9.1.2/24",), ("10.0.0.0/8", "172.31.0.0/16"), ("10.9.0.1", "10.9.0.2"), "198.51.100.9")
SPLIT = tunnel("a", ("10.9.1.2/24", "fd77::2/64"), ("10.0.0.0/8", "fc00:bbbb::/32"), ("10.9.0.1",))
SIX = tunnel("a", ("fd77::2/64",), ("::/0",), ("fd77::1",), "2001:db8:9::9")


def inputs(
    *exits: ExitPlan,
    wan: WanLink | None = WAN,
    lan: tuple[str, ...] = ("br-lan",),
    settings: LanSettings = LAN,
    default: Policy | WaitingPolicy = BY_DEFAULT,
    devices: tuple[tuple[str, Policy | WaitingPolicy], ...] = (),
    **more: object,
) -> PlanInput:
    links = Links(wan, tuple(LanLink(n) for n in lan))
    return PlanInput(links=links, lan=settings, exits=exits, default_policy=default, devices=devices, **more)  # type: ignore[arg-type]


def default_exit(**tunnels: TunnelPlan) -> ExitPlan:
    return ExitPlan("default", 0, **tunnels)


def with_bridge(*exits: ExitPlan, **more: object) -> PlanInput:
    made = inputs(*exits, http_ports=(80, 5000, 22), **more)  # type: ignore[arg-type]
    return replace(made, links=replace(made.links, bridge=LanBridge("br-lan", ("lan1", "lan2"), ("radio1",))))


# One wire for both, the LAN in a network of its own; and the LAN within the router's network, as a second address.
_ONE_ARM = WanLink("eth0", True, 1500, WAN.addresses, WAN.gateway4, WAN.gateway6, WAN.nameservers)
_SAME_NET = WanLink(
    "eth0",
    up=True,
    addresses=(ip_interface("192.168.1.50/24"),),
    gateway4=ip_address("192.168.1.1"),
    nameservers=(ip_address("192.168.1.1"),),
)
# A network whose first lease is the address that the VPN gives to everybody.
_AS_INSIDE = WanLink(
    "wan",
    up=True,
    addresses=(ip_interface("10.64.1.2/16"), ip_interface("fc00:bbbb::2/127")),
    gateway4=ip_address("10.64.0.1"),
    gateway6=IPv6Address("fe80::1"),
    nameservers=(ip_address("10.64.0.1"), ip_address("2001:db8:1::53")),
)
_TWO_PEERS = replace(
    tunnel(),
    transport=(TransportPeer(ip_address("198.51.100.7"), 51820), TransportPeer(ip_address("2001:db8:9::9"), 51820)),
)
# On one wire, beside the LAN's own addresses: of another kind than those, so that the kernel's choice is clear.
_AS_INSIDE_ONE_ARM = replace(
    _AS_INSIDE, name="eth0", addresses=(ip_interface("10.64.1.2/16"), ip_interface("2001:db8:b::2/64"))
)
_PUBLIC_INSIDE = replace(_TWO_PEERS, addresses=(ip_interface("10.64.1.2/32"), ip_interface("2001:db8:b::2/128")))

SCENARIOS: dict[str, Callable[[], PlanInput]] = {
    "disconnected": lambda: inputs(default_exit()),
    "connecting": lambda: inputs(
        default_exit(candidate=tunnel()), lookup_servers=(ip_address("203.0.113.1"), ip_address("2001:db8:1::53"))
    ),
    "connected": lambda: inputs(default_exit(active=tunnel())),
    "connected-ipv4": lambda: inputs(default_exit(active=SECOND), wan=WAN4),
    "connected-ipv6": lambda: inputs(default_exit(active=SIX)),
    "connected-split": lambda: inputs(default_exit(active=SPLIT)),
    "switching": lambda: inputs(default_exit(active=tunnel(), candidate=SECOND)),
    "flip": lambda: inputs(default_exit(active=SECOND, draining=tunnel())),
    "disconnecting": lambda: inputs(default_exit(draining=tunnel())),
    "policies": lambda: inputs(
        default_exit(active=tunnel(), candidate=SECOND), ExitPlan("work", 1, WORK), ExitPlan("idle", 7), devices=DEVICES
    ),
    # As "policies", but for a while: the ends are far enough for any machine that runs the tests.
    "exceptions": lambda: inputs(
        default_exit(active=tunnel()),
        ExitPlan("work", 1, WORK),
        devices=((BLOCKED_MAC, BlockedPolicy()), (WORK_MAC, BlockedPolicy()), (DIRECT_MAC, VpnPolicy())),
        exceptions=(
            PlannedException(0, DirectPolicy(), (DIRECT_MAC,), 9e7),
            PlannedException(7, VpnPolicy("work"), (WORK_MAC, OTHER_MAC), 9e7),
        ),
    ),
    "default-direct": lambda: inputs(
        default_exit(), wan=WAN4, default=DirectPolicy(), devices=((PLAIN_MAC, VpnPolicy()),)
    ),
    "default-blocked": lambda: inputs(
        default_exit(active=tunnel()),
        default=BlockedPolicy(),
        devices=((PLAIN_MAC, VpnPolicy()),),
        canary=canary_policies(("default",)),
    ),
    "new-devices-wait": lambda: with_bridge(
        default_exit(active=tunnel()),
        default=WaitingPolicy(),
        devices=((PLAIN_MAC, VpnPolicy()), (DIRECT_MAC, DirectPolicy()), (BLOCKED_MAC, BlockedPolicy())),
    ),
    "one-device-waits": lambda: with_bridge(default_exit(active=tunnel()), devices=((OTHER_MAC, WaitingPolicy()),)),
    "no-wan": lambda: inputs(default_exit(active=tunnel()), wan=None, devices=DEVICES),
    "no-lan": lambda: inputs(default_exit(active=tunnel()), lan=()),
    "one-arm": lambda: inputs(
        default_exit(active=tunnel()),
        ExitPlan("work", 1, WORK),
        wan=_ONE_ARM,
        lan=("eth0",),
        devices=DEVICES,
        canary=canary_policies(("default", "work")),
    ),
    "one-arm-same-net": lambda: inputs(
        default_exit(active=tunnel()),
        wan=_SAME_NET,
        lan=("eth0",),
        settings=LanSettings(address=IPv4Interface("192.168.1.2/24"), dhcp_enabled=False),
        devices=((DIRECT_MAC, DirectPolicy()),),
    ),
    "address-on-both": lambda: inputs(
        default_exit(active=_TWO_PEERS),
        wan=_AS_INSIDE,
        lookup_servers=(ip_address("10.64.0.1"), ip_address("2001:db8:1::53")),
        clear_api=(TransportPeer(ip_address("192.0.2.44"), 443), TransportPeer(ip_address("2001:db8:44::1"), 443)),
        time_sync_uid=104,
        time_servers=(ip_address("192.0.2.123"), ip_address("2001:db8:ee::1")),
    ),
    "address-on-both-direct": lambda: replace(
        SCENARIOS["address-on-both"](),
        devices=DEVICES,
        lookup_servers=(ip_address("192.0.2.53"), ip_address("2001:db8:1::54")),
    ),
    # The same on one wire, where the devices' packets come by the link that has the address.
    "one-arm-address-on-both": lambda: replace(
        SCENARIOS["address-on-both"](),
        links=Links(_AS_INSIDE_ONE_ARM, (LanLink("eth0"),)),
        exits=(default_exit(active=_PUBLIC_INSIDE),),
    ),
    "one-arm-address-on-both-direct": lambda: replace(
        SCENARIOS["address-on-both-direct"](),
        links=Links(_AS_INSIDE_ONE_ARM, (LanLink("eth0"),)),
        exits=(default_exit(active=_PUBLIC_INSIDE),),
    ),
    "two-lans-closed-list": lambda: inputs(
        default_exit(candidate=SIX),
        lan=("br-lan", "usb0"),
        lookup_servers=(ip_address("9.9.9.9"),),
        clear_api=(TransportPeer(ip_address("192.0.2.44"), 443), TransportPeer(ip_address("2001:db8:44::1"), 443)),
        time_sync_uid=104,
        time_servers=(ip_address("192.0.2.123"), ip_address("9.9.9.9"), ip_address("2001:db8:ee::1")),
        http_ports=(80, 5000),
    ),
}


def surroundings(inp: PlanInput, *, hijack: bool = False) -> Surroundings:
    """The kernel state beside the plan: connected networks and the WAN's default routes, all in main.

    With ``hijack``, also what a hostile network may push there: more specific routes by the WAN (DHCP option 121).
    """
    wan = inp.links.wan
    main: list[RoutePlan] = []
    addresses: list[tuple[str, Interface]] = []
    lan = [link.name for link in inp.links.lan]
    for name in lan[:1]:
        addresses += [(name, inp.lan.address), *([(name, inp.lan.ula)] if inp.lan.ula else [])]
    if wan is not None:
        addresses += [(wan.name, a) for a in wan.addresses]
    main += [RoutePlan(TABLE_MAIN, a.version, a.network, oif=name) for name, a in addresses]
    main += [RoutePlan(TABLE_MAIN, 6, ip_network("fe80::/64"), oif=n) for n in dict.fromkeys(n for n, _ in addresses)]
    if wan is not None:
        if wan.gateway4:
            main.append(RoutePlan(TABLE_MAIN, 4, ip_network("0.0.0.0/0"), oif=wan.name, gateway=wan.gateway4))
        if wan.gateway6:
            main.append(RoutePlan(TABLE_MAIN, 6, ip_network("::/0"), oif=wan.name, gateway=wan.gateway6))
        if hijack:
            for text in ("0.0.0.0/1", "128.0.0.0/1", "192.168.77.128/25", "10.0.0.0/8", "2000::/3", "fd00::/8"):
                network = ip_network(text)
                gateway = wan.gateway4 if network.version == 4 else wan.gateway6
                if gateway:
                    main.append(RoutePlan(TABLE_MAIN, network.version, network, oif=wan.name, gateway=gateway))
    own = tuple((n, a) for n, a in addresses if wan is not None and n == wan.name and a in wan.addresses)
    return Surroundings(tuple(main), own)
