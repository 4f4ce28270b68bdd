"""What is explained is what the plan's evaluator says, for every state, any devices, and any supposition."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from app.explain.answers import Ask, explanation, why
from app.explain.carrier import ANYWHERE, Carrier
from app.explain.decision import Decision
from app.explain.facts import Facts
from app.explain.supposition import supposed
from app.explain.surroundings import surroundings
from app.model import BlockedPolicy, DirectPolicy, VpnPolicy
from app.network.plan import MARK_TRANSPORT, ExitPlan, PlanInput, exit_interface
from app.network.planner import plan
from app.packet_trace import Packet, PacketOutcome, PacketTracer
from app.protocol.explanations import Supposition
from tests.unit.network import scenarios
from tests.unit.network.scenarios import MACS, SCENARIOS, WAN4, WORK, default_exit, inputs, tunnel
from tests.unit.network.test_plan_properties import (
    DESTINATIONS,
    DESTINATIONS6,
    macs,
    many,
    permitted,
    policies,
    situations,
)

OWN = {4: ip_address("192.168.77.20"), 6: ip_address("fd12:3456:789a::20")}
ADDRESSES = st.sampled_from([ip_address(a) for a in (*DESTINATIONS, *DESTINATIONS6)])
PORTS = st.sampled_from([443, 53, 853, 123, 5000, 5300, 5301, 22])
PROTOCOLS = st.sampled_from(["tcp", "udp", "icmp"])
GATEWAYS = (ip_address("192.168.77.1"), ip_address("fd12:3456:789a::1"))
suppositions = st.builds(Supposition, exit_down=st.sampled_from([None, "default", "work"]), wan_down=st.booleans())


def outcome(inp: PlanInput, mac: str, to, protocol: str, port: int) -> PacketOutcome:
    """The evaluator's own outcome, with the tests' surroundings."""
    six = to.version == 6
    packet = Packet(
        src=OWN[to.version],
        dst=to,
        proto={"icmp": "icmpv6" if six else "icmp"}.get(protocol, protocol),  # type: ignore[arg-type]
        sport=0 if protocol == "icmp" else 51234,
        dport=0 if protocol == "icmp" else port,
        iif="br-lan",
        mac=mac,
    )
    return PacketTracer(plan(inp), scenarios.surroundings(inp)).send(packet)


@many
@given(situations(), macs, ADDRESSES, PROTOCOLS, PORTS)
def test_verdict_is_that_of_the_evaluator(inp, mac, to, protocol, port):
    found = Carrier(inp).carry(mac, OWN[to.version], to, protocol, port)
    end = outcome(inp, mac, to, protocol, port)
    match found.verdict:
        case "tunnel" | "lost":
            assert end.link == found.interface
            assert end.link in permitted(inp, mac)
            assert end.packet.src == found.source
        case "clear":
            assert (end.link, end.packet.src) == ("wan", found.source)
            assert permitted(inp, mac) == {"wan"}
        case "gateway":
            assert (end.kind, end.packet.dport) == ("local", found.port)
        case "blocked":
            assert end.link is None
            assert end.kind not in {"sent", "local"}
            assert found.counter == next(iter(c for c in reversed(end.counted) if c.startswith("drop_")), None)
        case other:
            raise AssertionError(other)


@many
@given(situations(), macs, policies, suppositions, ADDRESSES)
def test_supposed_is_as_if_it_were_so(inp, mac, policy, suppose, to):
    """As the evaluator finds it for a gateway whose settings and links really are what was supposed."""
    exits = tuple(ExitPlan(e.name, e.index) if e.name == suppose.exit_down else e for e in inp.exits)
    real = msgspec.structs.replace(
        inp,
        devices=tuple({**dict(inp.devices), mac: policy}.items()),
        exceptions=tuple(e for e in inp.exceptions if mac not in e.macs),  # what is supposed is in force
        exits=exits,
    )
    if suppose.wan_down:
        real = msgspec.structs.replace(real, links=msgspec.structs.replace(real.links, wan=None))
    found = Carrier(supposed(inp, mac, policy, suppose)).carry(mac, OWN[to.version], to)
    end = outcome(real, mac, to, "tcp", 443)
    assert (found.verdict in {"tunnel", "lost", "clear"}, found.interface) == (end.kind == "sent", end.link)


@many
@given(situations(), macs, policies, ADDRESSES)
def test_others_policies_change_nothing_for_the_device(inp, mac, policy, to):
    alone = msgspec.structs.replace(inp, devices=((mac, policy),), exceptions=())
    with_all = supposed(inp, mac, policy, Supposition())
    assert Carrier(alone).carry(mac, None, to) == Carrier(with_all).carry(mac, None, to)


@many
@given(situations(), macs)
def test_answers_agree_with_the_evaluator(inp, mac):
    """``why`` and ``explain`` say blocked, direct or VPN exactly where the packets are."""
    policy = dict(inp.devices).get(mac, inp.default_policy)
    facts, carrier, ask = Facts(mac, "TV", Decision(policy, "own")), Carrier(inp), Ask(OWN)
    ends = {f: outcome(inp, mac, ANYWHERE[f], "tcp", 443) for f in (4, 6)}
    answer = why(facts, carrier, ask, drops={}, changed=None, notes=())
    out = [f for f, end in ends.items() if end.kind == "sent"]
    for path in answer.paths:
        assert (path.verdict in {"tunnel", "clear", "lost"}) == (path.family in out)
        told = explanation(facts, carrier, ask, ANYWHERE[path.family], supposed=False, notes=())
        assert told.verdict == path.verdict
        assert (told.next_step is None) == (told.verdict in {"tunnel", "clear"})
    assert (answer.state == "direct") == (isinstance(policy, DirectPolicy) and answer.state != "blocked")
    if out and all(p.verdict != "lost" for p in answer.paths):
        assert answer.state != "blocked"
    if not out and ends[4].counted[-1:] != ("drop_no_route",):
        assert answer.state == "blocked"
        assert answer.reason


@many
@given(situations(), macs)
def test_resolver_is_the_one_that_the_plan_redirects_to(inp, mac):
    end = outcome(inp, mac, ip_address("8.8.8.8"), "udp", 53)  # whoever it asks
    assert Carrier(inp).resolver_port(mac, OWN[4]) == (end.packet.dport if end.kind == "local" else None)


def test_surroundings_are_those_of_the_tests():
    for name, make in SCENARIOS.items():
        inp = make()
        assert surroundings(inp) == scenarios.surroundings(inp), name


def test_tunnel_whose_own_packets_have_no_way_out_is_lost():
    up = inputs(default_exit(active=tunnel()))
    mac = MACS[0]
    assert Carrier(up).carry(mac, None, ANYWHERE[4]).verdict == "tunnel"
    gone = supposed(up, mac, None, Supposition(wan_down=True))
    assert Carrier(gone).carry(mac, None, ANYWHERE[4]).verdict == "lost"
    # The endpoint is IPv4 only, and so is the WAN: IPv6 inside the tunnel is not affected.
    four = inputs(default_exit(active=tunnel()), wan=WAN4)
    assert Carrier(four).carry(mac, None, ANYWHERE[6]).verdict == "tunnel"
    six = inputs(default_exit(active=tunnel(peer="2001:db8:9::9")), wan=WAN4)
    assert Carrier(six).carry(mac, None, ANYWHERE[4]).verdict == "lost"
    end = PacketTracer(plan(six), surroundings(six)).send(
        Packet(ip_address("::"), ip_address("2001:db8:9::9"), "udp", 61440, 51820, mark=MARK_TRANSPORT)
    )
    assert end.kind != "sent"


def test_wan_without_carrier_keeps_its_routes_and_loses_all():
    down = msgspec.structs.replace(WAN4, up=False)
    inp = inputs(default_exit(active=tunnel()), wan=down, devices=((MACS[0], DirectPolicy()),))
    direct, through = (Carrier(inp).carry(mac, None, ANYWHERE[4]) for mac in MACS[:2])
    assert (direct.verdict, direct.interface, direct.exit) == ("lost", "wan", None)
    assert (through.verdict, through.interface, through.exit) == ("lost", "wg0a", "default")


def test_device_of_the_lan_is_reached_without_the_gateway():
    carrier = Carrier(inputs(default_exit()))
    for text in ("192.168.77.99", "fd12:3456:789a::99", "fe80::99"):
        assert carrier.carry(MACS[0], None, ip_address(text)).verdict == "lan"
    for own in GATEWAYS:
        assert carrier.carry(MACS[0], None, own, "tcp", 5000).verdict == "gateway"
        closed = carrier.carry(MACS[0], None, own, "tcp", 22)
        assert (closed.verdict, closed.rule, closed.counter) == ("blocked", "input", "drop_input")


def test_split_tunnel_reaches_its_networks_alone():
    inp = inputs(default_exit(active=tunnel()), ExitPlan("work", 1, WORK), devices=((MACS[0], VpnPolicy("work")),))
    carrier = Carrier(inp)
    inside = carrier.carry(MACS[0], None, ip_address("10.9.0.7"))
    assert (inside.verdict, inside.exit, inside.interface) == ("tunnel", "work", exit_interface(1, "a"))
    assert carrier.carry(MACS[0], None, ip_address("9.9.9.9")).rule == "no_route"


def test_gateway_without_lan_says_so():
    facts = Facts(MACS[0], "TV", Decision(BlockedPolicy(), "default"))
    carrier = Carrier(inputs(default_exit(active=tunnel()), lan=()))
    answer = why(facts, carrier, Ask({}), drops={}, changed=None, notes=())
    assert answer.sentence == "The gateway has no port for the LAN, so no device can reach it."
    told = explanation(facts, carrier, Ask({}), ip_address("9.9.9.9"), supposed=False, notes=())
    assert (told.verdict, told.paths, told.next_step) == ("blocked", (), None)
