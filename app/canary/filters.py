"""The filters of the taps, as programs of classic BPF: only what may be a probe is ever copied (pure).

A tap sees packets from the network header on; on a port under PPPoE the header behind PPPoE's own, and under a VLAN the
one behind its tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Literal

from app.network.bpf import (
    AND,
    EQUAL,
    LENGTH_TO_X,
    LOAD1,
    LOAD2,
    LOAD2_AT_X,
    LOAD4,
    NETWORK,
    PACKET_TYPE,
    PROTOCOL,
    RETURN,
    Step,
    assemble,
)
from app.network.plan import TransportPeer

Direction = Literal["in", "out"]

_IPV4, _IPV6, _VLAN, _PPPOE = 0x0800, 0x86DD, 0x8100, 0x8864
_PPP_IPV4, _PPP_IPV6 = 0x0021, 0x0057
_OUTGOING = 4  # PACKET_OUTGOING, linux/if_packet.h
_TCP, _UDP, _DNS = 6, 17, 53
_BEHIND_PPPOE = NETWORK + 8
_TAKE, _TAKE_HEAD = 512, 64  # bytes that are copied


def probes(direction: Direction, targets4: IPv4Network, targets6: IPv6Network, *, names: bool) -> bytes:
    """What goes to a target; with ``names`` also every query for a name, whoever is asked."""
    steps = [*_start(direction), *_versions(NETWORK, "plain"), *_pppoe()]
    for base, name in ((NETWORK, "plain"), (_BEHIND_PPPOE, "session")):
        steps += [*_ipv4(base, name, targets4, names=names), *_ipv6(base, name, targets6, names=names)]
    return assemble([*steps, *_ends(_TAKE)])


def transport(peers: Iterable[TransportPeer]) -> bytes:
    """WireGuard's own packets to ``peers``: the proof that the tap sees what leaves."""
    steps: list[Step | str] = [*_start("out"), Step(LOAD4, PROTOCOL)]
    steps += [Step(EQUAL, _IPV4, yes="ipv4"), Step(EQUAL, _IPV6, yes="ipv6", no="drop")]
    found = tuple(dict.fromkeys(peers))
    steps += ["ipv4", Step(LOAD1, NETWORK + 9), Step(EQUAL, _UDP, no="drop"), Step(LENGTH_TO_X, NETWORK)]
    for n, peer in enumerate(p for p in found if isinstance(p.address, IPv4Address)):
        steps += [Step(LOAD4, NETWORK + 16), Step(EQUAL, int(peer.address), no=f"four{n}")]
        steps += [Step(LOAD2_AT_X, NETWORK + 2), Step(EQUAL, peer.port, yes="take"), f"four{n}"]
    steps += [Step(RETURN, 0), "ipv6", Step(LOAD1, NETWORK + 6), Step(EQUAL, _UDP, no="drop")]
    for n, peer in enumerate(p for p in found if not isinstance(p.address, IPv4Address)):
        for place in range(0, 16, 4):
            word = int.from_bytes(peer.address.packed[place : place + 4])
            steps += [Step(LOAD4, NETWORK + 24 + place), Step(EQUAL, word, no=f"six{n}")]
        steps += [Step(LOAD2, NETWORK + 42), Step(EQUAL, peer.port, yes="take"), f"six{n}"]
    return assemble([*steps, Step(RETURN, 0), *_ends(_TAKE_HEAD)])


def _start(direction: Direction) -> Iterator[Step | str]:
    yield Step(LOAD4, PACKET_TYPE)
    yield Step(EQUAL, _OUTGOING, no="drop") if direction == "out" else Step(EQUAL, _OUTGOING, yes="drop")


def _versions(base: int, name: str) -> Iterator[Step | str]:
    yield Step(LOAD4, PROTOCOL)
    yield Step(EQUAL, _IPV4, yes=f"{name}4")
    yield Step(EQUAL, _IPV6, yes=f"{name}6")
    yield Step(EQUAL, _PPPOE, yes="pppoe")
    yield Step(EQUAL, _VLAN, no="drop")
    yield Step(LOAD1, base)  # the network header lies behind the tag: its first half byte is the version
    yield Step(AND, 0xF0)
    yield Step(EQUAL, 0x40, yes=f"{name}4")
    yield Step(EQUAL, 0x60, yes=f"{name}6", no="drop")


def _pppoe() -> Iterator[Step | str]:
    yield "pppoe"
    yield Step(LOAD2, NETWORK + 6)
    yield Step(EQUAL, _PPP_IPV4, yes="session4")
    yield Step(EQUAL, _PPP_IPV6, yes="session6", no="drop")


def _ipv4(base: int, name: str, targets: IPv4Network, *, names: bool) -> Iterator[Step | str]:
    yield f"{name}4"
    yield Step(LOAD4, base + 16)
    yield Step(AND, int(targets.netmask))
    yield Step(EQUAL, int(targets.network_address), yes="take", no="" if names else "drop")
    if names:
        yield Step(LOAD1, base + 9)
        yield Step(EQUAL, _UDP, yes=f"{name}4port")
        yield Step(EQUAL, _TCP, no="drop")
        yield f"{name}4port"
        yield Step(LENGTH_TO_X, base)
        yield Step(LOAD2_AT_X, base + 2)
        yield Step(EQUAL, _DNS, yes="take", no="drop")


def _ipv6(base: int, name: str, targets: IPv6Network, *, names: bool) -> Iterator[Step | str]:
    first = targets.network_address.packed
    other = f"{name}6name" if names else "drop"
    yield f"{name}6"
    yield Step(LOAD4, base + 24)
    yield Step(EQUAL, int.from_bytes(first[:4]), no=other)
    yield Step(LOAD4, base + 28)
    yield Step(EQUAL, int.from_bytes(first[4:8]), yes="take", no=other)
    if names:
        yield f"{name}6name"
        yield Step(LOAD1, base + 6)
        yield Step(EQUAL, _UDP, yes=f"{name}6port")
        yield Step(EQUAL, _TCP, no="drop")
        yield f"{name}6port"
        yield Step(LOAD2, base + 42)
        yield Step(EQUAL, _DNS, yes="take", no="drop")


def _ends(size: int) -> Iterator[Step | str]:
    yield from ("take", Step(RETURN, size), "drop", Step(RETURN, 0))
