"""Schedules: the entry of a week's timetable that holds at a moment (pure).

The clock on the wall decides, so that bedtime is 21:00 in summer and in winter. Where the clock is put forward, an
entry that lies within the missing hour does not come to hold, and one that begins there begins as the hour ends. Where
it is put back, an entry within the repeated hour holds in both.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from app.errors import InvalidFieldError
from app.model import ScheduleEntry

MAX_ENTRIES = 50


def local_time(now: float, zone: str) -> datetime:
    """The Unix time ``now`` on the clocks of ``zone``."""
    return datetime.fromtimestamp(now, ZoneInfo(zone))


def entry_at(schedule: Iterable[ScheduleEntry], now: datetime) -> ScheduleEntry | None:
    """The first entry that holds at the local time ``now``."""
    return next((entry for entry in schedule if _holds(entry, now)), None)


def _holds(entry: ScheduleEntry, now: datetime) -> bool:
    today, minute = now.weekday(), now.hour * 60 + now.minute
    if entry.start < entry.end:
        return today in entry.days and entry.start <= minute < entry.end
    yesterday = (today - 1) % 7
    return (today in entry.days and minute >= entry.start) or (yesterday in entry.days and minute < entry.end)


def check_schedule(schedule: tuple[ScheduleEntry, ...], field: str) -> None:
    """Check what the types cannot. Raises InvalidFieldError."""
    if len(schedule) > MAX_ENTRIES:
        raise InvalidFieldError(f"{field}: at most {MAX_ENTRIES} entries", field=field)
    for number, entry in enumerate(schedule):
        if not entry.days:
            raise InvalidFieldError(f"{field}[{number}].days: name at least one day", field=f"{field}[{number}].days")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def check_zone(zone: str) -> None:
    """Check that ``zone`` is in IANA's database. Raises InvalidFieldError."""
    if zone not in _zones():
        message = "time_zone: a name of the time zone database, such as Europe/Berlin"
        raise InvalidFieldError(message, field="time_zone")
