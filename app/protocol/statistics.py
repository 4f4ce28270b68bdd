"""Traffic and history as values: readings of the kernel's counters, stored series, queries and results (pure).

A device's bytes, and the total, are those of its IP packets that went through, without link headers; ``up`` is to the
Internet, ``down`` to the device. An exit's are what its interface counts, ``up`` into the tunnel: with the kernel's
WireGuard that includes the tunnel's own overhead, handshakes and the gateway's probes.
Times are Unix time stamps (UTC), as are the starts of minutes, hours and days.
"""

from __future__ import annotations

import re
from typing import Literal

from msgspec import Struct

from app.errors import InvalidFieldError
from app.mac_address import is_canonical

Kind = Literal["total", "device", "exit"]
Step = Literal["minute", "hour", "day"]

SECONDS: dict[Step, int] = {"minute": 60, "hour": 3600, "day": 86400}
RETENTION: dict[Step, int] = {"minute": 48 * 3600, "hour": 60 * 86400, "day": 3 * 365 * 86400}  # seconds
MAX_POINTS = 3000  # of one answer

TOTAL = "total"  # the only name of kind "total"
OTHER = "other"  # devices beyond the limit of those counted one by one


class Subject(Struct, frozen=True, order=True):
    """Whose traffic: ``name`` is a MAC address (lower case, colons), an exit's name, or ``TOTAL``."""

    kind: Kind
    name: str


ALL = Subject("total", TOTAL)


class Bytes(Struct, frozen=True):
    up: int = 0
    down: int = 0


# --- From the kernel -------------------------------------------------------------------------------------------------


class Counter(Struct, frozen=True):
    """One counter of the kernel, at ``value`` bytes since ``source`` came into being.

    ``source`` names the counter's incarnation: another source begins at zero. Where its traffic is counted twice on its
    path, ``sign`` is -1.
    """

    subject: Subject
    direction: Literal["up", "down"]
    source: str
    value: int
    sign: Literal[1, -1] = 1


class Reading(Struct, frozen=True):
    """All counters at one moment. A counter that is missing does not exist (any more)."""

    time: float  # Unix time
    boottime: float  # CLOCK_BOOTTIME, seconds
    counters: tuple[Counter, ...]


class InterfaceBytes(Struct, frozen=True):
    """An interface's own counters since it was made; ``index`` is never used twice within one boot."""

    index: int
    rx: int
    tx: int


# --- Traffic, as it is shown -----------------------------------------------------------------------------------------


class Rates(Struct, frozen=True):
    """Bytes a second between the last two readings, ``period`` seconds apart; 0.0 = nothing is known yet."""

    time: float
    period: float
    total: Bytes = Bytes()
    devices: dict[str, Bytes] = {}
    exits: dict[str, Bytes] = {}


class Point(Struct, frozen=True):
    """One minute, hour or day from ``time`` on.

    ``covered`` is the share of it (0 to 1) in which the counters were being read. Where it is below 1, the bytes that
    the kernel counted in the gap are spread evenly over it; where nothing is known, ``up`` and ``down`` are None.
    """

    time: int
    up: int | None
    down: int | None
    covered: float


class Series(Struct, frozen=True):
    subject: Subject
    step: Step
    start: int
    end: int
    points: tuple[Point, ...]  # without a hole, oldest first
    sum: Bytes


class TrafficQuery(Struct, frozen=True):
    """The last ``range`` seconds of ``subject`` in steps of ``step``."""

    subject: Subject = ALL
    range: int = 86400
    step: Step = "hour"


_STEPS: dict[str, Step] = {"minute": "minute", "hour": "hour", "day": "day"}
_RANGE = re.compile(r"([1-9][0-9]{0,7})([smhdw]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def traffic_query(
    device: str | None = None, exit_: str | None = None, range_: str | None = None, step: str | None = None
) -> TrafficQuery:
    """The query that a URL's parameters make: ``range`` as ``24h`` or seconds, ``step`` minute, hour, day.

    Without ``step``: the finest that is kept for the range in at most 500 points. Raises InvalidFieldError, which names
    the parameter.
    """
    subject = ALL
    if device is not None and exit_ is not None:
        raise InvalidFieldError("exit: give a device or an exit, not both", field="exit")
    if device is not None:
        if not is_canonical(device.lower()) and device != OTHER:
            raise InvalidFieldError("device: a MAC address, such as 02:00:00:00:00:01", field="device")
        subject = Subject("device", device.lower())
    if exit_ is not None:
        subject = Subject("exit", exit_)
    match = _RANGE.fullmatch("24h" if range_ is None else range_)
    if match is None:
        raise InvalidFieldError("range: a number and s, m, h, d or w, such as 24h", field="range")
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > RETENTION["day"]:
        raise InvalidFieldError(f"range: at most {RETENTION['day'] // 86400}d are kept", field="range")
    if step is None:
        fitting: list[Step] = [s for s in SECONDS if seconds <= RETENTION[s] and seconds <= 500 * SECONDS[s]]
        return TrafficQuery(subject, seconds, fitting[0] if fitting else "day")
    known = _STEPS.get(step)
    if known is None:
        raise InvalidFieldError("step: minute, hour or day", field="step")
    if seconds > RETENTION[known]:
        raise InvalidFieldError(f"step: a {known} is kept for {RETENTION[known] // 3600}h only", field="step")
    return TrafficQuery(subject, seconds, known)


# --- History ---------------------------------------------------------------------------------------------------------


class Transition(Struct, frozen=True, kw_only=True):
    """An exit went ``before`` -> ``after`` because of ``cause``.

    ``server`` and ``provider`` are those of the new state, else of the one left; ``previous_server`` only where it is
    another. ``duration`` is what the state left lasted, in seconds; ``up`` and ``down`` are the bytes of the tunnel
    left, None where there was none or they could not be read.
    """

    id: int = 0  # grows; 0 = not stored yet
    time: float
    exit: str
    before: str  # app.protocol.status.ExitState
    after: str
    cause: str  # a code: requested, handshake, handshake_timeout, ...
    message: str | None = None
    provider: str | None = None
    server: str | None = None
    previous_server: str | None = None
    duration: float | None = None
    up: int | None = None
    down: int | None = None
    attempt: int = 0  # consecutive failed attempts, from 1


class HistoryQuery(Struct, frozen=True):
    """A query for records, the newest first; ``before`` is the ``next`` of the page before."""

    limit: int = 100  # 1 to 1000
    before: int | None = None
    exit: str | None = None
    since: float | None = None  # Unix time
    until: float | None = None


class HistoryPage(Struct, frozen=True):
    records: tuple[Transition, ...]
    next: int | None  # None = this is the last page
