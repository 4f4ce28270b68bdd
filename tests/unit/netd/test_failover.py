"""netd's failover: what is told, how often the provider is asked, and when the first choice is taken up again."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from app.errors import ConnectTimeoutError
from app.model import FailoverSettings, Server
from app.netd import failover
from app.netd.automatic_switches import RETURN_AFTER, ReturnToFirstChoice
from app.netd.failover import HEALTHY_TTL, Failover
from app.netd.intent import Goal, Intent
from app.netd.server_directory import ServerDirectory
from app.netd.transition import ExitTransition
from app.protocol.events import AccountChanged, SecurityAlert, ServersChanged
from app.providers.base import Verdict
from app.store import Store
from app.tunnel.context import Advice
from app.tunnel.failure_history import FailureHistory
from app.tunnel.states import Blocked, Connected, Reason, Target, Tunnel

FIRST, SECOND = Target("mullvad", "se-sto-wg-001"), Target("mullvad", "se-sto-wg-002")
DOWN = Blocked(Reason.HANDSHAKE_TIMEOUT, "", FIRST, 2, None)
LIST = tuple(Server(t.hostname, "mullvad", "Sweden", "Stockholm", "192.0.2.1") for t in (FIRST, SECOND))


@dataclass
class Provider:
    verdict: Verdict = Verdict.HEALTHY
    asked: int = 0
    name: str = "mullvad"
    title: str = "Mullvad"
    capabilities: object = field(default_factory=lambda: SimpleNamespace(sign_in=True))

    async def diagnose(self):
        self.asked += 1
        return self.verdict

    async def servers(self):
        return LIST


class Machine:
    name = "default"

    def __init__(self, state):
        self.state, self.goal = state, state.tunnel.target


class Exits:
    """One exit; ``fails``: no handshake comes."""

    def __init__(self, intent, state):
        self.intent, self.machine, self.fails, self.causes = intent, Machine(state), False, []

    @property
    def machines(self):
        return (self.machine,)

    async def switch(self, exit_name, target, cause, *, asked=None):
        if self.fails:
            raise ConnectTimeoutError("no handshake")
        self.causes.append(cause)
        self.machine.goal = target
        self.intent.set_goal(exit_name, target, asked)


class House:
    """A failover with a real store, a list of two servers, and a clock that the test sets."""

    def __init__(self, store):
        self.now = 1000.0
        self.store = store
        self.provider = Provider()
        self.told = []
        self.intent = Intent(store)
        self.failures = FailureHistory(self.clock)
        self.intent.set_goal("default", FIRST)
        self.failover = Failover(
            providers=self,
            directory=self,
            intent=self.intent,
            store=store,
            failures=self.failures,
            publish=self.told.append,
            clock=self.clock,
        )

    def clock(self):
        return self.now

    def get(self, name):
        return self.provider

    async def list(self, provider):
        return LIST

    def alerts(self):
        return [event.reason for event in self.told if isinstance(event, SecurityAlert)]

    def entered(self, old, new):
        self.failover.on_transition(ExitTransition("default", old, new))

    @property
    def stored(self):
        return self.store.settings.desired, self.store.settings.first_choice


@pytest.fixture
def house(tmp_path, monkeypatch):
    monkeypatch.setattr(failover, "AccountProvider", Provider)
    with Store(tmp_path) as store:
        yield House(store)


def connected(target, since=1000.0):
    return Connected(Tunnel(target, "a", None, "key", None), 0.0, since)


async def test_what_is_wrong_with_the_account_is_told_once_and_not_at_every_attempt(house):
    house.provider.verdict = Verdict.ACCOUNT_EXPIRED
    for _ in range(5):
        assert (await house.failover.advice("default", FIRST)).reason is Reason.ACCOUNT_EXPIRED
        house.now += 70
    assert house.alerts() == ["account_expired"]
    assert AccountChanged("mullvad", "account_expired") in house.told


async def test_a_tunnel_that_came_up_ends_what_was_said_of_the_account(house):
    house.provider.verdict = Verdict.ACCOUNT_EXPIRED
    await house.failover.advice("default", FIRST)
    house.entered(DOWN, connected(FIRST))  # somebody has added time
    house.provider.verdict = Verdict.KEY_REVOKED
    house.now += 30
    assert (await house.failover.advice("default", FIRST)).reason is Reason.KEY_REVOKED
    assert house.alerts() == ["account_expired", "key_revoked"]


async def test_that_all_is_well_is_not_believed_for_long(house):
    assert (await house.failover.advice("default", FIRST)).target == SECOND
    house.now += HEALTHY_TTL / 2
    await house.failover.advice("default", SECOND)
    assert house.provider.asked == 1
    house.provider.verdict = Verdict.KEY_REVOKED
    house.now += HEALTHY_TTL
    assert (await house.failover.advice("default", FIRST)).reason is Reason.KEY_REVOKED


async def test_a_key_that_was_rotated_in_between_is_no_reason_to_leave_the_server(house):
    house.provider.verdict = Verdict.KEY_CHANGED
    assert await house.failover.advice("default", FIRST) == Advice()
    assert house.stored == ({"default": str(FIRST)}, {})
    house.provider.verdict = Verdict.HEALTHY
    assert (await house.failover.advice("default", FIRST)).target == SECOND  # the server is dead after all


async def test_a_request_made_meanwhile_outlives_the_advice(house, monkeypatch):
    """While the provider is asked about the dead server, somebody asks for another: no fallback replaces that."""
    third = Target("mullvad", "no-osl-wg-001")

    async def diagnose():
        house.intent.set_goal("default", third)
        return Verdict.HEALTHY

    monkeypatch.setattr(house.provider, "diagnose", diagnose)
    assert await house.failover.advice("default", FIRST) == Advice()
    assert house.stored == ({"default": str(third)}, {})


@pytest.fixture
async def fallen_back(house):
    house.store.update_settings(lambda s: replace(s, failover=FailoverSettings(return_to_first=True)))
    await house.failover.advice("default", FIRST)
    assert house.store.settings.first_choice == {"default": str(FIRST)}
    state = connected(SECOND, house.now)
    house.entered(DOWN, state)
    exits = Exits(house.intent, state)
    house.now += RETURN_AFTER
    returning = ReturnToFirstChoice(
        exits=exits, intent=house.intent, store=house.store, failures=house.failures, clock=house.clock
    )
    return house, exits, returning


async def test_the_first_choice_is_taken_up_again(fallen_back):
    house, exits, returning = fallen_back
    await returning.look()
    assert exits.machine.goal == FIRST
    assert house.stored == ({"default": str(FIRST)}, {})
    assert exits.causes == ["return_to_first"]


async def test_a_stand_in_is_left_for_the_first_choice_only_after_a_while(fallen_back):
    house, exits, returning = fallen_back
    house.now -= 1
    await returning.look()
    assert exits.machine.goal == SECOND


async def test_a_first_choice_that_is_still_dead_is_left_alone_longer(fallen_back):
    house, exits, returning = fallen_back
    exits.fails = True
    await returning.look()
    assert (house.store.settings.desired, exits.causes) == ({"default": str(SECOND)}, [])
    exits.fails = False
    await returning.look()
    assert exits.machine.goal == SECOND, "tried again at once"
    house.now += 3600
    await returning.look()
    assert exits.machine.goal == FIRST


async def test_a_place_stays_what_was_asked_for_through_a_fallback_and_back(fallen_back):
    house, _exits, returning = fallen_back
    house.intent.set_goal("default", FIRST, "Sweden")
    house.failures.back_off("default")
    assert house.intent.fall_back("default", FIRST, SECOND)
    assert house.intent.goal("default") == Goal(SECOND, "Sweden", FIRST)
    house.now += 3600
    await returning.look()
    assert house.intent.goal("default") == Goal(FIRST, "Sweden")


async def test_a_round_of_measuring_is_told(house):
    house.store.update_settings(lambda s: replace(s, measure_latency=True))

    class Latencies:
        def of(self, provider):
            return {}

        async def measure(self, servers):
            return len(servers)

    directory = ServerDirectory(
        providers=house, store=house.store, latencies=Latencies(), failures=house.failures, publish=house.told.append
    )
    await directory.resolve("mullvad", "fastest:Sweden")
    assert house.told == [ServersChanged("mullvad", measured=2)]
