"""Every scenario in a real kernel: the text loads, and each packet goes where the evaluator says it goes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from ipaddress import ip_address

import msgspec
import pytest

from app.network.evaluate import Evaluator, Outcome, unspecified
from app.network.packet import Packet
from app.network.plan import (
    MARK_CLEAR,
    MARK_DIRECT,
    MARK_LOOKUP,
    MARK_TRANSPORT,
    RESOLVER_VIP4,
    RESOLVER_VIP6,
    PlanInput,
    exit_mark,
)
from app.network.planner import plan as make_plan
from tests.unit.network.kernel import ROUTER_MAC, Kernel
from tests.unit.network.scenarios import MACS, SCENARIOS, surroundings
from tests.unit.network.wire import Seen

pytestmark = pytest.mark.kernel

SERVICES = (53, 5000, 5300, 5301, 5302, 22)


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
            for port in (53, 5000, 5301, 5302, 22):
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


def lan_packet(link: str, mac: str, src: str, dst: str, proto: str, dport: int = 0) -> Packet:
    return Packet(ip_address(src), ip_address(dst), proto, dport=dport, iif=link, mac=mac)  # type: ignore[arg-type]


def from_outside(inp: PlanInput) -> Iterator[Packet]:
    """Unasked: from the WAN and out of the tunnels."""
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
            yield Packet(
                ip_address("127.0.0.1") if dst.version == 4 else ip_address("::1"),
                dst,
                "udp",
                dport=53,
                iif=link,
                mac=ROUTER_MAC,
            )


def own(inp: PlanInput) -> Iterator[Packet]:
    marks = [0, MARK_TRANSPORT, MARK_LOOKUP, MARK_CLEAR, MARK_DIRECT, *(exit_mark(e.index) for e in inp.exits)]
    peers = [p for e in inp.exits for t in (e.active, e.candidate, e.draining) if t for p in t.transport]
    targets = [(p.address, p.port) for p in peers] + [(p.address, p.port + 1) for p in peers[:1]]
    targets += [(ip_address(a), 53) for a in ("203.0.113.1", "9.9.9.9", "2001:db8:1::53", "10.64.0.1", "fc00:bbbb::1")]
    targets += [(ip_address(a), 123) for a in ("1.1.1.1", "2001:db8:ee::1")]
    targets.append((inp.lan.address.network[20], 53))
    targets.append((inp.lan.address.network[20], 7000))
    for dst, port in dict.fromkeys(targets):
        for mark in marks:
            yield Packet(unspecified(4 if dst.version == 4 else 6), dst, "udp", dport=port, mark=mark)
    for index in (-1, *(e.index for e in inp.exits), 20):
        yield Packet(unspecified(4), RESOLVER_VIP4 + index + 1, "udp", dport=53)
        yield Packet(unspecified(6), RESOLVER_VIP6 + index + 1, "udp", dport=53)
    yield Packet(unspecified(4), ip_address("192.0.2.9"), "udp", sport=68, dport=67)


def verdict(left: list[Seen], packet: Packet) -> tuple[str, object]:
    """What the kernel did, in the evaluator's words."""
    assert len(left) <= 1, left
    back = [s for s in left if s.dst == packet.src]  # an answer, by whatever link
    onward = [s for s in left if s not in back]
    if onward:
        s = onward[0]
        return "sent", (s.link, s.src, s.dst, s.dport)
    if not back:
        return "dropped", None
    s = back[0]
    if s.proto == "tcp":
        return ("local" if s.flags == "SA" else "rejected"), None
    assert s.icmp is not None
    return {
        (3, 13): "rejected", (1, 1): "rejected",
        (3, 1): "unroutable", (3, 0): "unroutable", (1, 0): "unroutable",
        (3, 3): "local", (1, 4): "local", (0, 0): "local", (129, 0): "local",
    }[s.icmp], None  # fmt: skip


def expected(outcome: Outcome) -> tuple[str, object]:
    p = outcome.packet
    return outcome.kind, (p.oif, p.src, p.dst, p.dport) if outcome.kind == "sent" else None


ERRORS = {"EPERM": "dropped", "EHOSTUNREACH": "unroutable", "ENETUNREACH": "unroutable", None: "lost"}

LOCKS = {"both": {}, "no-nft": {"nft": False}, "no-rules": {"rules": False}}


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_kernel_does_what_the_evaluator_says(name: str, lock: str) -> None:
    inp = SCENARIOS[name]()
    world = Evaluator(make_plan(inp), surroundings(inp, hijack=lock == "both"), **LOCKS[lock])
    with gateway(inp, hijack=lock == "both") as kernel:
        if lock == "no-nft":
            kernel.flush_nft()
        if lock == "no-rules":
            kernel.flush_rules()
        wrong = list(_differences(kernel, world, inp))
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:12])


def _differences(kernel: Kernel, world: Evaluator, inp: PlanInput) -> Iterator[str]:
    for n, one in enumerate((*from_lan(inp), *from_outside(inp))):
        packet = msgspec.structs.replace(one, sport=20000 + n)  # a connection of its own
        outcome = world.send(packet)
        did, said = verdict(kernel.arrive(packet), packet), expected(outcome)
        if packet.mac == ROUTER_MAC and said[0] in {"unroutable", "rejected"} and world.ruleset.chains:
            said = ("dropped", None)  # nobody out there is told
        if (did[0], said[0]) == ("dropped", "unroutable"):
            continue  # the kernel tells each host only so often (net.ipv4.route.error_cost)
        if (did[0], said[0]) == ("dropped", "local") and packet.mac == ROUTER_MAC and not world.ruleset.chains:
            continue  # the answer has no way back
        if did != said:
            yield f"{packet}\n   kernel: {did}\n   model:  {said} {outcome.counted}"
    for packet in own(inp):
        outcome = world.send(packet)
        problem, left = kernel.emit(packet)
        did = ("sent", (left[0].link, left[0].src, left[0].dst, left[0].dport)) if left else (ERRORS[problem], None)
        said = expected(outcome)
        if said[0] == "rejected":
            said = ("dropped", None)  # the sender is told the same
        if did != said:
            yield f"{packet}\n   kernel: {did}\n   model:  {said} {outcome.counted}"


@contextlib.contextmanager
def gateway(inp: PlanInput, *, hijack: bool = False) -> Iterator[Kernel]:
    """The scenario in a namespace, its ruleset loaded twice (it replaces itself), its LAN's hosts known."""
    lan = tuple(link.name for link in inp.links.lan)
    wan = inp.links.wan
    near = [a for a in wan.nameservers if any(a in i.network for i in wan.addresses)] if wan else []
    near += [ip_address("203.0.113.77")] if wan else []
    with Kernel(make_plan(inp), surroundings(inp, hijack=hijack), lan, wan.name if wan else None, near) as kernel:
        kernel.load()
        kernel.load()
        kernel.listen(*SERVICES)
        for link in lan[:1]:
            for mac, addresses in hosts(inp).items():
                for address in addresses:
                    kernel.neighbour(link, ip_address(address), mac)
        yield kernel
