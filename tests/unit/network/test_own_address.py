"""A WAN whose lease is the tunnel's own address: the tunnel works, and nothing from the WAN gets into it."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec
import pytest

from app.network.plan import exit_mark
from app.network.planner import plan
from app.packet_trace import Packet, PacketTracer
from tests.unit.network.scenarios import DIRECT_MAC, SCENARIOS, surroundings

OWN = "10.64.1.2"
BOTH = ["address-on-both", "address-on-both-direct"]


def tracer(name: str) -> PacketTracer:
    inp = SCENARIOS[name]()
    return PacketTracer(plan(inp), surroundings(inp))


def from_wan(src: str, sport: int, proto="udp", dport=40000, **more) -> Packet:
    return Packet(ip_address(src), ip_address(OWN), proto, sport, dport, iif="wan", **more)


ANSWERS = {
    "the VPN server": from_wan("198.51.100.7", 51820),
    "DHCP": from_wan("10.64.0.1", 67, dport=68),
    "a look-up": from_wan("10.64.0.1", 53),
    "a look-up over TCP": from_wan("10.64.0.1", 53, "tcp", syn=False),
    "a provider": from_wan("192.0.2.44", 443, "tcp", syn=False),
    "the time": from_wan("192.0.2.123", 123),
}


@pytest.mark.parametrize("what", ANSWERS)
def test_answer_to_the_gateway_comes_in(what):
    answer = msgspec.structs.replace(ANSWERS[what], ct_state="established")
    assert tracer("address-on-both").send(answer).kind == "local"


@pytest.mark.parametrize("name", BOTH)
def test_tunnel_is_carried_and_the_server_answers(name):
    assert tracer(name).send(msgspec.structs.replace(ANSWERS["the VPN server"], ct_state="established")).kind == "local"


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    "forged",
    [
        from_wan("9.9.9.9", 443, "tcp", syn=False),
        from_wan("9.9.9.9", 853, "tcp", syn=False),
        from_wan("198.51.100.7", 51821),
        from_wan("198.51.100.8", 51820),
        from_wan("10.64.0.1", 80, "tcp", syn=False),
        from_wan("9.9.9.9", 0, "icmp"),
    ],
)
def test_forged_answer_to_the_tunnels_traffic_is_dropped(name, forged):
    """Connection tracking does not tell links apart: for it, this is an answer from inside the tunnel."""
    outcome = tracer(name).send(msgspec.structs.replace(forged, ct_state="established"))
    assert (outcome.kind, outcome.counted[-1:]) == ("dropped", ("drop_tunnel_address",))


@pytest.mark.parametrize("name", BOTH)
def test_forged_answer_to_a_device_in_the_tunnel_is_dropped(name):
    forged = from_wan(
        "9.9.9.9", 443, "tcp", syn=False, ct_state="established", ct_mark=exit_mark(0),
        ct_dst=ip_address("192.168.77.20"),
    )  # fmt: skip
    assert tracer(name).send(forged).kind == "dropped"


def test_answer_to_a_direct_device_comes_in():
    answer = from_wan(
        "203.0.113.80", 443, "tcp", syn=False, ct_state="established", ct_mark=0x10, ct_dst=ip_address("192.168.77.21")
    )
    outcome = tracer("address-on-both-direct").send(answer)
    assert (outcome.kind, outcome.link) == ("sent", "br-lan")


def test_device_leaves_by_the_tunnel():
    packet = Packet(
        ip_address("192.168.77.20"), ip_address("9.9.9.9"), "tcp", 40000, 443, iif="br-lan", mac="02:00:00:00:00:09"
    )
    for name in BOTH:
        assert tracer(name).send(packet).link == "wg0a"
    assert tracer("address-on-both-direct").send(msgspec.structs.replace(packet, mac=DIRECT_MAC)).link == "wan"


def test_address_of_another_tunnel_stays_closed():
    """An address that the WAN does not have is none of its business (CVE-2019-14899)."""
    inp = SCENARIOS["connected"]()
    outcome = PacketTracer(plan(inp), surroundings(inp)).send(from_wan("198.51.100.7", 51820))
    assert outcome.counted == ("drop_tunnel_address",)
