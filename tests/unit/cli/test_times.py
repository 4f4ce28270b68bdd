"""Times and timetables as people write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, tzinfo

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli import times


@pytest.mark.parametrize(
    ("text", "wanted"), [("30m", 1800), ("2h", 7200), ("1d", 86400), ("90", 90), (" 5S ", 5), ("3 min", 180)]
)
def test_length_of_time(text: str, wanted: int) -> None:
    assert times.seconds(text) == wanted


@pytest.mark.parametrize("text", ["", "m", "-5m", "1.5h", "1y", "1h30m", "٣m"])
def test_bad_length_of_time_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter):
        times.seconds(text)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This computer's time zone."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("berlin")
def test_moment_is_the_next_one() -> None:
    now = datetime.fromisoformat("2026-11-27T12:00:30")
    for text, wanted in (
        ("18:00", "2026-11-27T18:00+01:00"),
        ("12:00", "2026-11-28T12:00+01:00"),
        ("2026-12-24 18:00", "2026-12-24T18:00+01:00"),
        ("2030-07-24T21:30", "2030-07-24T21:30+02:00"),
    ):
        assert times.moment(text, now) == datetime.fromisoformat(wanted).timestamp()
    with pytest.raises(click.BadParameter):
        times.moment("tomorrow", now)


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize(
    ("now", "wanted"),
    [("2026-10-24T20:00", "2026-10-25T18:00+01:00"), ("2027-03-27T20:00", "2027-03-28T18:00+02:00")],
)
def test_moment_lies_behind_a_change_of_the_clocks(monkeypatch: pytest.MonkeyPatch, now: str, wanted: str) -> None:
    """The next evening was taken by the clocks of the day before: an exception ended an hour off."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Clock:
            return cls.fromisoformat(now).astimezone(tz) if tz is not None else cls.fromisoformat(now)

    monkeypatch.setattr(times, "datetime", Clock)
    assert times.coming("18:00") == datetime.fromisoformat(wanted).timestamp()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("daily", [0, 1, 2, 3, 4, 5, 6]), ("weekend", [5, 6]), ("fri-mon", [0, 4, 5, 6]), ("mon,WED", [0, 2])],
)
def test_days_of_a_week(text: str, wanted: list[int]) -> None:
    assert times.days(text) == wanted


@given(st.sets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.sampled_from(["random", "fastest:New York"]))
def test_change_of_server_that_is_shown_can_be_given_again(on: set[int], at: int, select: str) -> None:
    one = {"days": sorted(on), "at": at, "select": select}
    assert times.server_change(times.server_change_shown(one)) == one


@pytest.mark.parametrize("text", ["", "daily", "daily 04:00", "04:00 daily random", "daily 24:00 random"])
def test_bad_change_of_server_is_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter):
        times.server_change(text)


@given(st.sets(st.integers(0, 6), min_size=1), st.integers(0, 1439), st.integers(0, 1439))
def test_entry_that_is_shown_can_be_given_again(on: set[int], start: int, end: int) -> None:
    one = {"days": sorted(on), "start": start, "end": end, "policy": "vpn:se"}
    assert times.entry(times.shown(one)) == one
