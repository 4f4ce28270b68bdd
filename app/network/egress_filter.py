"""The third lock: the filter on the WAN's port, below nftables and routing (pure).

It is a program of classic BPF on the port's egress (tc-bpf(8)), so neither ``nft flush ruleset`` nor an ip rule touches
it. It knows neither devices nor exits. It lets a frame pass that carries a mark of the cleartext allowlist, or that is
one of the few kinds a host sends to its own link, which no router forwards:

* ARP, EAPOL (802.1X, a Wi-Fi's keys), PPPoE's discovery and control;
* neighbour discovery with hop limit 255, so it was not forwarded (RFC 4861, section 7.1.1), multicast listener reports
  to link-local groups;
* DHCP from a client's port to a server's: to everybody, or from the address that the client says is its own.

A frame that a bridge forwards is none of these: its packet type says that it was for another host.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from app.addresses import Network
from app.network.bpf import (
    AND,
    ANY_BIT,
    AT_LEAST,
    EQUAL,
    EQUAL_X,
    LENGTH_TO_X,
    LOAD1,
    LOAD2,
    LOAD2_AT_X,
    LOAD4,
    LOAD4_AT_X,
    LOAD_X,
    MARK,
    NETWORK,
    PACKET_TYPE,
    PROTOCOL,
    RETURN,
    STORE,
    Step,
    assemble,
)
from app.network.plan import MARK_CLEAR, MARK_LOOKUP, MARK_TIME, MARK_TRANSPORT, EgressFilter

OWN_MARKS = (MARK_TRANSPORT, MARK_LOOKUP, MARK_CLEAR, MARK_TIME)
_PASS, _DROP = 0, 2  # TC_ACT_OK, TC_ACT_SHOT, linux/pkt_cls.h

_IPV4, _IPV6, _ARP, _EAPOL, _PPPOE_DISCOVERY, _PPPOE = 0x0800, 0x86DD, 0x0806, 0x888E, 0x8863, 0x8864
_HOP_BY_HOP, _UDP, _ICMPV6 = 0, 17, 58
_FRAGMENT = 0x3FFF  # more fragments, or an offset
_PPP_CONTROL = 0x8000  # network control and link control protocols; below are packets (RFC 1661, section 2)
_SOLICIT_ROUTER, _SOLICIT_NEIGHBOUR, _ADVERTISE_NEIGHBOUR = 133, 135, 136
_LISTENERS = (131, 132, 143)  # MLD report and done, MLDv2 report
_LINK_GROUPS = 0xFF02  # multicast of the link, ff02::/16

# Groups of the link beside the LAN's networks, on a link that is WAN and LAN at once.
LAN_GROUPS = (
    IPv4Network("224.0.0.0/24"),
    IPv4Network("255.255.255.255/32"),
    IPv6Network("fe80::/10"),
    IPv6Network("ff02::/16"),
)


def before_roles() -> EgressFilter:
    """The filter of every port until netd knows what the port is for."""
    return EgressFilter("", OWN_MARKS)


@functools.lru_cache(16)
def program(egress: EgressFilter) -> bytes:
    """The filter as the kernel takes it."""
    lan: tuple[Network, ...] = (*egress.lan, *LAN_GROUPS) if egress.lan else ()
    return assemble([*_by_mark_and_protocol(egress.marks), *_ipv4(lan), *_ipv6(lan), *_ends()])


def _ends() -> Iterator[Step | str]:
    yield from ("pass", Step(RETURN, _PASS), "drop", Step(RETURN, _DROP))


def _by_mark_and_protocol(marks: tuple[int, ...]) -> Iterator[Step | str]:
    yield Step(LOAD4, PACKET_TYPE)
    yield Step(EQUAL, 0, no="drop")  # PACKET_HOST: sent by this machine, or routed by it
    yield Step(LOAD4, MARK)
    yield from (Step(EQUAL, mark, yes="pass") for mark in marks)
    yield Step(LOAD4, PROTOCOL)
    yield from (Step(EQUAL, kind, yes="pass") for kind in (_ARP, _EAPOL, _PPPOE_DISCOVERY))
    yield Step(EQUAL, _IPV4, yes="ipv4")
    yield Step(EQUAL, _IPV6, yes="ipv6")
    yield Step(EQUAL, _PPPOE, no="drop")
    yield Step(LOAD2, NETWORK + 6)  # behind PPPoE's own header
    yield Step(AT_LEAST, _PPP_CONTROL, "pass", "drop")


def _to_lan(lan: tuple[Network, ...], version: int, start: int, name: str) -> Iterator[Step | str]:
    """Pass what goes to one of the LAN's networks; ``start`` is the offset of the destination."""
    for n, network in enumerate(each for each in lan if each.version == version):
        after = f"{name}-{n}"
        address, mask = network.network_address.packed, network.netmask.packed
        for place in range(0, len(address), 4):
            bits = int.from_bytes(mask[place : place + 4])
            if bits:
                yield Step(LOAD4, start + place)
                yield Step(AND, bits)
                yield Step(EQUAL, int.from_bytes(address[place : place + 4]), no=after)
        yield from (Step(EQUAL, 0, "pass", "pass"), after)


def _ipv4(lan: tuple[Network, ...]) -> Iterator[Step | str]:
    yield "ipv4"
    yield from _to_lan(lan, 4, NETWORK + 16, "lan4")
    yield Step(LOAD1, NETWORK + 9)
    yield Step(EQUAL, _UDP, no="drop")
    yield Step(LOAD2, NETWORK + 6)
    yield Step(ANY_BIT, _FRAGMENT, yes="drop")
    yield Step(LENGTH_TO_X, NETWORK)
    yield Step(LOAD2_AT_X, NETWORK)
    yield Step(EQUAL, 68, no="drop")
    yield Step(LOAD2_AT_X, NETWORK + 2)
    yield Step(EQUAL, 67, no="drop")
    yield Step(LOAD4, NETWORK + 16)
    yield Step(EQUAL, 0xFFFFFFFF, yes="pass")
    yield Step(LOAD4_AT_X, NETWORK + 8 + 12)  # ciaddr (RFC 2131, section 2)
    yield Step(STORE)
    yield Step(LOAD_X)
    yield Step(LOAD4, NETWORK + 12)
    yield Step(EQUAL_X, 0, "pass", "drop")


def _ipv6(lan: tuple[Network, ...]) -> Iterator[Step | str]:
    yield "ipv6"
    yield from _to_lan(lan, 6, NETWORK + 24, "lan6")
    yield Step(LOAD1, NETWORK + 6)
    yield Step(EQUAL, _ICMPV6, yes="icmpv6")
    yield Step(EQUAL, _UDP, yes="dhcpv6")
    yield Step(EQUAL, _HOP_BY_HOP, no="drop")  # a listener report with its router alert (RFC 3810, section 5)
    yield Step(LOAD2, NETWORK + 40)  # the next header, and a length of 8 bytes
    yield Step(EQUAL, _ICMPV6 << 8, no="drop")
    yield Step(LOAD1, NETWORK + 48)
    yield from (Step(EQUAL, kind, yes="to_group") for kind in _LISTENERS)
    yield from (Step(RETURN, _DROP), "to_group")
    yield Step(LOAD2, NETWORK + 24)
    yield Step(EQUAL, _LINK_GROUPS, "pass", "drop")

    yield "icmpv6"
    yield Step(LOAD1, NETWORK + 40)
    yield from (
        Step(EQUAL, kind, yes="not_forwarded") for kind in (_SOLICIT_ROUTER, _SOLICIT_NEIGHBOUR, _ADVERTISE_NEIGHBOUR)
    )
    yield from (Step(RETURN, _DROP), "not_forwarded")
    yield Step(LOAD1, NETWORK + 7)
    yield Step(EQUAL, 255, "pass", "drop")

    yield "dhcpv6"
    yield Step(LOAD4, NETWORK + 40)
    yield Step(EQUAL, 546 << 16 | 547, no="drop")
    yield Step(LOAD2, NETWORK + 24)
    yield Step(EQUAL, _LINK_GROUPS, yes="pass")
    yield Step(AND, 0xFFC0)
    yield Step(EQUAL, 0xFE80, "pass", "drop")
