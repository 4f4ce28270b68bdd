"""The packets to send through a scenario: from every host of the LAN, from outside, and from the gateway itself."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

import msgspec

from app.model import DirectPolicy, VpnPolicy
from app.network.plan import (
    MARK_CANARY,
    MARK_CLEAR,
    MARK_DIRECT,
    MARK_END,
    MARK_LOOKUP,
    MARK_TIME,
    MARK_TRANSPORT,
    OWN_PORTS,
    WAITING_RESOLVER_PORT,
    PlanInput,
    TunnelPlan,
    exception_mark,
    exit_interface,
    exit_mark,
    resolver_vips,
)
from app.packet_trace import Packet, PacketOutcome, unspecified
from tests.unit.network.scenarios import MACS

ROUTER_MAC = "02:00:00:00:0f:01"  # the WAN's router


def hosts(inp: PlanInput) -> dict[str, tuple[str, str]]:
    """The LAN's hosts: (IPv4, IPv6) by MAC."""
    four = inp.lan.address.network
    six = inp.lan.ula.network if inp.lan.ula else None
    return {mac: (str(four[20 + n]), str(six[0x20 + n]) if six else f"fe80::{n + 32:x}") for n, mac in enumerate(MACS)}


def from_lan(inp: PlanInput) -> Iterator[Packet]:
    if not inp.links.lan:
        return
    link = inp.links.lan[0].name
    own4, own6 = str(inp.lan.address.ip), str(inp.lan.ula.ip) if inp.lan.ula else "fe80::1234"
    wan = inp.links.wan
    outside4 = ["1.1.1.1", "10.9.0.7", "10.64.0.1", *(["203.0.113.77"] if wan else [])]
    outside6 = ["2001:db8:ffff::1", "fc00:bbbb::1"]
    for mac, (src4, src6) in hosts(inp).items():
        for src, own, outside in ((src4, own4, outside4), (src6, own6, outside6)):
            if src.startswith("fe80") and own.startswith("fe80"):
                continue
            icmp = "icmp" if ":" not in src else "icmpv6"
            for dst in outside:
                yield lan_packet(link, mac, src, dst, "tcp", 443)
                yield lan_packet(link, mac, src, dst, "udp", 53)
            yield lan_packet(link, mac, src, outside[0], "udp", 4433)
            yield lan_packet(link, mac, src, outside[0], "tcp", 53)
            yield lan_packet(link, mac, src, outside[0], icmp)
            for port in (53, 5000, 5301, 5302, WAITING_RESOLVER_PORT, 22):
                yield lan_packet(link, mac, src, own, "tcp", port)
            yield lan_packet(link, mac, src, own, icmp)
    mac = MACS[-1]
    src4, src6 = hosts(inp)[mac]
    tunnels = [a.ip for e in inp.exits for t in (e.active, e.candidate, e.draining) if t for a in t.addresses]
    for address in tunnels:
        yield lan_packet(link, mac, src4 if address.version == 4 else src6, str(address), "tcp", 22)
    if inp.links.wan is None or inp.links.wan.name != link:
        for src, dst in (("8.8.8.8", "1.1.1.1"), (own4, "1.1.1.1"), ("2001:db8:5::1", "2001:db8:6::1")):
            yield lan_packet(link, mac, src, dst, "udp", 443)


def canary(inp: PlanInput) -> Iterator[Packet]:
    """The canary's packets, and those of a device that has taken its MAC address."""
    sender = inp.lan.address.network[60]
    for link in inp.links.lan[:1]:
        for mac, _ in inp.canary:
            for mark in (0, MARK_CANARY):
                yield Packet(sender, ip_address("9.9.9.9"), "udp", 4000, 4000, iif=link.name, mac=mac, mark=mark)


def lan_packet(link: str, mac: str, src: str, dst: str, proto: str, dport: int = 0) -> Packet:
    return Packet(ip_address(src), ip_address(dst), proto, dport=dport, iif=link, mac=mac)  # type: ignore[arg-type]


def from_outside(inp: PlanInput) -> Iterator[Packet]:
    """Unsolicited packets, from the WAN and out of the tunnels."""
    lan4, lan6 = hosts(inp)[MACS[-1]]
    wan = inp.links.wan
    tunnels = [(e, t) for e in inp.exits for t in (e.active, e.candidate, e.draining) if t]
    addresses = [a.ip for _, t in tunnels for a in t.addresses]
    targets = [*addresses, ip_address(lan4), *([ip_address(lan6)] if inp.lan.ula else []), inp.lan.address.ip]
    links = [wan.name] if wan else []
    links += [f"wg{e.index}{t.slot}" for e, t in tunnels]
    for link in links:
        own = [a.ip for a in wan.addresses] if wan and link == wan.name else []
        for dst in (*own, *targets, ip_address("9.9.9.9"), ip_address("2001:db8:ee::1")):
            src = ip_address("198.51.100.200" if dst.version == 4 else "2001:db8:aa::1")
            for proto, port in (("tcp", 5000), ("udp", 53), ("icmp" if dst.version == 4 else "icmpv6", 0)):
                yield Packet(src, dst, proto, dport=port, iif=link, mac=ROUTER_MAC)  # type: ignore[arg-type]
            # In the name of the gateway or, where devices are elsewhere, of one.
            near = [] if link in {one.name for one in inp.links.lan} else [ip_address(lan4)]
            for false in (*(a.ip for a in (wan.addresses if wan else ())), *addresses, *near):
                if false.version == dst.version and false != dst:
                    yield Packet(false, dst, "tcp", 443, 5000, iif=link, mac=ROUTER_MAC)
            yield Packet(
                ip_address("127.0.0.1") if dst.version == 4 else ip_address("::1"),
                dst,
                "udp",
                dport=53,
                iif=link,
                mac=ROUTER_MAC,
            )


def own(inp: PlanInput) -> Iterator[Packet]:
    marks = [
        0,
        MARK_TRANSPORT,
        MARK_LOOKUP,
        MARK_CLEAR,
        MARK_DIRECT,
        MARK_END,
        *(exit_mark(e.index) for e in inp.exits),
    ]
    peers = [p for e in inp.exits for t in (e.active, e.candidate, e.draining) if t for p in t.transport]
    targets = [(p.address, p.port) for p in peers] + [(p.address, p.port + 1) for p in peers[:1]]
    targets += [(ip_address(a), 53) for a in ("203.0.113.1", "9.9.9.9", "2001:db8:1::53", "10.64.0.1", "fc00:bbbb::1")]
    targets += [(ip_address(a), 123) for a in ("1.1.1.1", "2001:db8:ee::1")]
    targets.append((inp.lan.address.network[20], 53))
    targets.append((inp.lan.address.network[20], 7000))
    targets += [(inp.lan.ula.network[0x20], 53)] if inp.lan.ula else []
    for dst, port in dict.fromkeys(targets):
        for mark in marks:
            yield Packet(unspecified(4 if dst.version == 4 else 6), dst, "udp", dport=port, mark=mark)
    for index in (-1, *(e.index for e in inp.exits), 20):
        for vip in (*resolver_vips(index, 4), *resolver_vips(index, 6)):
            yield Packet(unspecified(4 if vip.version == 4 else 6), vip, "udp", dport=53)
    yield Packet(unspecified(4), ip_address("192.0.2.9"), "udp", sport=68, dport=67)


def tunnels(inp: PlanInput) -> list[tuple[str, int, TunnelPlan]]:
    """All tunnels as (interface, mark of its exit, tunnel)."""
    found = [(e, t) for e in inp.exits for t in (e.active, e.candidate, e.draining) if t is not None]
    return [(exit_interface(e.index, t.slot), exit_mark(e.index), t) for e, t in found]


def link_control(inp: PlanInput) -> Iterator[Packet]:
    """The packets that hosts need on a link: DHCP, neighbour discovery, multicast DNS, group membership."""
    broadcast, unset = ip_address("255.255.255.255"), ip_address("0.0.0.0")
    router, host = ip_address("fe80::1"), ip_address("fe80::20")
    all_nodes, all_routers, all_dhcp = (ip_address(a) for a in ("ff02::1", "ff02::2", "ff02::1:2"))
    links = [link.name for link in inp.links.lan[:1]]
    links += [inp.links.wan.name] if inp.links.wan and inp.links.wan.name not in links else []
    links += [name for name, _, _ in tunnels(inp)]
    for link in links:
        mac = MACS[-1]
        yield Packet(unset, broadcast, "udp", 68, 67, iif=link, mac=mac)
        yield Packet(unset, broadcast, "udp", 5000, 5000, iif=link, mac=mac)
        yield Packet(ip_address("192.0.2.1"), broadcast, "udp", 67, 68, iif=link, mac=mac)
        yield Packet(host, all_dhcp, "udp", 546, 547, iif=link, mac=mac)
        yield Packet(router, host, "udp", 547, 546, iif=link, mac=mac)
        yield Packet(host, ip_address("ff02::fb"), "udp", 5353, 5353, iif=link, mac=mac)
        yield Packet(inp.lan.address.network[20], ip_address("224.0.0.251"), "udp", 5353, 5353, iif=link, mac=mac)
        yield Packet(inp.lan.address.network[20], ip_address("224.0.0.22"), "igmp", iif=link, mac=mac)
        for kind, src, dst in (
            ("nd-router-solicit", host, all_routers),
            ("nd-router-advert", router, all_nodes),
            ("nd-neighbor-solicit", ip_address("::"), ip_address("ff02::1:ff00:1")),
            ("nd-neighbor-advert", host, all_nodes),
            ("mld-listener-query", router, all_nodes),
            ("mld2-listener-report", host, ip_address("ff02::16")),
        ):
            yield Packet(src, dst, "icmpv6", icmp_type=kind, iif=link, mac=mac)
            yield Packet(src, dst, "icmpv6", icmp_type=kind, oif=link)
        yield Packet(unspecified(4), broadcast, "udp", 68, 67, oif=link)
        yield Packet(unspecified(4), broadcast, "udp", 67, 68, oif=link)
        yield Packet(host, all_dhcp, "udp", 546, 547, oif=link)
        yield Packet(unspecified(4), ip_address("224.0.0.251"), "udp", 5353, 5353, oif=link)


def connections(inp: PlanInput) -> Iterator[Packet]:
    """Answers and later packets of connections, with valid and wrong states in connection tracking."""
    lan4, lan6 = (ip_address(a) for a in hosts(inp)[MACS[-1]])
    if not inp.links.lan:
        return
    exceptions = (exception_mark(e.slot) for e in inp.exceptions)
    marks = [0, MARK_DIRECT, *(exit_mark(e.index) for e in inp.exits), *exceptions]
    arrivals = [(name, tuple(a.ip for a in t.addresses)) for name, _, t in tunnels(inp)]
    if inp.links.wan:
        arrivals.append((inp.links.wan.name, tuple(a.ip for a in inp.links.wan.addresses)))
    for link, addresses in arrivals:
        for address in addresses:
            src = ip_address("9.9.9.9" if address.version == 4 else "2001:db8:ee::1")
            host = lan4 if address.version == 4 else lan6
            for mark in marks:
                # To a tunnel's address, within a connection that is older than the tunnel.
                yield Packet(
                    host, address, "tcp", 40000, 5000, syn=False, iif=inp.links.lan[0].name, mac=MACS[-1],
                    ct_state="established", ct_mark=mark,
                )  # fmt: skip
                for state in ("established", "related", "invalid"):
                    tracked = {"ct_state": state, "ct_mark": mark, "ct_dst": host}
                    yield Packet(src, address, "tcp", 443, 40000, syn=False, iif=link, mac=ROUTER_MAC, **tracked)
            yield Packet(src, address, "udp", 443, 40000, iif=link, mac=ROUTER_MAC, ct_state="established")
            # Later packets of a connection that was translated to this address, whichever exit its device has now.
            for mac, (src4, src6) in hosts(inp).items():
                sender = ip_address(src4 if address.version == 4 else src6)
                if not sender.is_link_local:
                    yield Packet(
                        sender, src, "tcp", 40000, 443, syn=False, iif=inp.links.lan[0].name, mac=mac,
                        ct_state="established", ct_src=address,
                    )  # fmt: skip
    if inp.links.wan:
        for _, _, t in tunnels(inp):
            for peer in t.transport:
                own = next((a.ip for a in inp.links.wan.addresses if a.version == peer.address.version), None)
                if own is not None:
                    link = inp.links.wan.name
                    for source, port in ((0, OWN_PORTS[0]), (0, OWN_PORTS[0] - 1), (1, OWN_PORTS[0])):
                        yield Packet(peer.address, own, "udp", peer.port + source, port, iif=link, mac=ROUTER_MAC)
                    for mark in (0, MARK_TRANSPORT):
                        error = {"icmp_type": "packet-too-big", "ct_state": "related", "ct_mark": mark}
                        proto = "icmp" if own.version == 4 else "icmpv6"
                        yield Packet(own + 1, own, proto, iif=link, mac=ROUTER_MAC, **error)  # type: ignore[arg-type]


def to_own_addresses(inp: PlanInput) -> Iterator[Packet]:
    """Answers to what the gateway asks in the clear, and the link's own packets, to each address of the WAN."""
    wan = inp.links.wan
    if wan is None:
        return
    servers = (*inp.lookup_servers, *wan.nameservers)
    asked = [("udp", server, 53) for server in servers] + [("tcp", server, 53) for server in servers]
    asked += [("tcp", peer.address, peer.port) for peer in inp.clear_api]
    asked += [("udp", server, 123) for server in inp.time_servers]
    asked += [("udp", p.address, p.port) for _, _, t in tunnels(inp) for p in t.transport]
    asked += [("udp", a, 67) for a in (wan.gateway4,) if a] + [("udp", ip_address("fe80::1"), 547)]
    for address in (a.ip for a in wan.addresses):
        for proto, server, port in asked:
            if server.version == address.version:
                dport = {67: 68, 547: 546}.get(port, OWN_PORTS[0])
                for state in ("new", "established"):
                    yield Packet(
                        server, address, proto, port, dport, iif=wan.name, mac=ROUTER_MAC, syn=False, ct_state=state
                    )  # fmt: skip
        if address.version == 6:
            for kind in ("nd-neighbor-solicit", "nd-neighbor-advert", "nd-router-advert"):
                yield Packet(ip_address("fe80::1"), address, "icmpv6", icmp_type=kind, iif=wan.name, mac=ROUTER_MAC)


def own_by_name(inp: PlanInput) -> Iterator[Packet]:
    """The gateway's own packets by mark, user, protocol and type; some bound to an interface, as probes are."""
    for name, mark, t in tunnels(inp):
        for dst in (*t.dns, ip_address("9.9.9.9")):
            for m in (0, mark, mark + 1):
                yield Packet(unspecified(dst.version), dst, "udp", 0, 53, oif=name, mark=m)  # type: ignore[arg-type]
    for dst in (ip_address("9.9.9.9"), ip_address("2001:db8:ee::1"), inp.lan.address.network[20]):
        for mark in (0, MARK_CLEAR, *(exit_mark(e.index) for e in inp.exits)):
            for kind in ("destination-unreachable", "echo-reply", "packet-too-big"):
                proto = "icmp" if dst.version == 4 else "icmpv6"
                yield Packet(unspecified(dst.version), dst, proto, icmp_type=kind, mark=mark)  # type: ignore[arg-type]
        for server in inp.time_servers if dst.version == 4 else ():
            for mark in (0, MARK_TIME):
                yield Packet(unspecified(server.version), server, "udp", 0, 123, uid=104, mark=mark)  # type: ignore[arg-type]
        for uid in (0, 104):
            yield Packet(unspecified(dst.version), dst, "udp", 0, 123, uid=uid)  # type: ignore[arg-type]
            # A server that is not in the list, and another port of one that is.
            yield Packet(unspecified(dst.version), dst + 1, "udp", 0, 123, uid=uid)  # type: ignore[arg-type]
            yield Packet(unspecified(dst.version), dst, "udp", 0, 124, uid=uid)  # type: ignore[arg-type]
    for peer in inp.clear_api:
        for port in (peer.port, peer.port + 1):
            for mark in (0, MARK_CLEAR, MARK_LOOKUP):
                yield Packet(unspecified(peer.address.version), peer.address, "tcp", 0, port, mark=mark)  # type: ignore[arg-type]
    for address in inp.lookup_servers:
        for mark in (0, MARK_CLEAR, MARK_LOOKUP, MARK_TRANSPORT):
            yield Packet(unspecified(address.version), address, "udp", 0, 53, mark=mark)  # type: ignore[arg-type]
    loopback = ip_address("127.0.0.1")
    yield Packet(loopback, loopback, "udp", 0, 53)
    for _, _, t in tunnels(inp):
        for a in t.addresses:
            yield Packet(a.ip, a.ip, "udp", 0, 53)
    if inp.links.wan and inp.links.wan.addresses:
        near = [a.network[min(77, a.network.num_addresses - 1)] for a in inp.links.wan.addresses]
        for dst in near:
            proto = "icmp" if dst.version == 4 else "icmpv6"
            kinds = ("nd-neighbor-solicit", "nd-neighbor-advert") if dst.version == 6 else ("echo-request",)
            for kind in kinds:
                yield Packet(unspecified(dst.version), dst, proto, icmp_type=kind, oif=inp.links.wan.name)  # type: ignore[arg-type]


def oddities(inp: PlanInput) -> Iterator[Packet]:
    """Packets that no legitimate host sends, and those that occur only while a ruleset is replaced."""
    links = [link.name for link in inp.links.lan]
    mac = MACS[-1]
    four, six = hosts(inp)[mac]
    ours = [inp.lan.address.ip, *([inp.lan.ula.ip] if inp.lan.ula else [])]
    named = [*links, *([inp.links.wan.name] if inp.links.wan else [])]
    for link in (*dict.fromkeys(named), "eth9"):
        for address in ours:
            yield Packet(address, address, "tcp", 40000, 5000, iif=link, mac=mac)
        yield lan_packet(link, mac, four, "127.0.0.1", "udp", 53)
        yield lan_packet(link, mac, four, "9.9.9.9", "udp", 443)
        for _, _, t in tunnels(inp):
            for a in t.addresses:
                yield lan_packet(
                    link, mac, "198.51.100.200" if a.version == 4 else "2001:db8:aa::1", str(a.ip), "tcp", 22
                )
        if inp.links.wan:
            for a in inp.links.wan.addresses:
                if a.version == 6:
                    yield Packet(ip_address("fe80::1"), a.ip, "udp", 547, 546, iif=link, mac=mac)
    for link in links:
        for src, dst in (
            (four, inp.lan.address.network[99]),
            (six, inp.lan.ula.network[0x99] if inp.lan.ula else None),
        ):
            if dst is not None:
                yield lan_packet(link, mac, src, str(dst), "udp", 7000)
        for sender in hosts(inp):
            src4, src6 = hosts(inp)[sender]
            for src, dst in ((src4, "9.9.9.9"), (src6, "2001:db8:ee::1")):
                if src.startswith("fe80"):
                    continue
                yield Packet(ip_address(src), ip_address(dst), "tcp", 40000, 443, syn=False, iif=link, mac=sender)
                yield Packet(ip_address(src), ip_address(dst), "udp", 68, 67, iif=link, mac=sender)
                for state in ("invalid", "established", "untracked"):
                    for port in (443, 53):
                        packet = lan_packet(link, sender, src, dst, "udp", port)
                        yield msgspec.structs.replace(packet, ct_state=state)


def leaks(inp: PlanInput, packet: Packet, outcome: PacketOutcome) -> bool:
    """Whether ``packet``, from the LAN, has left by any way but its device's own."""
    if outcome.link is None:
        return False
    local = [inp.lan.address.network, *([inp.lan.ula.network] if inp.lan.ula else [])]
    if outcome.link in {link.name for link in inp.links.lan} and any(
        n.version == outcome.packet.dst.version and outcome.packet.dst in n for n in local
    ):
        return False
    exceptions = {mac: e.policy for e in inp.exceptions for mac in e.macs}
    match (dict(inp.devices) | dict(inp.canary) | exceptions).get(packet.mac, inp.default_policy):
        case DirectPolicy():
            wan = inp.links.wan
            return wan is None or outcome.link != wan.name or outcome.packet.src not in {a.ip for a in wan.addresses}
        case VpnPolicy(exit=name):
            found = [e for e in inp.exits if e.name == name and e.active is not None]
            own = {exit_interface(e.index, t.slot) for e in found for t in (e.active, e.draining) if t is not None}
            return outcome.link not in own
        case _:
            return True


def everything(inp: PlanInput) -> list[Packet]:
    return [
        *from_lan(inp), *from_outside(inp), *own(inp), *link_control(inp), *connections(inp), *own_by_name(inp),
        *to_own_addresses(inp), *canary(inp), *oddities(inp),
    ]  # fmt: skip
