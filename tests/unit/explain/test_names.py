"""A destination that is a name: which resolver is asked, and what the answer is then."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from app.explain.answers import Ask, Looked, explanation, resolver
from app.explain.carrier import Carrier
from app.explain.decision import Decision
from app.explain.facts import Facts
from app.explain.supposition import supposed
from app.model import BlockedPolicy, DirectPolicy, VpnPolicy
from app.network.plan import ExitPlan
from app.protocol.explanations import Supposition
from app.protocol.status import ExitState, ExitStatus
from tests.unit.network.scenarios import DEVICES, PLAIN_MAC, SECOND, WORK, default_exit, inputs, tunnel

INP = inputs(default_exit(active=tunnel()), ExitPlan("work", 1, WORK), ExitPlan("idle", 7), devices=DEVICES)
NAME = "www.example.org"
FOUR, SIX = ip_address("198.51.100.80"), ip_address("2001:db8:ffff::80")


def facts(mac: str, policy=None) -> Facts:
    chosen = policy or dict(DEVICES).get(mac, VpnPolicy())
    return Facts(mac, "TV", Decision(chosen, "own"), exit=ExitStatus("default", ExitState.CONNECTED))


def asked(policy, suppose: Supposition | None = None) -> int | None:
    inp = supposed(INP, PLAIN_MAC, policy, suppose or Supposition())
    return resolver(Carrier(inp), facts(PLAIN_MAC, policy), Ask({}))


@pytest.mark.parametrize(
    ("policy", "port"),
    [
        (VpnPolicy(), 5301),
        (VpnPolicy("work"), 5302),
        (VpnPolicy("idle"), 53),  # nothing carries its question
        (VpnPolicy("no such exit"), 53),
        (BlockedPolicy(), 53),
        (DirectPolicy(), 53),  # its own resolver would ask in the clear
    ],
)
def test_the_resolver_of_the_devices_exit_is_asked(policy, port):
    assert asked(policy) == port


def test_no_resolver_is_asked_that_the_supposition_takes_away():
    assert asked(VpnPolicy(), Supposition(exit_down="default")) == 53
    assert asked(VpnPolicy(), Supposition(wan_down=True)) == 53
    assert asked(VpnPolicy("work"), Supposition(exit_down="default")) == 5302


def told(mac: str, looked: Looked, inp=INP, **more):
    return explanation(facts(mac), Carrier(inp), Ask({}), looked, supposed=False, notes=(), **more)


def test_each_address_of_the_name_has_its_way():
    found = told(PLAIN_MAC, Looked(NAME, 5301, (FOUR, SIX)))
    assert [(p.family, p.address, p.verdict) for p in found.paths] == [
        (4, str(FOUR), "tunnel"),
        (6, str(SIX), "tunnel"),
    ]
    assert found.lookup is not None
    assert (found.lookup.exit, found.lookup.addresses) == ("default", (str(FOUR), str(SIX)))
    assert found.sentence == f"TV reaches {NAME} ({FOUR}) through the exit default, encrypted."
    assert (found.verdict, found.next_step) == ("tunnel", None)


def test_name_is_reached_by_the_address_that_works():
    four_alone = inputs(default_exit(active=SECOND))
    found = told(PLAIN_MAC, Looked(NAME, 5301, (SIX, FOUR)), four_alone)
    assert [p.verdict for p in found.paths] == ["blocked", "tunnel"]
    assert (found.verdict, found.next_step) == ("tunnel", None)
    only_six = told(PLAIN_MAC, Looked(NAME, 5301, (SIX,)), four_alone)
    assert (only_six.verdict, only_six.paths[0].rule) == ("blocked", "ipv6")


@pytest.mark.parametrize("addresses", [(), None])
def test_name_without_an_address_is_not_reached(addresses):
    found = told(PLAIN_MAC, Looked(NAME, 5301, addresses))
    assert found.verdict == "no_address"
    assert found.lookup is not None
    assert found.sentence == found.lookup.sentence
    assert found.next_step == "Check the spelling of the name, or ask for its address instead."


def test_blocked_devices_name_is_not_looked_up_and_why():
    mac = DEVICES[1][0]
    found = told(mac, Looked(NAME, 53, None))
    assert found.verdict == "blocked"
    assert found.sentence == (
        f"{NAME} is not looked up: TV gets answers to the LAN's own names alone, because its policy is: blocked."
        " TV does not reach the Internet: its policy is: blocked."
    )


def test_direct_devices_name_is_never_looked_up_in_the_clear():
    mac = DEVICES[0][0]
    found = told(mac, Looked(NAME, 53, None))
    assert (found.verdict, found.paths[0].address) == ("clear", None)
    assert found.sentence.startswith(f"{NAME} is not looked up: for TV the gateway would ask the WAN's resolvers")


@pytest.mark.parametrize("port", [53, 5301])
def test_name_of_the_lan(port):
    found = told(PLAIN_MAC, Looked("nas.lan", port, (ip_address("192.168.77.9"),)))
    assert found.lookup is not None
    assert (found.lookup.exit, found.lookup.sentence) == (None, "nas.lan is a name of the LAN: 192.168.77.9.")
    assert found.sentence == "TV reaches nas.lan (192.168.77.9) within the LAN, without the gateway."
