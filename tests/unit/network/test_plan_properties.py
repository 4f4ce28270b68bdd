"""Properties for every state and any set of devices: packets leave only by their device's exit.

Each packet is sent through the packet tracer, which interprets rules, routes and the ruleset; ``test_kernel.py`` shows
that it agrees with a real kernel. Plans with a hole, at the end, show that the properties can fail.
"""

from __future__ import annotations

from ipaddress import ip_address

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.model import BlockedPolicy, DirectPolicy, VpnPolicy
from app.network.plan import MARK_BLOCKED, ExitPlan, NetworkPlan, PlanInput, exit_interface
from app.network.planner import plan
from app.network.policy import policy_mark
from app.packet_trace import Packet, PacketTracer
from app.policies import PlannedException
from tests.unit.network.scenarios import SECOND, SIX, WORK, inputs, surroundings, tunnel

LAN_LINK, WAN_LINK = "br-lan", "wan"
EXITS = {"default": 0, "work": 1}
TUNNELS = (tunnel(), SECOND, SIX, WORK, None)


@st.composite
def exits(draw, name, index):
    active = draw(st.sampled_from(TUNNELS))
    others = [t for t in TUNNELS if t is not None and (active is None or t.slot != active.slot)]
    candidate = draw(st.none() | st.sampled_from(others))
    draining = draw(st.none() | st.sampled_from(others)) if candidate is None else None
    return ExitPlan(name, index, active, candidate, draining)


policies = st.sampled_from([VpnPolicy(), VpnPolicy("work"), VpnPolicy("no such exit"), DirectPolicy(), BlockedPolicy()])
macs = st.integers(1, 250).map(lambda n: f"02:00:00:00:00:{n:02x}")


@st.composite
def situations(draw):
    devices = draw(st.dictionaries(macs, policies, max_size=250))
    # Of some of them, and of others, for a while; no device has two.
    excepted = draw(st.dictionaries(st.sampled_from(sorted(devices)) | macs if devices else macs, policies, max_size=5))
    exceptions = tuple(PlannedException(n * 51, p, (mac,), 9e7) for n, (mac, p) in enumerate(excepted.items()))
    return inputs(
        draw(exits("default", 0)),
        draw(exits("work", 1)),
        default=draw(policies),
        devices=tuple(devices.items()),
        exceptions=exceptions,
        lookup_servers=draw(st.sampled_from([(), (ip_address("203.0.113.1"),)])),
        clear_api=(),
    )


SOURCES = ["192.168.77.20", "192.168.77.250", "10.1.1.1", "203.0.113.5", "8.8.8.8", "10.64.1.2"]
DESTINATIONS = ["9.9.9.9", "203.0.113.1", "203.0.113.99", "198.51.100.7", "192.168.1.1", "10.64.1.2", "10.64.0.1"]
SOURCES6 = ["fd12:3456:789a::20", "fe80::20", "2001:db8:1::5", "2001:db8:f::1"]
DESTINATIONS6 = ["2001:db8:9::9", "2001:db8:ffff::1", "2001:db8:1::53", "fc00:bbbb::2", "fd99::1"]


@st.composite
def from_lan(draw):
    six = draw(st.booleans())
    proto = draw(st.sampled_from(["tcp", "udp", "icmpv6" if six else "icmp"]))
    ported = proto in {"tcp", "udp"}
    return Packet(
        src=ip_address(draw(st.sampled_from(SOURCES6 if six else SOURCES))),
        dst=ip_address(draw(st.sampled_from(DESTINATIONS6 if six else DESTINATIONS))),
        proto=proto,
        sport=draw(st.sampled_from([40000, 53, 51820, 68])) if ported else 0,
        dport=draw(st.sampled_from([443, 53, 853, 51820, 67, 123])) if ported else 0,
        iif=LAN_LINK,
        mac=draw(macs),
        ct_state=draw(st.sampled_from(["new", "established", "related", "invalid"])),
        ct_mark=draw(st.sampled_from([0, 0x10, 0x100, 0x101, 0x1000])),
    )


def policy_of(inp: PlanInput, mac: str):
    """The policy in force; one that blocks, or whose exit does not exist, is never planned as an exception."""
    exceptions = {
        mac: e.policy for e in inp.exceptions for mac in e.macs if policy_mark(e.policy, EXITS) != MARK_BLOCKED
    }
    return (dict(inp.devices) | exceptions).get(mac, inp.default_policy)


def permitted(inp: PlanInput, mac: str) -> set[str]:
    """The interfaces by which what ``mac`` sends may leave, besides the LAN's own."""
    match policy_of(inp, mac):
        case DirectPolicy():
            return {WAN_LINK}
        case VpnPolicy(exit=name):
            found = [e for e in inp.exits if e.name == name and e.active is not None]
            return {exit_interface(e.index, t.slot) for e in found for t in (e.active, e.draining) if t is not None}
        case _:
            return set()


many = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@many
@given(situations(), st.lists(from_lan(), min_size=1, max_size=12), st.booleans())
def test_packets_leave_by_the_devices_exit_or_not_at_all(inp, packets, hijack):
    tracer = PacketTracer(plan(inp), surroundings(inp, hijack=hijack))
    for packet in packets:
        outcome = tracer.send(packet)
        assert outcome.link in {None, LAN_LINK, *permitted(inp, packet.mac)}, (packet, outcome)


@many
@given(situations(), st.lists(from_lan(), min_size=1, max_size=12), st.booleans())
def test_nftables_alone_keeps_packets_to_their_exit(inp, packets, hijack):
    tracer = PacketTracer(plan(inp), surroundings(inp, hijack=hijack), rules=False, ports=False)
    for packet in packets:
        outcome = tracer.send(packet)
        assert outcome.link in {None, LAN_LINK, *permitted(inp, packet.mac)}, (packet, outcome)


@many
@given(situations(), st.lists(from_lan(), min_size=1, max_size=12), st.booleans())
def test_routing_alone_keeps_packets_in_the_lan(inp, packets, hijack):
    """Without marks devices cannot be distinguished, so none gets out, not even one with the ``direct`` policy."""
    tracer = PacketTracer(plan(inp), surroundings(inp, hijack=hijack), nft=False, ports=False)
    for packet in packets:
        outcome = tracer.send(packet)
        assert outcome.link in {None, LAN_LINK}, (packet, outcome)


@many
@given(situations(), st.lists(from_lan(), min_size=1, max_size=12), st.booleans())
def test_port_filter_alone_keeps_packets_off_the_wan(inp, packets, hijack):
    """Without nftables nothing has a mark. What goes to everybody on the link is not forwarded."""
    tracer = PacketTracer(plan(inp), surroundings(inp, hijack=hijack), nft=False, rules=False)
    for packet in packets:
        outcome = tracer.send(packet)
        assert outcome.link != WAN_LINK, (packet, outcome)


def test_leak_past_all_three_locks_is_detected():
    made = plan(DOWN)
    assert leak(made, DOWN, nft=False, rules=False, ports=False)
    assert not leak(made, DOWN, nft=False, rules=False, ports=True)


@many
@given(situations(), st.lists(from_lan(), min_size=1, max_size=12))
def test_dns_from_the_lan_is_never_forwarded(inp, packets):
    tracer = PacketTracer(plan(inp), surroundings(inp))
    for packet in packets:
        if packet.proto in {"tcp", "udp"}:
            outcome = tracer.send(msgspec.structs.replace(packet, dport=53))
            assert outcome.kind != "sent", (packet, outcome)


@many
@given(situations(), st.sampled_from(DESTINATIONS + DESTINATIONS6), st.sampled_from(["tcp", "udp"]), st.booleans())
def test_unmarked_gateway_packets_never_leave_by_the_wan(inp, destination, proto, hijack):
    address = ip_address(destination)
    packet = Packet(ip_address("0.0.0.0" if address.version == 4 else "::"), address, proto, 40000, 443)
    outcome = PacketTracer(plan(inp), surroundings(inp, hijack=hijack)).send(packet)
    assert outcome.link != WAN_LINK, outcome


@many
@given(situations(), st.sampled_from([80, 5000, 53, 22]), st.sampled_from([WAN_LINK, "wg0a", "wg0b", "wg1a"]))
def test_gateway_services_are_unreachable_from_outside(inp, port, iif):
    for destination in ("203.0.113.5", "192.168.77.1", "10.64.1.2"):
        packet = Packet(ip_address("198.51.100.99"), ip_address(destination), "tcp", 40000, port, iif=iif)
        assert PacketTracer(plan(inp), surroundings(inp)).send(packet).kind != "local"


# --- the properties can fail -----------------------------------------------------------------------------------------


def leak(made: NetworkPlan, inp: PlanInput, **locks: bool) -> bool:
    packet = Packet(
        ip_address("192.168.77.20"), ip_address("9.9.9.9"), "udp", 40000, 443, iif=LAN_LINK, mac="02:00:00:00:00:05"
    )
    return PacketTracer(made, surroundings(inp), **{"ports": False, **locks}).send(packet).link == WAN_LINK


DOWN = inputs(ExitPlan("default", 0))
HOLES = {
    "prerouting": ('counter name "drop_blocked" goto refuse', "accept"),
    "forward": ('iifname "br-lan" goto forward_lan', 'iifname "br-lan" accept'),
    "egress": ('oifname "wan" goto egress_wan', 'oifname "wan" accept'),
}


def holed(made: NetworkPlan, *names: str) -> NetworkPlan:
    text = made.ruleset
    for name in names:
        closed, opened = HOLES[name]
        assert closed in text, f"the ruleset has changed: make another hole for {name}"
        text = text.replace(closed, opened)
    return msgspec.structs.replace(made, ruleset=text)


def test_leak_through_a_holed_ruleset_is_detected():
    made = plan(DOWN)
    assert not leak(made, DOWN, rules=False)
    assert leak(holed(made, *HOLES), DOWN, rules=False)


@pytest.mark.parametrize("name", HOLES)
def test_single_hole_in_the_ruleset_leaks_nothing(name):
    """nftables checks three times: where the packet arrives, where it is forwarded, where it leaves."""
    assert not leak(holed(plan(DOWN), name), DOWN, rules=False)


@pytest.mark.parametrize("kept", ["nothing", "only main"])
def test_leak_through_holed_routing_is_detected(kept):
    made = plan(DOWN)
    assert not leak(made, DOWN, nft=False)
    holed = tuple(r for r in made.rules if r.iif != LAN_LINK and r.priority != 10999) if kept == "only main" else ()
    assert leak(msgspec.structs.replace(made, rules=holed), DOWN, nft=False)
