"""The commands that explain: devices by what people call them, suppositions, bad questions, lazy loading."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import msgspec
import pytest

from app.errors import ConflictError, GatewayError, InvalidFieldError, NotFoundError, TooManyRequestsError
from app.explain.decision import Decision, stored
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    FailoverSettings,
    LanLink,
    Lease,
    Links,
    Neighbour,
    VpnPolicy,
    WanLink,
)
from app.netd.explanations import MOST_WAITING, NOT_SEEN, Explanations
from app.netd.policy_times import PolicyTimes
from app.network.plan import ExitPlan, PlanInput, TransportPeer, TunnelPlan
from app.policies import planned
from app.protocol.commands import Explain, GetWhy
from app.protocol.events import DeviceChanged, Event
from app.protocol.explanations import Supposition
from app.protocol.status import Attestation, ExitState, ExitStatus
from app.store import Store
from app.tunnel.states import Target

TV, PHONE, NAS = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
UP = ExitPlan(
    "default",
    0,
    TunnelPlan(
        "a",
        (ip_interface("10.64.1.2/32"),),
        1420,
        (TransportPeer(ip_address("198.51.100.7"), 51820),),
        (ip_network("0.0.0.0/0"),),
        (ip_address("10.64.0.1"),),
    ),
)
WAN = WanLink("wan0", True, 1500, (ip_interface("203.0.113.5/24"),), ip_address("203.0.113.1"))  # type: ignore[arg-type]


class Gateway:
    """A network whose exit ``default`` is up and whose exit ``de`` is down, and three devices."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.links = Links(WAN, (LanLink("lan0"),))
        self.attestation = Attestation(ok=True)
        self.problem: str | None = None
        self.exits = [
            ExitStatus("default", ExitState.CONNECTED, server="se-1", since=1000.0),
            ExitStatus("de", ExitState.BLOCKED, since=2000.0, reason="handshake_timeout", message="try another"),
        ]
        self.asked: list[tuple[str, int]] = []
        self.answer = (ip_address("198.51.100.80"),)
        self.decide = stored
        self.successors: dict[str, Target] = {}
        self.changes = PolicyTimes(lambda: iter(()))  # type: ignore[arg-type,return-value]
        store.update_settings(
            lambda s: msgspec.structs.replace(
                s,
                exits=("default", "de"),
                devices=(Device(TV, BlockedPolicy(), "TV"), Device(PHONE, VpnPolicy("de"))),
            )
        )

    @property
    def inputs(self) -> PlanInput:
        settings = self.store.settings
        devices = planned(settings, time.time()).devices
        return PlanInput(self.links, settings.lan, (UP, ExitPlan("de", 1)), settings.default_policy, devices)

    async def drops(self) -> dict[str, int]:
        return {"device_blocked": 7, "blocked": 3}

    async def leases(self) -> tuple[Lease, ...]:
        return (Lease(PHONE, "192.168.77.21", "phone", 0),)

    async def look_up(self, name: str, port: int):
        self.asked.append((name, port))
        return self.answer

    async def foretold(self, exit_name: str) -> Target | None:
        return self.successors.get(exit_name)

    def explanations(self) -> Explanations:
        return Explanations(
            store=self.store,
            network=self,
            exits=lambda: self.exits,
            leases=self.leases,
            neighbours=lambda: (Neighbour(NAS, "192.168.77.9", 1.0), Neighbour(NAS, "fe80::9", 1.0)),
            decide=self.decide,
            changed=self.changes.changed,
            look_up=self.look_up,
            foretold=self.foretold,
        )

    async def run(self, command):
        handlers = dict(self.explanations().handlers())
        return await handlers[type(command)](command)


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Store(tmp_path) as store:
        store.load()
        yield Gateway(store)


async def test_why_blocked_by_its_policy(gateway: Gateway) -> None:
    why = await gateway.run(GetWhy(TV.upper()))
    assert (why.mac, why.name, why.state, why.origin) == (TV, "TV", "blocked", "own")
    assert (why.rule, why.counter, why.packets, why.reason) == (
        "device_blocked",
        "drop_device_blocked",
        7,
        "device_blocked",
    )
    assert why.sentence == "TV has no Internet: its policy is: blocked."
    assert why.next_step == f"Give it the VPN again: vpn-gateway devices set {TV} vpn."
    assert (why.since, why.notes) == (None, (NOT_SEEN,))


@pytest.mark.parametrize(
    "wan",
    [None, msgspec.structs.replace(WAN, up=False), msgspec.structs.replace(WAN, addresses=(), gateway4=None)],
    ids=["none", "no link", "no address"],
)
async def test_why_of_a_direct_device_says_what_its_row_says(gateway: Gateway, wan: WanLink | None) -> None:
    """The list of devices tells ``wan_down`` in each of these cases; "why?" told other reasons in two of them."""
    gateway.links = msgspec.structs.replace(gateway.links, wan=wan)
    gateway.store.update_settings(lambda s: msgspec.structs.replace(s, devices=(Device(TV, DirectPolicy(), "TV"),)))
    why = await gateway.run(GetWhy(TV))
    assert (why.state, why.reason) == ("blocked", "wan_down")
    assert why.sentence == "TV has no Internet: the WAN is down."
    assert why.next_step == "Check the cable between the gateway and the router."


async def test_why_blocked_by_its_exit(gateway: Gateway) -> None:
    why = await gateway.run(GetWhy(PHONE))
    assert (why.name, why.state, why.exit, why.reason) == ("phone", "blocked", "de", "handshake_timeout")
    assert (why.rule, why.packets, why.since, why.next_step) == ("blocked", 3, 2000.0, "Try another.")
    assert why.notes == ()


async def test_why_a_device_has_internet(gateway: Gateway) -> None:
    why = await gateway.run(GetWhy(NAS))
    assert (why.state, why.origin, why.exit, why.since) == ("vpn", "default", "default", 1000.0)
    assert (why.rule, why.counter, why.packets, why.next_step) == (None, None, None, None)
    (four,) = why.paths
    assert (four.verdict, four.interface, four.source) == ("tunnel", "wg0a", "10.64.1.2")


async def test_since_is_the_later_of_policy_and_exit(gateway: Gateway) -> None:
    for at in (500.0, 3000.0):
        gateway.changes.follow(Event(1, at, DeviceChanged(NAS, "policy")))
        assert (await gateway.run(GetWhy(NAS))).since == max(at, 1000.0)
    gateway.changes.follow(Event(2, 4000.0, DeviceChanged(TV, "policy")))
    gateway.changes.follow(Event(2, 5000.0, DeviceChanged(TV, "lease")))
    assert (await gateway.run(GetWhy(TV))).since == 4000.0


async def test_decision_that_ends_tells_when(gateway: Gateway) -> None:
    gateway.decide = lambda *_: Decision(BlockedPolicy(), "exception", since=10.0, until=99.0, reason="homework")
    gateway.store.update_settings(
        lambda s: msgspec.structs.replace(s, devices=(*s.devices, Device(NAS, BlockedPolicy())))
    )
    why = await gateway.run(GetWhy(NAS))
    assert (why.origin, why.since, why.until) == ("exception", 10.0, 99.0)
    assert "homework" in why.sentence


async def test_rules_that_are_not_those_of_the_settings_are_noted(gateway: Gateway) -> None:
    gateway.attestation = Attestation(ok=False)
    assert "being repaired" in (await gateway.run(GetWhy(NAS))).notes[0]
    gateway.problem = "it cannot be planned"
    assert "it cannot be planned" in (await gateway.run(GetWhy(NAS))).notes[0]


async def test_wan_pulled_out_is_the_reason_before_the_exit_notices(gateway: Gateway) -> None:
    gateway.links = msgspec.structs.replace(gateway.links, wan=None)
    why = await gateway.run(GetWhy(NAS))
    assert (why.state, why.reason, why.rule) == ("blocked", "wan_down", None)
    assert why.next_step == "Check the cable between the gateway and the router."


@pytest.mark.parametrize("text", [NAS, NAS.upper().replace(":", "-"), "192.168.77.9", "fe80::9%lan0", "FE80::9"])
async def test_device_by_mac_or_address(gateway: Gateway, text: str) -> None:
    assert (await gateway.run(Explain(text, "9.9.9.9"))).mac == NAS


@pytest.mark.parametrize(("text", "mac"), [("tv", TV), ("TV", TV), ("Phone", PHONE)])
async def test_device_by_its_name(gateway: Gateway, text: str, mac: str) -> None:
    assert (await gateway.run(Explain(text, "9.9.9.9"))).mac == mac


async def test_name_of_two_devices_is_ambiguous(gateway: Gateway) -> None:
    gateway.store.update_settings(
        lambda s: msgspec.structs.replace(s, devices=(*s.devices, Device(NAS, VpnPolicy(), "tv")))
    )
    with pytest.raises(ConflictError) as caught:
        await gateway.run(Explain("TV", "9.9.9.9"))
    assert (caught.value.code, caught.value.field) == ("ambiguous_device", "device")
    assert TV in caught.value.message
    assert NAS in caught.value.message


@pytest.mark.parametrize(
    ("question", "field", "kind"),
    [
        (Explain("nobody", "9.9.9.9"), "device", NotFoundError),
        (Explain("02:00:00:00:00:99", "9.9.9.9"), "device", NotFoundError),
        (Explain("tv", "no name!"), "destination", InvalidFieldError),
        (Explain("tv", "1.2.3"), "destination", InvalidFieldError),
        (Explain("tv", "https://example.org/"), "destination", InvalidFieldError),
        (Explain("tv", "224.0.0.1"), "destination", InvalidFieldError),
        (Explain("tv", "255.255.255.255"), "destination", InvalidFieldError),
        (Explain("tv", "127.0.0.1"), "destination", InvalidFieldError),
        (Explain("tv", "9.9.9.9", port=0), "port", InvalidFieldError),
        (Explain("tv", "9.9.9.9", port=65536), "port", InvalidFieldError),
        (Explain("tv", "9.9.9.9", when=0.0), "when", InvalidFieldError),
        (Explain("tv", "9.9.9.9", when=4_000_000_000.0), "when", InvalidFieldError),
        (Explain("tv", "9.9.9.9", when=float("nan")), "when", InvalidFieldError),
        (Explain("tv", "9.9.9.9", suppose=Supposition(exit_down="x")), "if.exit_down", NotFoundError),
        (Explain("tv", "9.9.9.9", suppose=Supposition(exit_down="")), "if.exit_down", NotFoundError),
        (Explain("tv", "9.9.9.9", suppose=Supposition(policy=VpnPolicy("x"))), "if.policy", NotFoundError),
        (GetWhy("02:00:00:00:00:99"), "mac", NotFoundError),
        (GetWhy("nobody"), "mac", NotFoundError),
    ],
    ids=repr,
)
async def test_bad_question_names_its_field(gateway: Gateway, question, field: str, kind) -> None:
    with pytest.raises(kind) as caught:
        await gateway.run(question)
    assert isinstance(caught.value, GatewayError)
    assert caught.value.field == field
    assert gateway.asked == []


@pytest.mark.parametrize(
    ("suppose", "verdict", "words"),
    [
        (Supposition(), "blocked", "TV does not reach 9.9.9.9: its policy is: blocked."),
        (Supposition(policy=VpnPolicy()), "tunnel", "TV would reach 9.9.9.9 through the exit default, encrypted."),
        (Supposition(policy=VpnPolicy("de")), "blocked", "its exit de cannot connect (handshake_timeout)"),
        (Supposition(policy=DirectPolicy()), "clear", "TV would reach 9.9.9.9 directly by the WAN, in the clear"),
        (
            Supposition(policy=VpnPolicy(), exit_down="default"),
            "blocked",
            "TV would not reach 9.9.9.9: its exit default would be down.",
        ),
        (Supposition(policy=VpnPolicy(), wan_down=True), "lost", "the tunnel of its exit default has no way out"),
        (Supposition(policy=DirectPolicy(), wan_down=True), "blocked", "the WAN is down"),
    ],
)
async def test_what_if(gateway: Gateway, suppose: Supposition, verdict: str, words: str) -> None:
    found = await gateway.run(Explain("TV", "9.9.9.9", suppose=suppose))
    assert found.verdict == verdict
    assert words in found.sentence


async def test_if_the_exit_dies_its_first_fallback_is_named(gateway: Gateway) -> None:
    gateway.successors = {"default": Target("ivpn", "se-got-1"), "de": Target("imported", "spare")}
    down = Supposition(policy=VpnPolicy(), exit_down="default")
    found = await gateway.run(Explain("TV", "9.9.9.9", suppose=down))
    assert found.verdict == "blocked"
    assert found.sentence == (
        "TV would not reach 9.9.9.9: its exit default would be down. The gateway would dial se-got-1 (ivpn) in its"
        " place, and nothing gets out until that answers."
    )
    assert found.next_step == "Nothing: the exit comes back by itself, through another server."
    assert (found.failover.provider, found.failover.server) == ("ivpn", "se-got-1")
    gateway.successors = {}
    found = await gateway.run(Explain("TV", "9.9.9.9", suppose=down))
    assert "There is no other server for it" in found.sentence
    assert (found.failover.server, "give the device another exit" in found.next_step.lower()) == (None, True)
    gateway.store.update_settings(lambda s: msgspec.structs.replace(s, failover=FailoverSettings(enabled=False)))
    assert "Failover is off" in (await gateway.run(Explain("TV", "9.9.9.9", suppose=down))).sentence


@pytest.mark.parametrize(
    "suppose",
    [
        Supposition(policy=DirectPolicy(), exit_down="default"),
        Supposition(policy=VpnPolicy("de"), exit_down="default"),
        Supposition(policy=VpnPolicy(), exit_down="default", wan_down=True),
        Supposition(policy=VpnPolicy()),
    ],
)
async def test_no_failover_where_nobody_would_dial(gateway: Gateway, suppose: Supposition) -> None:
    gateway.successors = {"default": Target("ivpn", "se-got-1")}
    found = await gateway.run(Explain("TV", "9.9.9.9", suppose=suppose))
    assert (found.failover, "se-got-1" in found.sentence) == (None, False)
    gateway.exits = [ExitStatus("default", ExitState.DISCONNECTED)]
    down = Supposition(policy=VpnPolicy(), exit_down="default")
    assert (await gateway.run(Explain("TV", "9.9.9.9", suppose=down))).failover is None


async def test_a_device_that_waits_still_waits_at_another_time(gateway: Gateway) -> None:
    """It reaches what a waiting device reaches, and is refused by the rule that refuses it now."""
    gateway.store.update_settings(
        lambda s: msgspec.structs.replace(s, devices=(*s.devices, Device(NAS, admitted=False)))
    )
    now = await gateway.run(Explain(NAS, "9.9.9.9"))
    later = await gateway.run(Explain(NAS, "9.9.9.9", when=time.time() + 3600))
    assert [p.rule for p in later.paths] == [p.rule for p in now.paths] == ["waiting"]


async def test_at_another_time_the_schedule_decides(gateway: Gateway) -> None:
    bedtime = time.time() + 3600

    def decide(settings, mac, at):
        return Decision(BlockedPolicy(), "schedule") if at >= bedtime else stored(settings, mac, at)

    gateway.decide = decide
    now = await gateway.run(Explain(NAS, "9.9.9.9"))
    then = await gateway.run(Explain(NAS, "9.9.9.9", when=bedtime + 1))
    assert (now.verdict, then.verdict, then.origin) == ("tunnel", "blocked", "schedule")
    assert then.sentence.startswith(f"{NAS} would not reach 9.9.9.9: its schedule is: blocked")
    assert "The exits are taken as they are now" in then.notes[0]


async def test_name_is_asked_of_the_devices_resolver_alone(gateway: Gateway) -> None:
    found = await gateway.run(Explain(NAS, "WWW.Example.org."))
    assert gateway.asked == [("www.example.org", 5301)]
    assert (found.verdict, found.paths[0].address) == ("tunnel", "198.51.100.80")
    await gateway.run(Explain("TV", "www.example.org"))
    await gateway.run(Explain("TV", "www.example.org", suppose=Supposition(policy=DirectPolicy())))
    assert gateway.asked[1:] == [("www.example.org", 53)] * 2


async def test_too_many_questions_at_once_are_refused(gateway: Gateway) -> None:
    waiting = asyncio.Event()

    async def slow(name: str, port: int):
        await waiting.wait()
        return ()

    gateway.look_up = slow  # type: ignore[method-assign]
    handler = dict(gateway.explanations().handlers())[Explain]
    tasks = [asyncio.create_task(handler(Explain(NAS, "a.example"))) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0.05)
    with pytest.raises(TooManyRequestsError):
        await handler(Explain(NAS, "a.example"))
    waiting.set()
    assert {answer.verdict for answer in await asyncio.gather(*tasks)} == {"no_address"}
    assert (await handler(Explain(NAS, "a.example"))).verdict == "no_address"


async def test_why_does_not_wait_for_anothers_resolver(gateway: Gateway) -> None:
    asked, waiting = asyncio.Event(), asyncio.Event()

    async def slow(name: str, port: int):
        asked.set()
        await waiting.wait()
        return ()

    gateway.look_up = slow  # type: ignore[method-assign]
    handlers = dict(gateway.explanations().handlers())
    naming = asyncio.create_task(handlers[Explain](Explain(NAS, "a.example")))
    async with asyncio.timeout(10):
        await asked.wait()
        assert (await handlers[GetWhy](GetWhy(TV))).state == "blocked"
    assert not naming.done()
    waiting.set()
    assert (await naming).verdict == "no_address"


def test_evaluator_is_loaded_at_the_first_question() -> None:
    """netd's memory is small, and most gateways are never asked."""
    lazy = ("app.packet_trace", "app.explain.answers", "app.explain.carrier")
    code = f"import sys, app.netd.daemon; print([m for m in {lazy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
