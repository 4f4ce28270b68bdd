"""Schedules as a function of local time: whole weeks, midnight, and the days on which the clock is changed."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidFieldError
from app.model import BlockedPolicy, ScheduleEntry, VpnPolicy
from app.schedules import MAX_ENTRIES, check_schedule, check_zone, entry_at, local_time

EVERY_DAY = frozenset(range(7))
BERLIN = "Europe/Berlin"  # forward 2026-03-29 at 01:00 UTC, back 2026-10-25 at 01:00 UTC
# Half an hour (Lord Howe), at midnight (Santiago), half-hour offsets, none at all.
ZONES = (BERLIN, "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kolkata", "UTC")


def entry(start: str, end: str, days: frozenset[int] = EVERY_DAY) -> ScheduleEntry:
    return ScheduleEntry(days, _minutes(start), _minutes(end), BlockedPolicy())


def _minutes(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def holds(one: ScheduleEntry, utc: str, zone: str = BERLIN) -> bool:
    return entry_at((one,), local_time(datetime.fromisoformat(utc).timestamp(), zone)) is one


entries = st.builds(
    ScheduleEntry,
    days=st.frozensets(st.integers(0, 6), min_size=1),
    start=st.integers(0, 1439),
    end=st.integers(0, 1439),
    policy=st.just(BlockedPolicy()),
)
moments = st.one_of(
    st.integers(1_767_225_600, 1_861_920_000),  # 2026 to 2028
    # Within a day of a change of the clock.
    st.builds(
        lambda at, by: int(datetime.fromisoformat(at).timestamp()) + by,
        st.sampled_from(("2026-03-29T01:00Z", "2026-10-25T01:00Z", "2026-03-08T07:00Z", "2026-04-04T15:00Z")),
        st.integers(-86400, 86400),
    ),
)


@given(entries, moments, st.sampled_from(ZONES))
def test_entry_holds_as_a_wall_clock_and_calendar_say(one: ScheduleEntry, now: int, zone: str) -> None:
    wall = datetime.fromtimestamp(now, ZoneInfo(zone)).replace(tzinfo=None)
    within = False
    for day in (wall.date() - timedelta(1), wall.date()):
        begin = datetime.combine(day, time(one.start // 60, one.start % 60))
        end = datetime.combine(day, time(one.end // 60, one.end % 60))
        end += timedelta(one.end <= one.start)
        within |= day.weekday() in one.days and begin <= wall < end
    assert (entry_at((one,), local_time(now, zone)) is one) == within


@given(st.integers(0, 1439), st.integers(0, 1439), moments, st.sampled_from(ZONES))
def test_two_halves_of_the_day_never_both_and_never_none(a: int, b: int, now: int, zone: str) -> None:
    one = ScheduleEntry(EVERY_DAY, a, b, BlockedPolicy())
    other = ScheduleEntry(EVERY_DAY, b, a, BlockedPolicy())
    local = local_time(now, zone)
    found = [e for e in (one, other) if entry_at((e,), local)]
    assert len(found) == (2 if a == b else 1)


@pytest.mark.parametrize(
    ("utc", "wanted"),
    [
        ("2026-03-28T19:59Z", False),  # 20:59 in winter
        ("2026-03-28T20:00Z", True),
        ("2026-03-29T04:59Z", True),  # 06:59 in summer
        ("2026-03-29T05:00Z", False),
        ("2026-03-29T19:00Z", True),  # 21:00 in summer
        ("2026-10-25T05:59Z", True),  # 06:59 in winter again
        ("2026-10-25T06:00Z", False),
    ],
)
def test_bedtime_keeps_to_the_wall_clock_over_changes(utc: str, wanted: bool) -> None:
    assert holds(entry("21:00", "07:00"), utc) is wanted


def test_missing_hour_is_left_out_and_begins_what_follows() -> None:
    missing = [f"2026-03-29T0{hour}:{minute:02}Z" for hour in (0, 1) for minute in (0, 29, 30, 59)]
    assert not any(holds(entry("02:00", "03:00"), utc) for utc in missing)
    assert not holds(entry("02:30", "04:00"), "2026-03-29T00:59Z")
    assert holds(entry("02:30", "04:00"), "2026-03-29T01:00Z")  # 03:00, as the missing hour ends


def test_repeated_hour_holds_twice() -> None:
    one = entry("02:00", "02:30")
    assert [holds(one, f"2026-10-25T{utc}Z") for utc in ("00:10", "00:40", "01:10", "01:40")] == [
        True, False, True, False,
    ]  # fmt: skip


def test_night_belongs_to_the_day_on_which_it_begins() -> None:
    friday = entry("22:00", "06:00", frozenset({4}))
    assert holds(friday, "2026-11-27T23:00Z", "UTC")  # a Friday
    assert holds(friday, "2026-11-28T05:59Z", "UTC")
    assert not holds(friday, "2026-11-28T22:30Z", "UTC")
    assert not holds(friday, "2026-11-27T05:00Z", "UTC")


def test_sunday_night_reaches_into_monday() -> None:
    assert holds(entry("23:00", "01:00", frozenset({6})), "2026-11-30T00:30Z", "UTC")


def test_first_entry_that_holds_counts() -> None:
    first = ScheduleEntry(EVERY_DAY, 0, 720, VpnPolicy())
    second = ScheduleEntry(EVERY_DAY, 0, 0, BlockedPolicy())
    assert entry_at((first, second), datetime(2026, 11, 27, 11, tzinfo=UTC)) is first
    assert entry_at((first, second), datetime(2026, 11, 27, 12, tzinfo=UTC)) is second


@pytest.mark.parametrize("zone", ["", "Europe/Atlantis", "../../etc/passwd", "/etc/localtime", "posixrules\n"])
def test_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        check_zone(zone)
    assert caught.value.field == "time_zone"


@pytest.mark.parametrize("zone", ZONES)
def test_known_time_zone_passes(zone: str) -> None:
    check_zone(zone)


def test_entry_without_days_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidFieldError) as caught:
        check_schedule((entry("1:00", "2:00"), entry("1:00", "2:00", frozenset())), "schedule")
    assert caught.value.field == "schedule[1].days"
    with pytest.raises(InvalidFieldError):
        check_schedule((entry("1:00", "2:00"),) * (MAX_ENTRIES + 1), "schedule")
