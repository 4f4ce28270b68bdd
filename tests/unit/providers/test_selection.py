"""The selection of servers by selector and filter, their order, and the fallbacks for a dead one."""

from __future__ import annotations

import random

import msgspec
import pytest

from app.errors import ConflictError, NotFoundError
from app.model import FailoverSettings, Server, ServerFilter
from app.providers.selection import choose, matching
from app.tunnel.failure_history import MAX_HOPS, MAX_PENALTY, PENALTY, FailureHistory
from app.tunnel.fallback import fallbacks
from app.tunnel.states import Target


def server(hostname, country, city, code=None, **more):
    return Server(hostname, "p", country, city, "192.0.2.1", location=f"{city}, {country}", country_code=code, **more)


STO1 = server("se-sto-wg-001", "Sweden", "Stockholm", "se", load=80.0)
STO2 = server("se-sto-wg-002", "Sweden", "Stockholm", "se", load=20.0)
MMA = server("se-mma-wg-001", "Sweden", "Malmö", "se", load=50.0, owned=True, features=("ipv6", "daita"))
OSL = server("no-osl-wg-001", "Norway", "Oslo", "no", load=1.0)
BER = server("de-ber-wg-001", "Germany", "Berlin", "de", latency=9.0)
GEORGIA = server("ge-tbs-wg-001", "Georgia", "Tbilisi", "ge")
ALL = (STO1, STO2, MMA, OSL, BER, GEORGIA)


def names(servers):
    return [s.hostname for s in servers]


@pytest.mark.parametrize("text", ["Sweden", "sweden", " SWEDEN ", "se"])
def test_country_by_name_or_code_gives_least_loaded_first(text):
    assert names(choose(ALL, text)) == ["se-sto-wg-002", "se-mma-wg-001", "se-sto-wg-001"]


@pytest.mark.parametrize("text", ["Malmö", "malmo", "Malmö, Sweden", "MALMO"])
def test_city_in_any_spelling_is_found(text):
    assert names(choose(ALL, text)) == ["se-mma-wg-001"]


def test_fastest_takes_the_measured_and_random_any_server():
    assert choose(ALL, "fastest")[0] == BER
    assert names(choose(ALL, "fastest:Sweden"))[0] == "se-sto-wg-002"
    seen = {choose(ALL, "random:Stockholm", random.Random(n))[0].hostname for n in range(40)}
    assert seen == {"se-sto-wg-001", "se-sto-wg-002"}


def test_server_named_like_a_place_takes_precedence():
    called_sweden = server("Sweden", "Norway", "Oslo")
    called_random = server("random", "Norway", "Oslo")
    assert choose((*ALL, called_sweden, called_random), "Sweden") == [called_sweden]
    assert choose((*ALL, called_sweden, called_random), "random") == [called_random]


@pytest.mark.parametrize(
    "text", ["Atlantis", "", " ", "fastest:", "fastest:Atlantis", "random:", ":", "Sweden:fastest"]
)
def test_selector_of_an_unknown_place_is_not_found(text):
    with pytest.raises(NotFoundError) as caught:
        choose(ALL, text)
    assert caught.value.field == "server"


def test_incomplete_server_is_selected_by_its_name_only():
    """A place skips incomplete servers, and fails where all are incomplete."""
    lacking = msgspec.structs.replace(STO2, missing=("account",))
    assert names(choose((STO1, lacking), "Sweden")) == ["se-sto-wg-001"]
    assert choose((lacking,), "se-sto-wg-002") == [lacking]
    with pytest.raises(ConflictError, match="account"):
        choose((lacking,), "Sweden")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (ServerFilter(), names(ALL)),
        (ServerFilter(country="SE", city="malmo"), ["se-mma-wg-001"]),
        (ServerFilter(search="wg-001 sweden"), ["se-sto-wg-001", "se-mma-wg-001"]),
        (ServerFilter(owned=True), ["se-mma-wg-001"]),
        (ServerFilter(owned=False), []),  # an unknown owner does not count as rented
        (ServerFilter(features=("DAITA", "ipv6")), ["se-mma-wg-001"]),
        (ServerFilter(features=("daita", "p2p")), []),
        (ServerFilter(max_latency=10), ["de-ber-wg-001"]),
        (ServerFilter(max_latency=8), []),
        (ServerFilter(favourite=True), []),
    ],
)
def test_filter_gives_the_matching_servers(wanted, found):
    assert names(matching(ALL, wanted)) == found


def none_in_penalty(_server):
    return False


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        (FailoverSettings(scope="city"), ["se-sto-wg-002"]),
        (FailoverSettings(scope="country"), ["se-sto-wg-002", "se-mma-wg-001"]),
        (FailoverSettings(enabled=False, scope="anywhere"), []),
        (FailoverSettings(scope="anywhere", countries=("no",)), ["se-sto-wg-002", "se-mma-wg-001", "no-osl-wg-001"]),
        (
            FailoverSettings(scope="anywhere", countries=("Germany",)),
            ["se-sto-wg-002", "se-mma-wg-001", "de-ber-wg-001"],
        ),
    ],
)
def test_fallbacks_are_ordered_by_distance(settings, found):
    assert names(fallbacks(ALL, STO1, settings, none_in_penalty)) == found


def test_fallbacks_treat_an_unknown_location_as_distant():
    lost, other = Server("a", "p"), Server("b", "p")
    assert fallbacks((lost, other), lost, FailoverSettings(scope="country"), none_in_penalty) == []
    assert fallbacks((lost, other), lost, FailoverSettings(scope="anywhere"), none_in_penalty) == [other]


def test_penalty_doubles_with_each_failure_up_to_a_limit():
    now = 0.0
    failures = FailureHistory(lambda: now, random.Random(1))
    a, b = Target("p", "a"), Target("p", "b")
    failures.record_failure("default", a)
    assert failures.in_penalty(a)
    assert not failures.in_penalty(b)
    now = PENALTY * 1.25
    assert not failures.in_penalty(a)
    failures.record_failure("default", a)
    now += PENALTY * 1.25
    assert failures.in_penalty(a), "the second penalty is twice the first"
    for _ in range(20):
        failures.record_failure("default", a)
    now += MAX_PENALTY * 1.25
    assert not failures.in_penalty(a), "no penalty is for ever"


def test_history_after_several_failures_is_exhausted():
    """Several failures in a row point to the network and not to the servers."""
    failures = FailureHistory(lambda: 0.0)
    for number in range(MAX_HOPS + 1):
        assert not failures.exhausted("default")
        failures.record_failure("default", Target("p", str(number)))
    assert failures.exhausted("default")
    assert not failures.exhausted("work")
    failures.record_success("default", Target("p", "9"))
    assert not failures.exhausted("default")


def test_penalty_survives_a_short_success():
    """Otherwise the exit would flap between two unreliable servers."""
    now = 0.0
    failures = FailureHistory(lambda: now, random.Random(1))
    a = Target("p", "a")
    failures.record_failure("default", a)
    failures.record_success("default", a)
    assert failures.in_penalty(a), "the server may die again"
