"""The translation of DNS to the resolvers: each in its place, so that a silent one can be left for the next."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.model import DirectPolicy
from app.network.nft_layout import elements
from app.network.plan import DIRECT_RESOLVERS, MAX_EXITS, RESOLVER_SLOTS, ExitPlan, resolver_vips
from app.network.planner import plan
from app.network.policy import VIPS4, VIPS6
from app.packet_trace import Packet, PacketTracer, unspecified
from tests.unit.network.scenarios import WAN, default_exit, inputs, surroundings, tunnel


def translations(ruleset: str) -> dict[str, str]:
    """The resolvers by virtual address."""
    return {**elements(ruleset, "resolver4"), **elements(ruleset, "resolver6")}


@pytest.mark.parametrize(
    ("dns", "places"),
    [
        (("10.64.0.1",), ["10.64.0.1"] * 4),
        (("10.64.0.1", "10.64.0.2"), ["10.64.0.1", "10.64.0.2"] * 2),
        (("10.64.0.9", "10.64.0.1", "10.64.0.5"), ["10.64.0.9", "10.64.0.1", "10.64.0.5", "10.64.0.9"]),
        (("10.64.0.1", "10.64.0.2", "10.64.0.3", "10.64.0.4", "10.64.0.5"), [f"10.64.0.{n}" for n in range(1, 5)]),
    ],
)
def test_resolvers_have_their_places_in_order(dns: tuple[str, ...], places: list[str]) -> None:
    """No random or alternating choice: a dead resolver would lose every second name, whatever dnsmasq does."""
    made = plan(inputs(default_exit(active=tunnel(dns=dns)))).ruleset
    assert "numgen" not in made
    assert translations(made) == {str(vip): to for vip, to in zip(resolver_vips(0, 4), places, strict=True)}


def test_resolver_of_each_family_has_its_place() -> None:
    made = plan(inputs(default_exit(active=tunnel(dns=("fc00:bbbb::1", "10.64.0.1"))))).ruleset
    four, six = resolver_vips(0, 4), resolver_vips(0, 6)
    assert translations(made) == {
        str(six[0]): "fc00:bbbb::1",
        str(four[1]): "10.64.0.1",
        str(six[2]): "fc00:bbbb::1",
        str(four[3]): "10.64.0.1",
    }


def test_query_for_each_place_leaves_by_the_tunnel() -> None:
    inp = inputs(default_exit(active=tunnel(dns=("10.64.0.1", "10.64.0.2"))))
    tracer = PacketTracer(plan(inp), surroundings(inp))
    went = [tracer.send(Packet(unspecified(4), vip, "udp", dport=53)) for vip in resolver_vips(0, 4)]
    assert [(o.kind, str(o.packet.dst), o.packet.oif) for o in went] == [
        ("sent", f"10.64.0.{n}", "wg0a") for n in (1, 2, 1, 2)
    ]


def test_direct_resolvers_are_the_wans() -> None:
    inp = inputs(default_exit(), wan=WAN, devices=(("02:00:00:00:00:01", DirectPolicy()),))
    found = translations(plan(inp).ruleset)
    assert found[str(resolver_vips(DIRECT_RESOLVERS, 4)[0])] == "203.0.113.1"
    assert found[str(resolver_vips(DIRECT_RESOLVERS, 6)[1])] == "2001:db8:1::53"


def test_places_of_all_exits_are_apart() -> None:
    vips = [a for n in range(DIRECT_RESOLVERS, MAX_EXITS) for family in (4, 6) for a in resolver_vips(n, family)]
    assert len(set(vips)) == len(vips) == (MAX_EXITS + 1) * 2 * RESOLVER_SLOTS
    assert all(a in VIPS4 or a in VIPS6 for a in vips)


def test_exit_without_a_usable_resolver_translates_nothing() -> None:
    made = plan(inputs(default_exit(active=tunnel(dns=("192.168.77.9",))), ExitPlan("idle", 1))).ruleset
    assert translations(made) == {}
    assert ip_address("198.18.53.4") in VIPS4
