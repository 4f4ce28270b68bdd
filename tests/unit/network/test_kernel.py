"""Every scenario in a real kernel: the text loads, and each packet goes where the tracer says it goes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from ipaddress import ip_address

import msgspec
import pytest

from app.network.plan import WAITING_RESOLVER_PORT, PlanInput
from app.network.planner import plan as make_plan
from app.packet_trace import Packet, PacketOutcome, PacketTracer
from tests.unit.network.corpus import ROUTER_MAC, from_lan, from_outside, hosts, own
from tests.unit.network.kernel import Kernel
from tests.unit.network.scenarios import SCENARIOS, surroundings
from tests.unit.network.wire import Seen

pytestmark = pytest.mark.kernel

SERVICES = (53, 5000, 5300, 5301, 5302, WAITING_RESOLVER_PORT, 22)


def verdict(left: list[Seen], packet: Packet) -> tuple[str, object]:
    """The outcome in the kernel, in the tracer's terms."""
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
        return ("local" if s.flags == "SA" else "reset"), None
    assert s.icmp is not None
    return {
        (3, 13): "rejected", (1, 1): "rejected",
        (3, 1): "unroutable", (3, 0): "unroutable", (1, 0): "unroutable",
        (3, 3): "local", (1, 4): "local", (0, 0): "local", (129, 0): "local",
    }[s.icmp], None  # fmt: skip


def expected(outcome: PacketOutcome) -> tuple[str, object]:
    p = outcome.packet
    return outcome.kind, (p.oif, p.src, p.dst, p.dport) if outcome.kind == "sent" else None


ERRORS = {"EPERM": "dropped", "EHOSTUNREACH": "unroutable", "ENETUNREACH": "unroutable", None: "lost"}

LOCKS = {
    "all": {},
    "no-nft": {"nft": False},
    "no-rules": {"rules": False},
    "ports-only": {"nft": False, "rules": False},
}


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_kernel_agrees_with_the_packet_tracer(name: str, lock: str) -> None:
    inp = SCENARIOS[name]()
    tracer = PacketTracer(make_plan(inp), surroundings(inp, hijack=lock == "all"), **LOCKS[lock])
    with gateway(inp, hijack=lock == "all") as kernel:
        if lock in {"no-nft", "ports-only"}:
            kernel.flush_nft()
        if lock in {"no-rules", "ports-only"}:
            kernel.flush_rules()
        open_ports = PacketTracer(make_plan(inp), surroundings(inp, hijack=lock == "all"), **LOCKS[lock], ports=False)
        wrong = list(_differences(kernel, tracer, open_ports, inp))
    assert not wrong, f"{len(wrong)}:\n" + "\n".join(wrong[:12])


def _differences(kernel: Kernel, tracer: PacketTracer, open_ports: PacketTracer, inp: PlanInput) -> Iterator[str]:
    for n, one in enumerate((*from_lan(inp), *from_outside(inp))):
        packet = msgspec.structs.replace(one, sport=20000 + n)  # a connection of its own
        outcome = tracer.send(packet)
        did, said = verdict(kernel.arrive(packet), packet), expected(outcome)
        if packet.mac == ROUTER_MAC and said[0] in {"unroutable", "rejected", "reset"} and tracer.ruleset.chains:
            said = ("dropped", None)  # no ICMP error is sent to the WAN
        if (did[0], said[0]) == ("dropped", "unroutable"):
            continue  # the kernel tells each host only so often (net.ipv4.route.error_cost)
        if (did[0], said[0]) == ("dropped", "local") and packet.mac == ROUTER_MAC and not tracer.ruleset.chains:
            continue  # the answer has no way back
        if did != said:
            yield f"{packet}\n   kernel: {did}\n   model:  {said} {outcome.counted}"
    for packet in own(inp):
        outcome = tracer.send(packet)
        problem, left = kernel.emit(packet)
        did = ("sent", (left[0].link, left[0].src, left[0].dst, left[0].dport)) if left else (ERRORS[problem], None)
        said = expected(outcome)
        if said[0] in {"rejected", "reset"}:
            said = ("dropped", None)  # the sender gets the same error
        if (did[0], said[0]) == ("lost", "dropped") and open_ports.send(packet).kind == "sent":
            continue  # the sender is not told
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
