"""netd's failover: what is told, how often the provider is asked, and when the first choice is taken up again."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import msgspec
import pytest

from app.errors import ConnectTimeoutError
from app.model import FailoverSettings, Server, Settings
from app.netd import failover
from app.netd.failover import RETURN_AFTER, WELL_AGE, Failover
from app.netd.servers import Servers
from app.protocol.events import AccountChanged, SecurityAlert, ServersChanged
from app.providers.base import Verdict
from app.tunnel.ports import Advice
from app.tunnel.states import Blocked, Connected, Reason, Target, Tunnel

FIRST, SECOND = Target("mullvad", "se-sto-wg-001"), Target("mullvad", "se-sto-wg-002")
DOWN = Blocked(Reason.HANDSHAKE_TIMEOUT, "", FIRST, 2, None)


@dataclass
class Provider:
    verdict: Verdict = Verdict.WELL
    asked: int = 0
    name: str = "mullvad"
    title: str = "Mullvad"
    capabilities: object = field(default_factory=lambda: SimpleNamespace(sign_in=True))

    async def diagnose(self):
        self.asked += 1
        return self.verdict


class Machine:
    def __init__(self, core, state):
        self.core, self.state, self.goal, self.fails = core, state, state.tunnel.target, False

    async def connect(self, target):
        if self.fails:
            raise ConnectTimeoutError("no handshake")
        self.goal = target


class Core:
    def __init__(self):
        self.provider = Provider()
        self.registry = SimpleNamespace(get=lambda _: self.provider)
        self.settings = Settings(desired={"default": str(FIRST)})
        self.store = self
        self.told = []
        self.events = SimpleNamespace(publish=self.told.append)
        self.causes = []
        self.records = SimpleNamespace(because=lambda _exit, cause: self.causes.append(cause))
        self.list = tuple(Server(t.hostname, "mullvad", "Sweden", "Stockholm", "192.0.2.1") for t in (FIRST, SECOND))
        self.servers = self
        self.machines = {}

    async def of(self, provider):
        return self.list

    def update_settings(self, change):
        self.settings = change(self.settings)

    async def want(self, exit_name, target):
        self.settings = msgspec.structs.replace(self.settings, desired={exit_name: str(target)}, first_choice={})

    def alerts(self):
        return [event.reason for event in self.told if isinstance(event, SecurityAlert)]


@pytest.fixture
def now(monkeypatch):
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(failover, "boottime", lambda: clock.now)
    monkeypatch.setattr(failover, "AccountProvider", Provider)
    return clock


def connected(target, since=1000.0):
    return Connected(Tunnel(target, "a", None, "key", None), 0.0, since)  # type: ignore[arg-type]


async def test_what_is_wrong_with_the_account_is_told_once_and_not_at_every_attempt(now):
    core = Core()
    core.provider.verdict = Verdict.ACCOUNT_EXPIRED
    found = Failover(core)  # type: ignore[arg-type]
    for _ in range(5):
        assert (await found.advice("default", FIRST)).reason is Reason.ACCOUNT_EXPIRED
        now.now += 70
    assert core.alerts() == ["account_expired"]
    assert AccountChanged("mullvad", "account_expired") in core.told


async def test_a_tunnel_that_came_up_ends_what_was_said_of_the_account(now):
    core = Core()
    core.provider.verdict = Verdict.ACCOUNT_EXPIRED
    found = Failover(core)  # type: ignore[arg-type]
    await found.advice("default", FIRST)
    found.entered("default", DOWN, connected(FIRST))  # somebody has added time
    core.provider.verdict = Verdict.KEY_REVOKED
    now.now += 30
    assert (await found.advice("default", FIRST)).reason is Reason.KEY_REVOKED
    assert core.alerts() == ["account_expired", "key_revoked"]


async def test_that_all_is_well_is_not_believed_for_long(now):
    core = Core()
    found = Failover(core)  # type: ignore[arg-type]
    assert (await found.advice("default", FIRST)).target == SECOND
    now.now += WELL_AGE / 2
    await found.advice("default", SECOND)
    assert core.provider.asked == 1
    core.provider.verdict = Verdict.KEY_REVOKED
    now.now += WELL_AGE
    assert (await found.advice("default", FIRST)).reason is Reason.KEY_REVOKED


async def test_a_key_that_was_rotated_in_between_is_no_reason_to_leave_the_server(now):
    core = Core()
    core.provider.verdict = Verdict.KEY_CHANGED
    found = Failover(core)  # type: ignore[arg-type]
    assert await found.advice("default", FIRST) == Advice()
    assert core.settings.desired == {"default": str(FIRST)}
    core.provider.verdict = Verdict.WELL
    assert (await found.advice("default", FIRST)).target == SECOND  # that was not it: the server is dead after all


@pytest.fixture
async def fallen_back(now):
    core = Core()
    core.settings = msgspec.structs.replace(core.settings, failover=FailoverSettings(return_to_first=True))
    found = Failover(core)  # type: ignore[arg-type]
    await found.advice("default", FIRST)
    assert core.settings.first_choice == {"default": str(FIRST)}
    state = connected(SECOND, now.now)
    found.entered("default", DOWN, state)
    core.machines["default"] = Machine(core, state)
    now.now += RETURN_AFTER
    return core, found, state


async def test_the_first_choice_is_taken_up_again(fallen_back):
    core, found, state = fallen_back
    await found._try_to_return("default", state)
    assert core.machines["default"].goal == FIRST
    assert (core.settings.desired, core.settings.first_choice) == ({"default": str(FIRST)}, {})
    assert core.causes == ["failover", "return_to_first"]


async def test_a_first_choice_that_is_still_dead_is_left_alone_longer(fallen_back, now):
    core, found, state = fallen_back
    core.machines["default"].fails = True
    await found._try_to_return("default", state)
    assert (core.settings.desired, core.causes[-1]) == ({"default": str(SECOND)}, None)
    core.machines["default"].fails = False
    await found._try_to_return("default", state)
    assert core.machines["default"].goal == SECOND, "tried again at once"
    now.now += 3600
    await found._try_to_return("default", state)
    assert core.machines["default"].goal == FIRST


async def test_a_round_of_measuring_is_told(now):
    core = Core()
    core.settings = msgspec.structs.replace(core.settings, measure_latency=True)
    core.failover = Failover(core)  # type: ignore[arg-type,attr-defined]
    core.provider.servers = core.servers_of = lambda: core.of("mullvad")  # type: ignore[attr-defined]
    found = Servers(core)  # type: ignore[arg-type]

    async def measure(servers):
        return len(servers)

    found.latencies.measure = measure  # type: ignore[method-assign]
    await found.meant("mullvad", "fastest:Sweden")
    assert core.told == [ServersChanged("mullvad", measured=2)]
