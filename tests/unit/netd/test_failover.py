"""The failover: what is published, how often the provider is asked, and when the first choice is restored."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from app.errors import ConnectTimeoutError
from app.model import FailoverSettings, Server
from app.netd import failover
from app.netd.automatic_switches import RETURN_AFTER, ReturnToFirstChoice
from app.netd.exit_targets import ExitTargets
from app.netd.failover import HEALTHY_TTL, Failover
from app.netd.intent import Goal, Intent
from app.netd.server_claims import ServerClaims
from app.netd.server_directory import ServerDirectory, allowed
from app.netd.server_judge import ServerJudge
from app.netd.server_places import ServerPlaces
from app.netd.transition import ExitTransition
from app.netd.unproven_keys import UnprovenKeys
from app.protocol.events import AccountChanged, SecurityAlert, ServersChanged
from app.providers.base import Capabilities, Verdict
from app.providers.selection import choose
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
    unproven: str | None = None
    own_keys: dict = field(default_factory=dict)  # by server, where they differ
    capabilities: object = field(default_factory=lambda: Capabilities(sign_in=True))

    async def diagnose(self):
        self.asked += 1
        return self.verdict

    async def servers(self):
        return LIST

    def unproven_key(self, hostname):
        return self.own_keys.get(hostname, self.unproven)

    def prove_key(self, public_key):
        assert public_key == self.unproven
        self.unproven = None


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


class Fakes:
    """A failover with a real store, a list of two servers, and a clock that the test sets."""

    def __init__(self, store):
        self.now = 1000.0
        self.listed = LIST
        self.store = store
        self.provider = Provider()
        self.published = []
        self.intent = Intent(store)
        self.failures = FailureHistory(self.clock)
        self.intent.set_goal("default", FIRST)
        self.unproven = UnprovenKeys(self)
        self.judge = ServerJudge(store, self.intent, ServerClaims(lambda target: target), self)
        self.failover = Failover(
            providers=self,
            directory=self,
            intent=self.intent,
            store=store,
            failures=self.failures,
            unproven=self.unproven,
            uses=self.judge,
            publish=self.published.append,
            clock=self.clock,
        )

    def clock(self):
        return self.now

    def get(self, name):
        return self.provider

    async def list(self, provider):
        return self.listed

    async def resolve(self, provider, selector, verdict=None):
        return [Target(provider, s.hostname) for s in allowed(choose(self.listed, selector), verdict)]

    def alerts(self):
        return [event.reason for event in self.published if isinstance(event, SecurityAlert)]

    def entered(self, old, new):
        self.failover.on_transition(ExitTransition("default", old, new))

    @property
    def stored(self):
        return self.store.settings.desired, self.store.settings.first_choice


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    monkeypatch.setattr(failover, "AccountProvider", Provider)
    with Store(tmp_path) as store:
        yield Fakes(store)


def connected(target, since=1000.0):
    return Connected(Tunnel(target, "a", None, "key", None, own_key="own"), 0.0, since)


async def test_account_problem_is_published_once(fakes):
    """Each attempt gets the advice, but the event is published once."""
    fakes.provider.verdict = Verdict.ACCOUNT_EXPIRED
    for _ in range(5):
        assert (await fakes.failover.advise("default", FIRST)).reason is Reason.ACCOUNT_EXPIRED
        fakes.now += 70
    assert fakes.alerts() == ["account_expired"]
    assert AccountChanged("mullvad", "account_expired") in fakes.published


async def test_connected_tunnel_clears_the_account_problem(fakes):
    fakes.provider.verdict = Verdict.ACCOUNT_EXPIRED
    await fakes.failover.advise("default", FIRST)
    fakes.entered(DOWN, connected(FIRST))  # time has been added to the account
    fakes.provider.verdict = Verdict.KEY_REVOKED
    fakes.now += 30
    assert (await fakes.failover.advise("default", FIRST)).reason is Reason.KEY_REVOKED
    assert fakes.alerts() == ["account_expired", "key_revoked"]


async def test_healthy_verdict_expires_soon(fakes):
    assert (await fakes.failover.advise("default", FIRST)).target == SECOND
    fakes.now += HEALTHY_TTL / 2
    await fakes.failover.advise("default", SECOND)
    assert fakes.provider.asked == 1
    fakes.provider.verdict = Verdict.KEY_REVOKED
    fakes.now += HEALTHY_TTL
    assert (await fakes.failover.advise("default", FIRST)).reason is Reason.KEY_REVOKED


async def test_rotated_key_keeps_the_server(fakes):
    """The server refused the old key; the next attempt uses the new one."""
    fakes.provider.verdict = Verdict.KEY_CHANGED
    assert await fakes.failover.advise("default", FIRST) == Advice()
    assert fakes.stored == ({"default": str(FIRST)}, {})
    fakes.provider.verdict = Verdict.HEALTHY
    assert (
        await fakes.failover.advise("default", FIRST)
    ).target == SECOND  # the server does not answer with the new key either


async def test_concurrent_request_is_not_replaced_by_a_fallback(fakes, monkeypatch):
    """A request for another server, made while the provider diagnoses the dead one, is kept."""
    third = Target("mullvad", "no-osl-wg-001")

    async def diagnose():
        fakes.intent.set_goal("default", third)
        return Verdict.HEALTHY

    monkeypatch.setattr(fakes.provider, "diagnose", diagnose)
    assert await fakes.failover.advise("default", FIRST) == Advice()
    assert fakes.stored == ({"default": str(third)}, {})


@pytest.fixture
async def fallen_back(fakes):
    await fakes.failover.advise("default", FIRST)
    assert fakes.store.settings.first_choice == {"default": str(FIRST)}
    state = connected(SECOND, fakes.now)
    fakes.entered(DOWN, state)
    exits = Exits(fakes.intent, state)
    fakes.now += RETURN_AFTER
    returning = ReturnToFirstChoice(
        exits=exits,
        servers=ExitTargets(fakes.store, fakes, fakes.judge),
        intent=fakes.intent,
        store=fakes.store,
        failures=fakes.failures,
        clock=fakes.clock,
    )
    return fakes, exits, returning


async def test_first_choice_is_restored_when_it_answers(fallen_back):
    fakes, exits, returning = fallen_back
    await returning.check()
    assert exits.machine.goal == FIRST
    assert fakes.stored == ({"default": str(FIRST)}, {})
    assert exits.causes == ["return_to_first"]


async def test_fallback_is_kept_for_return_after(fallen_back):
    fakes, exits, returning = fallen_back
    fakes.now -= 1
    await returning.check()
    assert exits.machine.goal == SECOND


async def test_silent_first_choice_is_retried_later(fallen_back):
    fakes, exits, returning = fallen_back
    exits.fails = True
    await returning.check()
    assert (fakes.store.settings.desired, exits.causes) == ({"default": str(SECOND)}, [])
    exits.fails = False
    await returning.check()
    assert exits.machine.goal == SECOND, "tried again at once"
    fakes.now += 3600
    await returning.check()
    assert exits.machine.goal == FIRST


async def test_selector_survives_a_fallback_and_the_return(fallen_back):
    fakes, _exits, returning = fallen_back
    fakes.intent.set_goal("default", FIRST, "Sweden")
    fakes.failures.back_off("default")
    assert fakes.intent.fall_back("default", FIRST, SECOND)
    assert fakes.intent.goal("default") == Goal(SECOND, "Sweden", FIRST)
    fakes.now += 3600
    await returning.check()
    assert fakes.intent.goal("default") == Goal(FIRST, "Sweden")


async def test_latency_measurement_is_published(fakes):
    fakes.store.update_settings(lambda s: replace(s, measure_latency=True))

    class Latencies:
        def measured(self, provider):
            return {}

        async def measure(self, servers):
            return len(servers)

    directory = ServerDirectory(
        providers=fakes,
        store=fakes.store,
        latencies=Latencies(),
        failures=fakes.failures,
        publish=fakes.published.append,
    )
    await directory.resolve("mullvad", "fastest:Sweden")
    assert fakes.published == [ServersChanged("mullvad", measured=2)]


# --- a server that has left its provider's list -----------------------------------------------------------------------

OSLO = Server("no-osl-wg-001", "mullvad", "Norway", "Oslo", "192.0.2.1")
MALMO = Server("se-mma-wg-001", "mullvad", "Sweden", "Malmo", "192.0.2.1")
LEFT = (OSLO, MALMO, *LIST[1:])  # without FIRST


async def test_place_that_was_asked_for_outlives_its_server(fakes):
    """ "Sweden" stays Sweden; nothing is a fallback then, and nothing is to be returned from."""
    fakes.intent.set_goal("default", FIRST, "Sweden")
    fakes.listed = (OSLO, MALMO)
    advice = await fakes.failover.advise("default", FIRST)
    assert advice.target == Target("mullvad", MALMO.hostname)
    assert fakes.intent.goal("default") == Goal(advice.target, "Sweden")
    (alert,) = [e for e in fakes.published if isinstance(e, SecurityAlert)]
    assert (alert.reason, alert.exit) == ("server_unavailable", "default")
    assert "no longer lists the server se-sto-wg-001" in alert.message


async def test_place_is_honoured_even_while_failover_is_off(fakes):
    fakes.store.update_settings(lambda s: replace(s, failover=FailoverSettings(enabled=False)))
    fakes.intent.set_goal("default", FIRST, "Sweden")
    fakes.listed = (OSLO, MALMO)
    assert (await fakes.failover.advise("default", FIRST)).target == Target("mullvad", MALMO.hostname)


async def test_named_server_is_replaced_in_its_city_by_what_was_stored(fakes):
    await ServerPlaces(fakes.intent, fakes, fakes.store).note()
    fakes.listed = LEFT
    assert (await fakes.failover.advise("default", FIRST)).target == SECOND
    assert fakes.stored == ({"default": str(SECOND)}, {"default": str(FIRST)}), "with a way back, should it return"


async def test_named_server_is_replaced_in_its_country(fakes):
    await ServerPlaces(fakes.intent, fakes, fakes.store).note()
    fakes.listed = (OSLO, MALMO)
    assert (await fakes.failover.advise("default", FIRST)).target == Target("mullvad", MALMO.hostname)


async def test_nothing_that_fits_is_told_once(fakes):
    await ServerPlaces(fakes.intent, fakes, fakes.store).note()
    fakes.listed = (OSLO,)
    for _ in range(3):
        advice = await fakes.failover.advise("default", FIRST)
        assert advice.reason is Reason.SERVER_UNAVAILABLE
        assert "choose another server" in advice.message
        fakes.now += 400
    assert fakes.alerts() == ["server_unavailable"]
    assert fakes.stored == ({"default": str(FIRST)}, {})


async def test_unknown_place_fits_nothing_unless_anywhere_is_allowed(fakes):
    fakes.listed = (OSLO,)
    assert (await fakes.failover.advise("default", FIRST)).reason is Reason.SERVER_UNAVAILABLE
    fakes.store.update_settings(lambda s: replace(s, failover=FailoverSettings(scope="anywhere")))
    assert (await fakes.failover.advise("default", FIRST)).target == Target("mullvad", OSLO.hostname)


async def test_place_of_another_server_is_not_used(fakes):
    await ServerPlaces(fakes.intent, fakes, fakes.store).note()
    gone = Target("mullvad", "us-nyc-wg-001")
    fakes.intent.set_goal("default", gone)
    assert (await fakes.failover.advise("default", gone)).reason is Reason.SERVER_UNAVAILABLE


async def test_empty_list_says_nothing_about_a_server(fakes):
    fakes.listed = ()
    assert await fakes.failover.advise("default", FIRST) == Advice()
    assert fakes.alerts() == []


async def test_dead_server_of_a_place_is_no_first_choice(fakes):
    """Another one in the place is as good: a switch back would only break connections."""
    fakes.intent.set_goal("default", FIRST, "Sweden")
    assert (await fakes.failover.advise("default", FIRST)).target == SECOND
    assert fakes.stored == ({"default": str(SECOND)}, {})


async def test_way_back_leads_to_what_was_asked_for(fakes):
    """The first choice has left the list, but others are in the place that was asked for."""
    fakes.store.update_settings(lambda s: replace(s, failover=FailoverSettings(scope="anywhere")))
    fakes.intent.set_goal("default", FIRST, "Sweden")
    fakes.listed = (OSLO,)
    oslo = Target("mullvad", OSLO.hostname)
    assert (await fakes.failover.advise("default", FIRST)).target == oslo
    fakes.listed = LEFT
    exits = Exits(fakes.intent, connected(oslo, fakes.now))
    fakes.now += RETURN_AFTER
    await ReturnToFirstChoice(
        exits=exits,
        servers=ExitTargets(fakes.store, fakes, fakes.judge),
        intent=fakes.intent,
        store=fakes.store,
        failures=fakes.failures,
        clock=fakes.clock,
    ).check()
    assert exits.machine.goal in {SECOND, Target("mullvad", MALMO.hostname)}
    assert fakes.intent.goal("default") == Goal(exits.machine.goal, "Sweden")


# --- a key that no server has ever answered ---------------------------------------------------------------------------


MANY = tuple(Server(f"se-sto-wg-{n:03}", "mullvad", "Sweden", "Stockholm", "192.0.2.1") for n in range(1, 60))


async def walk(fakes, rounds=20, initiations=2):
    """Let every server fail, as the machine does; the servers that were tried, and the last advice."""
    tried, target, advice = [], FIRST, Advice()
    for _ in range(rounds):
        tried.append(target)
        fakes.unproven.on_silence(connected(target).tunnel, initiations)
        advice = await fakes.failover.advise("default", target)
        if advice.rest:
            break
        target = advice.target or target
        fakes.now += 120
    return tried, advice


@pytest.mark.parametrize("verdict", [Verdict.HEALTHY, Verdict.UNKNOWN])
async def test_unproven_key_stops_after_two_servers(fakes, verdict):
    fakes.listed, fakes.provider.unproven, fakes.provider.verdict = MANY, "own", verdict
    tried, advice = await walk(fakes)
    assert len(tried) == len(set(tried)) == 2
    assert (advice.reason, advice.target, advice.rest) == (Reason.KEY_UNPROVEN, None, True)
    assert "has not been proven" in advice.message
    assert ("account and key are in order" in advice.message) is (verdict is Verdict.HEALTHY)
    assert fakes.alerts() == ["key_unproven"]
    assert AccountChanged("mullvad", "key_unproven") in fakes.published
    assert (await fakes.failover.advise("default", tried[-1])).rest
    assert fakes.alerts() == ["key_unproven"]


async def test_unproven_key_stops_at_one_server_without_failover(fakes):
    fakes.store.update_settings(lambda s: replace(s, failover=FailoverSettings(enabled=False)))
    fakes.listed, fakes.provider.unproven = MANY, "own"
    tried, advice = await walk(fakes)
    assert (set(tried), len(tried), advice.rest) == ({FIRST}, 6, True)


async def test_proven_key_goes_through_the_servers(fakes):
    fakes.listed, fakes.provider.unproven = MANY, "own"
    fakes.entered(DOWN, connected(FIRST))
    assert fakes.provider.unproven is None
    tried, advice = await walk(fakes)
    assert (len(set(tried)) > 2, advice.rest) == (True, False)


async def test_account_problem_of_an_unproven_key_rests_too(fakes):
    """The account's fault is told; and the key is not tried every minute meanwhile."""
    fakes.listed, fakes.provider.unproven, fakes.provider.verdict = MANY, "own", Verdict.ACCOUNT_EXPIRED
    tried, advice = await walk(fakes)
    assert (set(tried), len(tried)) == ({FIRST}, 6)
    assert (advice.reason, advice.rest) == (Reason.ACCOUNT_EXPIRED, True)
    assert "connect again" in advice.message
    assert fakes.alerts() == ["account_expired"]


async def test_sign_in_begins_to_count_anew(fakes):
    fakes.listed, fakes.provider.unproven = MANY, "own"
    tried, _ = await walk(fakes)
    fakes.failover.account_changed("mullvad")
    assert not (await fakes.failover.advise("default", tried[-1])).rest


async def test_server_with_another_key_takes_the_place(fakes):
    """Of files with different keys, those with the key that rests are left out, and no other."""
    fakes.listed, fakes.provider.unproven = MANY, "own"
    good = Target("mullvad", MANY[-1].hostname)
    fakes.provider.own_keys = {good.hostname: None}
    for server in (FIRST, SECOND):
        fakes.unproven.on_silence(connected(server).tunnel, 1)
    assert (await fakes.failover.advise("default", FIRST)).target == good
