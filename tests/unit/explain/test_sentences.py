"""Every sentence: why a device is as it is, what becomes of its packets, and what to do about it."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from app.explain.causes import cause, next_step
from app.explain.decision import Decision
from app.explain.facts import Facts
from app.explain.sentences import family_note, local_sentence, lookup_sentence, path_sentence, why_sentence
from app.model import BlockedPolicy, DirectPolicy, VpnPolicy
from app.network.ruleset.refusals import REASONS
from app.protocol.explanations import Origin, Successor
from app.protocol.status import ExitState, ExitStatus
from app.tunnel.states import Reason

MAC = "02:00:00:00:00:01"
UP = ExitStatus("de", ExitState.CONNECTED, server="de-ber-1")


def facts(policy=None, origin="own", **more) -> Facts:
    decision = Decision(policy or VpnPolicy("de"), origin, group="kids" if "group" in origin else None)
    return Facts(MAC, "TV", decision, **more)


def exit_in(state: ExitState, **more) -> Facts:
    return facts(exit=ExitStatus("de", state, **more))


BLOCKED = "blocked"
DIRECT = facts(DirectPolicy())

# (facts, verdict, rule) -> the clause, the next step
CASES = {
    "not connected": (
        (exit_in(ExitState.DISCONNECTED), BLOCKED, "blocked"),
        "its exit de is not connected",
        "connect it: vpn-gateway connect SERVER --exit de",
    ),
    "default exit not connected": (
        (facts(VpnPolicy(), exit=ExitStatus("default", ExitState.DISCONNECTED)), BLOCKED, "blocked"),
        "its exit default is not connected",
        "connect it: vpn-gateway connect SERVER",
    ),
    "connecting": (
        (exit_in(ExitState.CONNECTING, server="de-ber-1"), BLOCKED, "blocked"),
        "its exit de is still connecting to de-ber-1",
        "wait some seconds; if it does not connect, choose another server: vpn-gateway connect SERVER --exit de",
    ),
    "disconnecting": (
        (exit_in(ExitState.DISCONNECTING), BLOCKED, "blocked"),
        "its exit de is being disconnected",
        "wait a second and ask again",
    ),
    "changing": (
        (exit_in(ExitState.CONNECTED), BLOCKED, "blocked"),
        "its exit de is changing",
        "wait a second and ask again",
    ),
    "cannot connect": (
        (
            exit_in(ExitState.BLOCKED, server="de-ber-1", reason="handshake_timeout", message="no answer; try another"),
            BLOCKED,
            "blocked",
        ),
        "its exit de cannot connect to de-ber-1 (handshake_timeout)",
        "no answer; try another",
    ),
    "shut after a leak": (
        (exit_in(ExitState.BLOCKED, server="de-ber-1", reason=Reason.CANARY_LEAK.value), BLOCKED, "blocked"),
        "all exits are shut, since a packet of the gateway's own probes has left in the clear",
        (
            "see what has leaked: vpn-gateway canary; the exits open by themselves when nothing leaks any more,"
            " or by vpn-gateway canary --open"
        ),
    ),
    "cannot connect, no message": (
        (exit_in(ExitState.BLOCKED), BLOCKED, "blocked"),
        "its exit de cannot connect (unknown)",
        "choose another server: vpn-gateway connect SERVER --exit de",
    ),
    "supposed to be down": (
        (facts(exit=UP, supposed_down=True), BLOCKED, "blocked"),
        "its exit de would be down",
        "give the device another exit, or the exit a server to fall back on",
    ),
    "supposed to be down, with a fallback": (
        (facts(exit=UP, supposed_down=True, failover=Successor("mullvad", "de-2", "x")), BLOCKED, "blocked"),
        "its exit de would be down",
        "nothing: the exit comes back by itself, through another server",
    ),
    "exit without a state": (
        (facts(), BLOCKED, "blocked"),
        "its exit de does not exist",
        "give the device another exit, or the exit a server to fall back on",
    ),
    "exit that is gone": (
        (facts(), BLOCKED, "device_blocked"),
        "its exit de does not exist",
        f"give it an exit that exists: vpn-gateway devices set {MAC} vpn",
    ),
    "own policy": (
        (facts(BlockedPolicy()), BLOCKED, "device_blocked"),
        "its policy is: blocked",
        f"give it the VPN again: vpn-gateway devices set {MAC} vpn",
    ),
    "default policy": (
        (facts(BlockedPolicy(), "default"), BLOCKED, "device_blocked"),
        "the policy of all devices without one of their own is: blocked",
        f"give the device a policy of its own: vpn-gateway devices set {MAC} vpn",
    ),
    "group's policy": (
        (facts(BlockedPolicy(), "group"), BLOCKED, "device_blocked"),
        "the policy of its group kids is: blocked",
        f"change the policy of the group, or give the device one of its own: vpn-gateway devices set {MAC} vpn",
    ),
    "schedule": (
        (facts(BlockedPolicy(), "schedule"), BLOCKED, "device_blocked"),
        "its schedule is: blocked",
        f"wait: it ends by itself; an admin can make an exception (vpn-gateway except {MAC} vpn)",
    ),
    "group's schedule": (
        (facts(BlockedPolicy(), "group_schedule"), BLOCKED, "device_blocked"),
        "the schedule of its group kids is: blocked",
        f"wait: it ends by itself; an admin can make an exception (vpn-gateway except {MAC} vpn)",
    ),
    "exception": (
        (facts(BlockedPolicy(), "exception"), BLOCKED, "device_blocked"),
        "an exception is: blocked",
        "wait: it ends by itself; an admin can end it now (vpn-gateway exceptions)",
    ),
    "waiting": (
        (facts(BlockedPolicy(), "waiting"), BLOCKED, "device_blocked"),
        "it waits until an admin admits it",
        f"admit it: vpn-gateway admit {MAC}",
    ),
    "waiting, by its own counter": (
        (facts(origin="waiting"), BLOCKED, "waiting"),
        "it waits until an admin admits it",
        f"admit it: vpn-gateway admit {MAC}",
    ),
    "direct without a WAN": (
        (facts(DirectPolicy(), wan=False), BLOCKED, "blocked"),
        "the WAN is down",
        "check the cable between the gateway and the router",
    ),
    "direct with a WAN that has a problem": (
        (facts(DirectPolicy(), wan=False, wan_message="choose the WAN"), BLOCKED, "blocked"),
        "the WAN is down",
        "choose the WAN",
    ),
    "direct without a router": (
        (DIRECT, BLOCKED, "blocked"),
        "the WAN has no router for it",
        "check the cable between the gateway and the router",
    ),
    "tunnel without a WAN": (
        (facts(exit=UP, wan=False), "lost", None),
        "the tunnel of its exit de has no way out: the WAN is down",
        "check the cable between the gateway and the router",
    ),
    "direct by a WAN without carrier": (
        (facts(DirectPolicy(), wan=False), "lost", None),
        "the WAN is down",
        "check the cable between the gateway and the router",
    ),
    "exit without IPv6": (
        (facts(exit=UP), BLOCKED, "ipv6"),
        "its exit de carries no IPv6",
        "nothing: programs use IPv4 instead; with a server that carries IPv6 this works too",
    ),
    "WAN without IPv6": (
        (DIRECT, BLOCKED, "ipv6"),
        "the WAN has no IPv6",
        "nothing: programs use IPv4 instead",
    ),
    "split tunnel": (
        (facts(exit=UP), BLOCKED, "no_route"),
        "the tunnel of its exit de leads to certain networks only, and not there",
        "give it an exit whose tunnel leads to the whole Internet",
    ),
    "foreign DNS": (
        (facts(exit=UP), BLOCKED, "dns"),
        "names are looked up by the gateway alone",
        "set the device's DNS to automatic, so that it asks the gateway",
    ),
}
REPORT = "this should not happen: send the support file with this answer (vpn-gateway support)"


@pytest.mark.parametrize("name", CASES)
def test_cause_and_next_step(name: str) -> None:
    (given, verdict, rule), why, step = CASES[name]
    assert cause(given, verdict, rule) == why
    assert next_step(given, verdict, rule) == step


@pytest.mark.parametrize(
    "rule", [r for r in REASONS if r not in {"waiting", "blocked", "device_blocked", "ipv6", "no_route", "dns"}]
)
def test_every_other_rule_of_the_plan_is_named(rule: str) -> None:
    assert cause(facts(exit=UP), BLOCKED, rule) == f"the rule {rule} stops it: {REASONS[rule]}"
    assert next_step(facts(exit=UP), BLOCKED, rule) == REPORT


@pytest.mark.parametrize(
    ("rule", "clause"),
    [
        (None, "no route leads there"),
        ("no_way", "no route leads there"),
        ("port_filter", "the filter on the WAN's port stops it"),
        ("of another version", "the rule of another version stops it"),
    ],
)
def test_a_stop_without_a_reason_of_the_plan(rule: str | None, clause: str) -> None:
    assert cause(facts(exit=UP), BLOCKED, rule) == clause
    assert next_step(facts(exit=UP), BLOCKED, rule) == REPORT


def test_every_origin_has_its_words() -> None:
    found = {o: cause(facts(BlockedPolicy(), o), BLOCKED, "device_blocked") for o in get_args(Origin)}
    assert len(set(found.values())) == len(found)


def test_exception_tells_its_reason() -> None:
    given = msgspec.structs.replace(facts(), decision=Decision(BlockedPolicy(), "exception", reason="homework"))
    assert cause(given, BLOCKED, "device_blocked") == "an exception (homework) is: blocked"


@pytest.mark.parametrize(
    ("verdict", "rule", "present", "supposed"),
    [
        (
            "tunnel",
            None,
            "TV reaches 192.0.2.7 through the exit de, encrypted.",
            "TV would reach 192.0.2.7 through the exit de, encrypted.",
        ),
        (
            "clear",
            None,
            "TV reaches 192.0.2.7 directly by the WAN, in the clear and under the WAN's own address.",
            "TV would reach 192.0.2.7 directly by the WAN, in the clear and under the WAN's own address.",
        ),
        (
            "gateway",
            None,
            "TV reaches 192.0.2.7 on the gateway itself.",
            "TV would reach 192.0.2.7 on the gateway itself.",
        ),
        (
            "lan",
            None,
            "TV reaches 192.0.2.7 within the LAN, without the gateway.",
            "TV would reach 192.0.2.7 within the LAN, without the gateway.",
        ),
        (
            "blocked",
            "ipv6",
            "TV does not reach 192.0.2.7: its exit de carries no IPv6.",
            "TV would not reach 192.0.2.7: its exit de carries no IPv6.",
        ),
        (
            "lost",
            None,
            "TV does not reach 192.0.2.7: the tunnel of its exit de has no way out: the WAN is down.",
            "TV would not reach 192.0.2.7: the tunnel of its exit de has no way out: the WAN is down.",
        ),
        (
            "no_address",
            None,
            "TV does not reach 192.0.2.7: the name has no address.",
            "TV would not reach 192.0.2.7: the name has no address.",
        ),
    ],
)
def test_what_becomes_of_a_packet(verdict: str, rule: str | None, present: str, supposed: str) -> None:
    given = facts(exit=UP, wan=verdict != "lost")
    assert path_sentence(given, "192.0.2.7", verdict, rule) == present  # type: ignore[arg-type]
    assert path_sentence(given, "192.0.2.7", verdict, rule, supposed=True) == supposed  # type: ignore[arg-type]


def test_why_a_device_has_internet_or_not() -> None:
    given = facts(exit=UP)
    assert why_sentence(given, "tunnel", None) == (
        "TV uses the Internet through the exit de and its server de-ber-1, encrypted."
    )
    assert why_sentence(facts(origin="choice"), "tunnel", None) == (
        "TV uses the Internet through the exit de, encrypted, which it has chosen itself."
    )
    assert why_sentence(DIRECT, "clear", None) == (
        "TV uses the Internet directly by the WAN, in the clear: its policy is: direct."
    )
    assert why_sentence(given, "blocked", "no_route") == (
        "TV reaches the networks of its exit de alone, whose tunnel leads nowhere else."
    )
    assert why_sentence(exit_in(ExitState.DISCONNECTED), "blocked", "blocked") == (
        "TV has no Internet: its exit de is not connected."
    )


def test_device_without_a_name_is_its_mac() -> None:
    unnamed = msgspec.structs.replace(facts(exit=UP), name=None)
    assert path_sentence(unnamed, "x", "lan", None) == f"{MAC} reaches x within the LAN, without the gateway."


def test_name_of_a_device_stays_as_it_is() -> None:
    small = msgspec.structs.replace(facts(exit=UP), name="iPad")
    assert path_sentence(small, "x", "lan", None).startswith("iPad reaches x")
    assert why_sentence(small, "tunnel", None).startswith("iPad uses the Internet")


def test_what_a_name_is() -> None:
    assert lookup_sentence("a.example", "de", ("192.0.2.7", "192.0.2.8")) == (
        "a.example is 192.0.2.7, 192.0.2.8, as looked up through the exit de."
    )
    assert lookup_sentence("a.example", "de", ()) == (
        "The resolvers of the exit de know no address of a.example that a device may use."
    )
    assert lookup_sentence("a.example", "de", None) == "The resolvers of the exit de do not answer to a.example."


def test_name_that_is_not_looked_up() -> None:
    given = facts(BlockedPolicy())
    assert local_sentence(given, "nas.lan", ("192.168.77.9",), direct=False, why_not="") == (
        "nas.lan is a name of the LAN: 192.168.77.9."
    )
    assert local_sentence(given, "a.example", (), direct=False, why_not="its policy is: blocked") == (
        "a.example is not looked up: TV gets answers to the LAN's own names alone, because its policy is: blocked."
    )
    assert local_sentence(given, "a.example", (), direct=True, why_not="") == (
        "a.example is not looked up: for TV the gateway would ask the WAN's resolvers, in the clear."
    )


def test_family_that_does_not_get_out_is_noted() -> None:
    assert family_note(facts(exit=UP), 6, "blocked", "ipv6") == "IPv6 does not get out: its exit de carries no IPv6."
    assert family_note(facts(exit=UP), 4, "blocked", "no_route").startswith("IPv4 does not get out: the tunnel of")
