"""The probes of one round: all that a device may try to get past the gateway, each with a mark to know it by (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

from msgspec import Struct

from app.addresses import Address, Family
from app.canary.frames import (
    EXPERIMENT,
    ICMP,
    ICMP6,
    IPV4,
    TCP,
    UDP,
    dns_query,
    echo_request,
    ethernet,
    packet,
    tcp_syn,
    udp,
)
from app.canary.identity import TARGETS6, server_host
from app.protocol.canary import ProbeKind

NAMES = "proof.example"  # RFC 6761: no name under it exists, and nobody but a resolver is asked
TOKEN_BYTES = 8
_SPOOFED4, _SPOOFED6 = IPv4Address("10.83.254.77"), IPv6Address("2001:db8:6361:bad::77")
_HTTPS, _DNS, _DOT, _QUIC = 443, 53, 853, 443
_RESOLVER = 54  # the host in the networks of targets that is asked for names

# Whether the gateway lets the probe into the tunnel, changed (a query to an outside resolver goes to the exit's own).
Way = Literal["through", "redirected", "dropped"]


class Ends(Struct, frozen=True):
    """The addresses that the probes are made of."""

    mac: str
    router: str  # the MAC address of the gateway in the LAN
    source4: IPv4Address
    source6: IPv6Address | None
    gateway4: IPv4Address
    gateway6: IPv6Address | None
    wan: tuple[Address, ...]  # the WAN's own addresses
    targets4: IPv4Network
    targets6: IPv6Network = TARGETS6


class Probe(Struct, frozen=True):
    kind: ProbeKind
    family: Family
    way: Way
    needle: bytes  # in the packet, wherever it turns up, and in no other
    frame: bytes


def probes(ends: Ends, token: Callable[[], bytes], port: Callable[[], int]) -> tuple[Probe, ...]:
    """The probes of a round; ``token`` makes new random bytes, ``port`` a random port, at each call."""
    return tuple(_probes(ends, token, port))


def label(token: bytes) -> str:
    """The first label of a name that nobody has asked for before."""
    return f"p{token.hex()}"


def _probes(ends: Ends, token: Callable[[], bytes], port: Callable[[], int]) -> Iterator[Probe]:
    def probe(kind: ProbeKind, way: Way, content: bytes, needle: bytes) -> Probe:
        family: Family = 4 if content.startswith(IPV4) else 6
        return Probe(kind, family, way, needle, ethernet(ends.mac, ends.router, content))

    host = server_host(ends.mac)
    sources: list[tuple[Address, Address, Address, Address]] = [
        (ends.source4, ends.targets4[host], ends.targets4[_RESOLVER], _SPOOFED4)
    ]
    if ends.source6 is not None:
        sources.append((ends.source6, ends.targets6[host], ends.targets6[_RESOLVER], _SPOOFED6))
    for source, server, resolver, foreign in sources:
        icmp = ICMP if source.version == 4 else ICMP6
        t = token()
        segment = tcp_syn(source, server, (port(), _HTTPS), t)
        yield probe("tcp", "through", packet(source, server, TCP, segment), t)
        t = token()
        datagram = udp(source, server, (port(), _QUIC), t)
        yield probe("udp", "through", packet(source, server, UDP, datagram), t)
        t = token()
        request = echo_request(source, server, port(), t)
        yield probe("icmp", "through", packet(source, server, icmp, request), t)
        t = token()
        query = dns_query(int.from_bytes(t[:2]), f"{label(t)}.{NAMES}")
        datagram = udp(source, resolver, (port(), _DNS), query)
        yield probe("dns", "redirected", packet(source, resolver, UDP, datagram), label(t).encode())
        t = token()
        segment = tcp_syn(source, resolver, (port(), _DOT), t)
        yield probe("dns_over_tls", "through", packet(source, resolver, TCP, segment), t)
        t = token()
        yield probe("other_protocol", "through", packet(source, server, EXPERIMENT, t + b"a probe of the gateway"), t)
        spoofed: list[tuple[ProbeKind, Address | None]] = [
            ("spoofed_foreign", foreign),
            ("spoofed_gateway", ends.gateway4 if source.version == 4 else ends.gateway6),
            ("spoofed_wan", next((a for a in ends.wan if a.version == source.version), None)),
        ]
        for kind, sender in spoofed:
            if sender is not None:
                t = token()
                datagram = udp(sender, server, (port(), _QUIC), t)
                yield probe(kind, "dropped", packet(sender, server, UDP, datagram), t)
