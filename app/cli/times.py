"""Times and timetables as people write them: ``30m``, ``18:00``, ``mon-fri 21:00-07:00 blocked`` (pure)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import click

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMED = {"daily": range(7), "weekdays": range(5), "weekend": range(5, 7)}
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+) *(s|min|m|h|d|)")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def seconds(text: str) -> int:
    """The length of ``30m``, ``2h``, ``1d`` or ``90s``. Raises BadParameter."""
    match = _DURATION.fullmatch(text.strip().lower())
    if match is None:
        raise click.BadParameter(f"{text}: a time such as 30m, 2h, 1d or 90s")
    return int(match[1]) * _UNITS[match[2] or "s"]


def moment(text: str, now: datetime) -> float:
    """The Unix time of the next ``18:00``, or of ``2026-12-24 18:00``; ``now`` is this computer's clock on the wall.

    Raises BadParameter.
    """
    if _CLOCK.fullmatch(text.strip()):
        minute = clock(text)
        found = now.replace(hour=minute // 60, minute=minute % 60, second=0, microsecond=0)
        return (found if found > now else found + timedelta(days=1)).timestamp()
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        raise click.BadParameter(f"{text}: a time such as 18:00, or 2026-12-24 18:00") from None


def coming(text: str) -> float:
    """As :func:`moment`, from now on."""
    return moment(text, datetime.now())  # noqa: DTZ005 - tomorrow's 18:00 may lie behind a change to summer time


def clock(text: str) -> int:
    """The minutes after midnight of ``21:00``. Raises BadParameter."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text}: a time of day such as 21:00")
    return int(match[1]) * 60 + int(match[2])


def days(text: str) -> list[int]:
    """The days of ``daily``, ``weekdays``, ``weekend``, ``mon-fri`` or ``sat,sun``. Raises BadParameter."""
    found: set[int] = set()
    for part in text.strip().lower().split(","):
        first, _, last = part.partition("-")
        if part in _NAMED:
            found.update(_NAMED[part])
        elif first in DAYS and (last or first) in DAYS:
            start, end = DAYS.index(first), DAYS.index(last or first)
            found.update((start + n) % 7 for n in range((end - start) % 7 + 1))
        else:
            raise click.BadParameter(f"{part}: days such as mon-fri, sat,sun, daily, weekdays or weekend")
    return sorted(found)


def entry(text: str) -> dict[str, Any]:
    """An entry of a schedule: ``mon-fri 21:00-07:00 blocked``. Raises BadParameter."""
    parts = text.split()
    if len(parts) != 3 or "-" not in parts[1]:
        raise click.BadParameter(f"{text}: DAYS START-END POLICY, such as 'mon-fri 21:00-07:00 blocked'")
    start, _, end = parts[1].partition("-")
    return {"days": days(parts[0]), "start": clock(start), "end": clock(end), "policy": parts[2]}


def shown(one: dict[str, Any]) -> str:
    """The entry of a schedule in the form that :func:`entry` reads."""
    return f"{_days_shown(one['days'])} {_clock_shown(one['start'])}-{_clock_shown(one['end'])} {one['policy']}"


def server_change(text: str) -> dict[str, Any]:
    """A change of server by the clock: ``mon-fri 04:00 fastest:Sweden``. Raises BadParameter."""
    parts = text.split(maxsplit=2)
    if len(parts) != 3:
        raise click.BadParameter(f"{text}: DAYS TIME TARGET, such as 'daily 04:00 random:Sweden'")
    return {"days": days(parts[0]), "at": clock(parts[1]), "select": parts[2].strip()}


def server_change_shown(one: dict[str, Any]) -> str:
    """The change of server in the form that :func:`server_change` reads."""
    return f"{_days_shown(one['days'])} {_clock_shown(one['at'])} {one['select']}"


def _days_shown(on: list[int]) -> str:
    return "daily" if len(on) == 7 else ",".join(DAYS[day] for day in sorted(on))


def _clock_shown(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
