"""The intent in a real store: each change is computed from the settings at the moment of the update."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, InvalidFieldError
from app.model import Settings
from app.netd.intent import MAX_FAVOURITES, MAX_RECENT, Goal, Intent
from app.store import Store
from app.store.validation import check_settings
from app.tunnel.states import Target

A, B, C = (Target("mullvad", f"se-sto-wg-00{n}") for n in (1, 2, 3))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path) as made:
        yield made


@pytest.fixture
def intent(store: Store) -> Intent:
    return Intent(store)


def test_goal_keeps_the_selector_beside_the_server(intent: Intent, store: Store, tmp_path: Path) -> None:
    intent.set_goal("default", A, "fastest:Sweden")
    assert intent.goal("default") == Goal(A, "fastest:Sweden")
    store.close()
    with Store(tmp_path) as again:
        assert Intent(again).goal("default") == Goal(A, "fastest:Sweden")


def test_goal_by_host_name_stores_no_selector(intent: Intent, store: Store) -> None:
    intent.set_goal("default", A, A.hostname)
    assert intent.goal("default") == Goal(A, A.hostname)
    assert (store.settings.desired, store.settings.asked) == ({"default": str(A)}, {})


def test_fallback_ends_what_was_proposed(intent: Intent) -> None:
    intent.set_goal("default", A, "Sweden")
    intent.propose("default", B)
    assert intent.goal("default") == Goal(A, "Sweden")
    assert intent.fall_back("default", A, B)
    intent.settle("default", B)
    assert intent.goal("default") == Goal(B, "Sweden", A)


def test_goal_of_older_settings_has_the_host_name(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        Intent(store).set_goal("default", A, "Sweden")
    path = tmp_path / "settings.json"
    document = json.loads(path.read_bytes())
    del document["settings"]["asked"]
    document["settings"]["first_choice"] = {"default": str(B)}
    path.write_text(json.dumps(document))
    with Store(tmp_path) as store:
        assert Intent(store).goal("default") == Goal(A, B.hostname, B)
        assert store.problems == []


def test_goal_removed_leaves_default_settings(intent: Intent, store: Store) -> None:
    intent.set_goal("default", A, "Sweden")
    intent.fall_back("default", A, B)
    intent.set_goal("default", None)
    assert intent.goal("default") is None
    assert store.settings == Settings()


def test_goals_of_exits_are_independent(intent: Intent, store: Store) -> None:
    store.update_settings(lambda s: replace(s, exits=("default", "work")))
    intent.set_goal("default", A, "Sweden")
    intent.set_goal("work", B)
    intent.set_goal("default", None)
    assert (intent.goal("default"), intent.goal("work")) == (None, Goal(B, B.hostname))


def test_fallbacks_in_a_row_keep_the_first_choice(intent: Intent) -> None:
    intent.set_goal("default", A, "Sweden")
    assert intent.fall_back("default", A, B)
    assert intent.fall_back("default", B, C)
    assert intent.goal("default") == Goal(C, "Sweden", A)
    assert intent.fall_back("default", C, A)
    assert intent.goal("default") == Goal(A, "Sweden")


def test_fallback_from_a_replaced_goal_changes_nothing(intent: Intent) -> None:
    assert not intent.fall_back("default", A, B)
    intent.set_goal("default", C)
    assert not intent.fall_back("default", A, B)
    assert intent.goal("default") == Goal(C, C.hostname)


def test_fallback_ends_when_the_first_choice_is_reached(intent: Intent) -> None:
    intent.set_goal("default", A)
    intent.fall_back("default", A, B)
    intent.mark_reached("default", B)
    assert intent.goal("default") == Goal(B, A.hostname, A)
    intent.mark_reached("default", A)
    goal = intent.goal("default")
    assert goal is not None
    assert goal.first_choice is None


def test_restore_goal_replaces_only_the_failed_goal(intent: Intent) -> None:
    before = Goal(A, "Sweden", C)
    intent.set_goal("default", B)
    intent.restore_goal("default", before, failed=B)
    assert intent.goal("default") == before
    intent.set_goal("default", C)
    intent.restore_goal("default", before, failed=B)
    assert intent.goal("default") == Goal(C, C.hostname)


def test_intent_keeps_concurrent_changes(intent: Intent, store: Store) -> None:
    """The change is computed inside the update, not before it."""
    real = store.update_settings

    def slow(change):
        real(lambda s: replace(s, provider="custom"))
        return real(change)

    store.update_settings = slow
    intent.set_goal("default", A)
    intent.mark_recent(A)
    intent.mark_favourite("mullvad", "x", favourite=True)
    assert store.settings.provider == "custom"
    assert store.settings.recent == (str(A),)


def test_recent_servers_are_ordered_and_limited(intent: Intent, store: Store) -> None:
    for number in range(MAX_RECENT + 5):
        intent.mark_recent(Target("mullvad", str(number)))
    intent.mark_recent(Target("mullvad", "10"))
    assert store.settings.recent[:2] == ("mullvad/10", f"mullvad/{MAX_RECENT + 4}")
    assert len(store.settings.recent) == MAX_RECENT


def test_favourite_is_marked_once_and_unmarked(intent: Intent, store: Store) -> None:
    assert intent.mark_favourite("custom", "Cafe\u0301", favourite=True)
    assert not intent.mark_favourite("custom", "Caf\u00e9", favourite=True)
    assert store.settings.favourites == ("custom/Caf\u00e9",)
    assert intent.mark_favourite("custom", "Caf\u00e9", favourite=False)
    assert not intent.mark_favourite("custom", "Caf\u00e9", favourite=False)
    assert store.settings.favourites == ()


def test_favourites_beyond_the_limit_are_refused(intent: Intent, store: Store) -> None:
    store.update_settings(lambda s: replace(s, favourites=tuple(f"p/{n}" for n in range(MAX_FAVOURITES))))
    with pytest.raises(ConflictError) as refused:
        intent.mark_favourite("p", "one more", favourite=True)
    assert refused.value.code == "too_many"
    assert not intent.mark_favourite("p", "not there", favourite=False)


@pytest.mark.parametrize("asked", [{"nowhere": "Sweden"}, {"default": ""}, {"default": "a\nb"}, {"default": "x" * 256}])
def test_restored_goal_is_validated(asked: dict[str, str]) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        check_settings(Settings(asked=asked))
    assert refused.value.field == "asked"
    check_settings(Settings(asked={"default": "fastest:Sweden"}))
