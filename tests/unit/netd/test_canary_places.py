"""The places that are watched, and what the leak test makes of a round."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from app.canary.identity import NEWCOMER, Identity
from app.errors import UnavailableError
from app.model import DirectPolicy, LanLink, LanSettings, Links, NetworkPort, Settings, WanLink
from app.netd.canary.capture import Capture
from app.netd.canary.places import taps, targets
from app.netd.canary.prober import Prober as ProberOfNetd
from app.netd.leak_test import LeakExits, LeakTester
from app.network.plan import ExitPlan
from app.protocol.canary import Evidence, Observation
from app.protocol.commands import LeakTest
from app.store import Store
from tests.unit.netd.test_diagnosis import SlowNetwork, TwoExits
from tests.unit.network.scenarios import tunnel

WAN = WanLink("wan0", up=True, addresses=(ip_interface("192.0.2.5/24"),))
LINKS = Links(WAN, (LanLink("br-lan"),), None, (NetworkPort("wan0", "wan", "02:00:00:00:00:01"),))
NET = ip_network("203.0.113.0/24")


def places(links: Links = LINKS, own: str = "default") -> list[tuple[str, str]]:
    made = (
        ExitPlan("default", 0, active=tunnel("a"), candidate=tunnel("b", peer="198.51.100.8")),
        ExitPlan("work", 1, active=tunnel("b")),
        ExitPlan("idle", 2),
    )
    return [(t.where, t.interface) for t in taps(links, made, frozenset({own}), NET, names_on_lan=False)]


def test_lan_all_tunnels_and_the_wan_are_watched() -> None:
    assert places() == [
        ("lan", "br-lan"),
        *(("tunnel", "wg0a"), ("tunnel", "wg0b"), ("other", "wg1b")),
        *(("wan", "wan0"), ("control", "wan0")),
    ]
    assert places(own="idle")[-1] == ("wan", "wan0"), "no tunnel of its own, so no control"


def test_the_port_under_a_session_is_watched_too() -> None:
    session = replace(LINKS, wan=replace(WAN, name="ppp0", port="wan0"))
    assert places(session)[-3:] == [("wan", "ppp0"), ("wan", "wan0"), ("control", "ppp0")]
    down = replace(LINKS, wan=WanLink("ppp0", port="wan0"))
    assert places(down)[-1] == ("wan", "wan0"), "the session is not there; its wire is"
    assert [where for where, _ in places(replace(LINKS, wan=None))][-1] == "other"


def test_targets_avoid_what_is_in_use() -> None:
    peer = ExitPlan("default", 0, active=tunnel("a", peer="203.0.113.9"))
    assert targets(LINKS, LanSettings(), [peer]) == ip_network("198.51.100.0/24")
    assert targets(replace(LINKS, wan=None), LanSettings(), []) == ip_network("192.0.2.0/24")


class Prober:
    def __init__(self) -> None:
        found = Evidence("tcp", 4, True, False, False)
        self.answer = Observation("default", "0a:76:67:63:61:00", 1.7e9, True, (found,), True)
        self.away = False

    def identity(self, exit_name: str) -> Identity | None:
        return Identity(exit_name, "0a:76:67:63:61:00", exit_name) if exit_name == "default" else None

    async def round(self, identity: Identity) -> Observation:
        if self.away:
            raise UnavailableError("the process that watches packets does not answer")
        return self.answer


@pytest.mark.parametrize(
    ("change", "result", "ok"),
    [({}, "ok", True), ({"leaked": 1}, "failed", False), ({"problem": "x"}, "unknown", True)],
)
async def test_leak_test_takes_the_probes_word(tmp_path: Path, change: dict, result: str, ok: bool) -> None:
    network, prober = SlowNetwork(), Prober()
    network.free.set()
    prober.answer = replace(prober.answer, **change)
    with Store(tmp_path) as store:
        suspected: list[str] = []
        tester = LeakTester(network, cast("LeakExits", TwoExits()), store, prober, suspected.append)
        ((_, run),) = tester.handlers()
        report = await run(LeakTest("default"))
        assert suspected == (["default"] if result == "failed" else []), "the canary, which shuts the exits, looks next"
        assert ({c.name: c.result for c in report.checks}["packets"], report.ok) == (result, ok)
        assert report.evidence == prober.answer.evidence
        assert "proof with real packets" in report.report
        assert report.control is True
        other = await run(LeakTest("second"))
        assert "packets" not in {c.name for c in other.checks}, "it is no device of that exit"


async def test_leak_test_says_that_nothing_was_sent(tmp_path: Path) -> None:
    network, prober = SlowNetwork(), Prober()
    network.free.set()
    prober.away = True
    with Store(tmp_path) as store:
        tester = LeakTester(network, cast("LeakExits", TwoExits()), store, prober)
        ((_, run),) = tester.handlers()
        report = await run(LeakTest("default"))
    found = next(c for c in report.checks if c.name == "packets")
    assert (found.result, report.evidence, report.report, report.ok) == ("unknown", (), None, True)
    assert "does not answer" in found.message


# --- the policies that a round is about ------------------------------------------------------------------------------


class Rounds(ProberOfNetd):
    """A prober whose rounds only count."""

    def __init__(self, settings: Settings, followed: Settings | None) -> None:
        self.followed = followed
        self.made = 0
        self.store = SimpleNamespace(settings=settings)
        super().__init__(network=self, store=self.store, capture=Capture(Path("/none")), used=tuple)  # type: ignore[arg-type]

    async def _round(self, identity: Identity) -> Observation:
        self.made += 1
        return Observation(identity.name, identity.mac, 1.7e9, False, (), None)

    def one(self, name: str) -> Identity:
        return next(one for one in self.identities() if one.name == name)


async def test_rules_that_have_not_followed_prove_nothing() -> None:
    """A new device still leaves in the clear while the kernel does not know that it may no more."""
    direct = Settings(default_policy=DirectPolicy())
    for followed in (direct, None):
        prober = Rounds(Settings(), followed)
        with pytest.raises(UnavailableError, match="just changed"):
            await prober.round(prober.one(NEWCOMER))
        assert prober.made == 0
    prober = Rounds(Settings(), direct)
    await prober.round(prober.one("default"))
    prober.followed = Settings(exits=("default", "", "more"))
    await prober.round(prober.one(NEWCOMER))
    prober.store.settings = Settings(exits=("default", "new"))
    with pytest.raises(UnavailableError):
        await prober.round(prober.one("new"))


async def test_an_exit_that_is_renamed_goes_the_same_way() -> None:
    prober = Rounds(Settings(exits=("default", "work")), Settings(exits=("default", "job")))
    await prober.round(prober.one("work"))
    assert prober.made == 1


async def test_a_new_device_that_waits_may_go_nowhere() -> None:
    prober = Rounds(waiting := Settings(new_device_policy="wait", default_policy=DirectPolicy()), waiting)
    assert prober.one(NEWCOMER).exit is None
    await prober.round(prober.one(NEWCOMER))
