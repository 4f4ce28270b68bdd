"""The cleartext allowlist: what the gateway may send on the WAN outside the tunnel; the rest is a leak (pure)."""

from __future__ import annotations

import ipaddress

from ci.labnet.addresses import VPN_PORT, VPNS
from ci.labnet.capture import ETHERTYPE_ARP, ETHERTYPE_IPV6, ETHERTYPE_PPPOE, ETHERTYPE_PPPOE_DISCOVERY, Packet

ICMP6_PERMITTED = {133, 134, 135, 136, 143}  # RFC 4861 and MLDv2 reports (RFC 3810)


def leaks(packets: list[Packet], gateway_mac: str, *, lookups: frozenset[str] = frozenset()) -> list[Packet]:
    """The packets that the gateway sent on the WAN and that are not on the cleartext allowlist.

    ``lookups``: name servers that may be asked for an endpoint's name in this test. A WireGuard packet goes to a VPN
    server's port and also begins as a WireGuard message does (type 1 to 4 and three zero bytes): address and port
    alone would hide cleartext packets to the server.
    """
    return [p for p in packets if p.source_mac == gateway_mac and not _permitted(p, lookups)]


def _permitted(p: Packet, lookups: frozenset[str]) -> bool:
    if p.ethertype in {ETHERTYPE_ARP, ETHERTYPE_PPPOE, ETHERTYPE_PPPOE_DISCOVERY}:  # not IP: neighbours and sessions
        return True
    if p.protocol == 58 and p.ethertype == ETHERTYPE_IPV6:
        kind = p.payload[0] if p.payload else 0
        target = ipaddress.IPv6Address(p.destination)
        return kind in ICMP6_PERMITTED and (target.is_link_local or target.is_multicast or kind in (135, 136))
    if p.protocol == 17:
        servers = {address for v4, v6, *_ in VPNS.values() for address in (v4, v6)}
        if p.destination in servers and p.dport == VPN_PORT:
            return p.payload[:1] in (b"\1", b"\2", b"\3", b"\4") and p.payload[1:4] == b"\0\0\0"
        if (p.sport, p.dport) in ((68, 67), (546, 547)):
            return True
        return p.dport == 53 and p.destination in lookups
    return False
