"""The failover of an exit with fallbacks of its own: ranked, across providers and imported files."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.exit_changes import with_exit
from app.model import ExitSettings, FailoverSettings, Fallback, Never, Server
from app.netd.automatic_switches import RETURN_AFTER, ReturnToFirstChoice
from app.netd.exit_targets import ExitTargets
from app.netd.intent import Goal
from app.providers.base import Verdict
from app.providers.client_keys import ClientKeys
from app.tunnel.context import Advice
from app.tunnel.states import Reason, Target
from tests.unit.netd.test_failover import FIRST, SECOND, Exits, Fakes, Provider, connected, fakes  # noqa: F401

OSLO = Server("no-osl-wg-001", "mullvad", "Norway", "Oslo")
IVPN = tuple(Server(f"ivpn-{n}", "ivpn", "Sweden", "Malmö") for n in range(1, 5))
FILES = (Server("mine", "imported"), Server("spare", "imported"))
RANKS = (Fallback("Norway"), Fallback("Sweden", "ivpn"), Fallback("mine", "imported"))


@pytest.fixture
def ranked(fakes: Fakes):  # noqa: F811
    """Exit default asked for FIRST, with RANKS."""
    lists = {"mullvad": (*fakes.listed, OSLO), "ivpn": IVPN, "imported": FILES}
    providers = {name: Provider(name=name, title=name) for name in lists} | {"mullvad": fakes.provider}

    async def listed(provider: str) -> tuple[Server, ...]:
        return lists[provider]

    fakes.list = listed
    fakes.get = providers.__getitem__
    fakes.lists, fakes.providers = lists, providers
    set_exit(fakes, fallbacks=RANKS)
    return fakes


def set_exit(fakes: Fakes, **given: object) -> None:  # noqa: F811
    fakes.store.update_settings(lambda s: replace(s, exit_settings=(ExitSettings("default", **given),)))


async def advised(fakes: Fakes, failed: Target, hours: float = 0.0) -> Target | None:  # noqa: F811
    fakes.now += hours * 3600
    return (await fakes.failover.advise("default", failed)).target


async def test_ranks_are_gone_through_in_their_order(ranked):
    """Two servers of a rank at most, then the next rank, whatever its provider."""
    tried = [FIRST]
    while (target := await advised(ranked, tried[-1])) is not None and target not in tried:
        tried.append(target)
    names = [str(t) for t in tried]
    assert names[:2] == [str(FIRST), "mullvad/no-osl-wg-001"]
    assert all(name.startswith("ivpn/") for name in names[2:4])
    assert names[4] == "imported/mine"
    assert ranked.intent.goal("default").first_choice == (None if target == FIRST else FIRST)


async def test_what_was_asked_for_comes_before_the_ranks(ranked):
    ranked.intent.set_goal("default", FIRST, "Sweden")
    assert await advised(ranked, FIRST) == SECOND
    assert ranked.intent.goal("default") == Goal(SECOND, "Sweden")  # it is no fallback
    assert await advised(ranked, SECOND) == Target("mullvad", OSLO.hostname)


async def test_ranks_skip_what_is_never_used_or_in_use(ranked):
    ranked.store.update_settings(lambda s: with_exit(s, ExitSettings("tv")))
    ranked.intent.set_goal("tv", Target("imported", "mine"))
    never = Never(countries=("Norway",))
    set_exit(
        ranked, fallbacks=(Fallback("Norway"), Fallback("mine", "imported"), Fallback("spare", "imported")), never=never
    )
    assert await advised(ranked, FIRST) == Target("imported", "spare")


@pytest.mark.parametrize("enabled", [True, False])
async def test_first_choice_that_is_never_used_now_is_left_alone(ranked, enabled):
    """The fallback fails, too, and the server that was asked for is one that the exit never uses any more."""
    assert await advised(ranked, FIRST) == Target("mullvad", OSLO.hostname)
    set_exit(ranked, fallbacks=(), never=Never(servers=(FIRST.hostname,)))
    ranked.store.update_settings(lambda s: replace(s, failover=FailoverSettings(enabled=enabled)))
    for _ in range(12):
        assert await advised(ranked, ranked.intent.goal("default").target, hours=1) != FIRST


async def test_first_choice_that_another_exit_took_is_left_alone(ranked):
    await advised(ranked, FIRST)
    ranked.store.update_settings(lambda s: with_exit(s, ExitSettings("tv")))
    ranked.intent.set_goal("tv", FIRST)
    ranked.store.update_settings(lambda s: replace(s, failover=FailoverSettings(enabled=False)))
    assert await advised(ranked, Target("mullvad", OSLO.hostname)) is None


async def test_connect_while_the_ranks_are_read_is_heeded(ranked):
    """Another exit takes the first fallback while the lists of the next ones are read."""
    ranked.store.update_settings(lambda s: with_exit(s, ExitSettings("tv")))
    lists = ranked.list

    async def slow(provider: str) -> tuple[Server, ...]:
        if provider == "ivpn":
            ranked.intent.set_goal("tv", Target("imported", "mine"))
        return await lists(provider)

    ranked.list = slow
    set_exit(
        ranked, fallbacks=(Fallback("mine", "imported"), Fallback("nowhere", "ivpn"), Fallback("spare", "imported"))
    )
    assert await advised(ranked, FIRST) == Target("imported", "spare")
    assert ranked.intent.goal("default").target == Target("imported", "spare")


async def test_rank_with_the_key_of_another_exits_goal_is_skipped(ranked):
    ranked.store.update_settings(lambda s: with_exit(s, ExitSettings("tv")))
    ranked.intent.set_goal("tv", Target("ivpn", IVPN[0].hostname))
    same = ClientKeys("own", frozenset(("peer",)))
    ranked.providers["ivpn"].client_keys = {IVPN[0].hostname: same}.get
    ranked.providers["imported"].client_keys = {"mine": same}.get
    set_exit(ranked, fallbacks=(Fallback("mine", "imported"), Fallback("spare", "imported")))
    assert await advised(ranked, FIRST) == Target("imported", "spare")


async def test_account_problem_leads_to_another_provider(ranked):
    ranked.provider.verdict = Verdict.ACCOUNT_EXPIRED
    target = await advised(ranked, FIRST)
    assert target is not None
    assert target.provider == "ivpn"
    assert ranked.alerts() == ["account_expired"]
    ranked.providers["ivpn"].verdict = Verdict.SIGNED_OUT
    assert await advised(ranked, target) == Target("imported", "mine")


async def test_account_problem_without_ranks_blocks(ranked):
    set_exit(ranked)
    ranked.provider.verdict = Verdict.ACCOUNT_EXPIRED
    assert (await ranked.failover.advise("default", FIRST)).reason is Reason.ACCOUNT_EXPIRED


async def test_ranks_rest_while_failover_is_off(ranked):
    ranked.store.update_settings(lambda s: replace(s, failover=FailoverSettings(enabled=False)))
    assert await ranked.failover.advise("default", FIRST) == Advice()


async def test_rank_of_an_unknown_provider_is_skipped(ranked):
    set_exit(ranked, fallbacks=(Fallback("nothing there"), Fallback("mine", "imported")))
    assert await advised(ranked, FIRST) == Target("imported", "mine")


async def test_way_back_leads_over_the_providers(ranked):
    ranked.provider.verdict = Verdict.ACCOUNT_EXPIRED
    target = await advised(ranked, FIRST)
    ranked.provider.verdict = Verdict.HEALTHY
    exits = Exits(ranked.intent, connected(target, ranked.now))
    ranked.now += RETURN_AFTER
    back = ReturnToFirstChoice(
        exits=exits,
        servers=ExitTargets(ranked.store, ranked, ranked.judge),
        intent=ranked.intent,
        store=ranked.store,
        failures=ranked.failures,
        clock=ranked.clock,
    )
    await back.check()
    assert (exits.machine.goal, exits.causes) == (FIRST, ["return_to_first"])


@pytest.mark.parametrize("enabled", [True, False])
async def test_relay_off_the_list_is_replaced_by_what_was_asked(ranked, enabled):
    ranked.store.update_settings(lambda s: replace(s, failover=FailoverSettings(enabled=enabled)))
    ranked.intent.set_goal("default", FIRST, "fastest:Sweden")
    ranked.lists["mullvad"] = tuple(s for s in ranked.lists["mullvad"] if s.hostname != FIRST.hostname)
    assert await advised(ranked, FIRST) == SECOND
    assert ranked.intent.goal("default") == Goal(SECOND, "fastest:Sweden")


async def test_server_that_another_exit_took_is_replaced(ranked):
    """The server is not at fault: no penalty, and with failover off still what was asked for."""
    ranked.store.update_settings(lambda s: with_exit(s, ExitSettings("tv")))
    ranked.store.update_settings(lambda s: replace(s, failover=FailoverSettings(enabled=False)))
    ranked.intent.set_goal("default", FIRST, "random:Sweden")
    ranked.intent.set_goal("tv", FIRST)
    assert await advised(ranked, FIRST) == SECOND
    assert not ranked.failures.in_penalty(FIRST)


# --- what would be tried, if the present server died -----------------------------------------------------------------


def counted(fakes: Fakes) -> tuple[object, object]:  # noqa: F811
    return dict(fakes.failures._records), dict(fakes.failures._hops)


async def test_foretold_is_what_failover_does_then(ranked):
    """At each server on the way down the ranks, and nothing is noted by asking."""
    failed = FIRST
    for _ in range(5):
        before, goal = counted(ranked), ranked.intent.goal("default")
        foretold = await ranked.failover.foretold("default")
        assert (counted(ranked), ranked.intent.goal("default")) == (before, goal)
        assert foretold is not None
        failed = (target := await advised(ranked, failed)) or failed
        assert foretold.provider == target.provider
        if target.provider != "ivpn":  # whose servers are as good as each other
            assert foretold == target


async def test_foretold_without_ranks_is_near_or_nothing(ranked):
    set_exit(ranked)
    assert await ranked.failover.foretold("default") == SECOND
    ranked.lists["mullvad"] = ranked.listed[:1]
    assert await ranked.failover.foretold("default") is None
    ranked.store.update_settings(lambda s: replace(s, failover=FailoverSettings(enabled=False)))
    set_exit(ranked, fallbacks=RANKS)
    assert await ranked.failover.foretold("default") is None
    ranked.intent.set_goal("default", None)
    assert await ranked.failover.foretold("default") is None
