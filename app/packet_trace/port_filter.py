"""What the filter on a port lets pass, in the terms of the tracer (pure). The program: app.network.egress_filter."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Network

from app.network.egress_filter import LAN_GROUPS
from app.network.plan import EgressFilter
from app.packet_trace.packet import Packet

_DISCOVERY = {"nd-router-solicit", "nd-neighbor-solicit", "nd-neighbor-advert"}
_REPORTS = {"mld-listener-report", "mld-listener-done", "mld2-listener-report"}
_LINK = (IPv6Network("fe80::/10"), IPv6Network("ff02::/16"))


def passes(egress: EgressFilter, packet: Packet) -> bool:
    lan = (*egress.lan, *LAN_GROUPS) if egress.lan else ()
    if packet.mark in egress.marks or any(n.version == packet.family and packet.dst in n for n in lan):
        return True
    if packet.proto == "udp" and packet.family == 4:
        renewing = not packet.iif  # the client names its own address in the message, which a packet here does not have
        everybody = packet.dst == IPv4Address("255.255.255.255")
        return (packet.sport, packet.dport) == (68, 67) and (everybody or renewing)
    near = any(packet.dst in network for network in _LINK) if packet.family == 6 else False
    if packet.proto == "udp":
        return (packet.sport, packet.dport) == (546, 547) and near
    if packet.proto == "icmpv6":
        own = not packet.iif  # a forwarded one has a lower hop limit
        return (packet.icmp_type in _DISCOVERY and own) or (packet.icmp_type in _REPORTS and packet.dst in _LINK[1])
    return False
