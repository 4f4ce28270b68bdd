"""The rollup of counters into rows: the growth since the last reading, by minute, hour and day (pure)."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Literal

from msgspec import Struct

from app.protocol.statistics import OTHER, SECONDS, Kind, Reading, Step, Subject

MAX_DEVICES_A_BATCH = 256  # kept one by one; the rest of a batch, the smallest, become OTHER
MAX_MINUTES_SPREAD = 600  # seconds: over a longer gap the bytes are added to hours and days only
MAX_SPREAD = 7 * 86400  # seconds: a longer gap is a clock that was wrong; all is added at its end

Direction = Literal["up", "down"]
CounterKey = tuple[str, Subject, Direction]  # source, subject, direction
RowKey = tuple[Step, int, Subject]  # step, start, subject
Moved = dict[Subject, tuple[int, int]]  # bytes up, down


class Position(Struct, frozen=True):
    """The positions of all counters, kept over restarts: by source, as (kind, name, direction, value)."""

    time: float
    boottime: float
    values: dict[str, tuple[tuple[Kind, str, Direction, int], ...]]

    @classmethod
    def at(cls, time: float, boottime: float, counters: Mapping[CounterKey, int]) -> Position:
        values: dict[str, list[tuple[Kind, str, Direction, int]]] = defaultdict(list)
        for (source, subject, direction), value in counters.items():
            values[source].append((subject.kind, subject.name, direction, value))
        return cls(time, boottime, {source: tuple(v) for source, v in values.items()})

    def by_key(self) -> dict[CounterKey, int]:
        return {(s, Subject(k, n), d): v for s, counters in self.values.items() for k, n, d, v in counters}


class CounterDelta:
    """The bytes that each subject moved between two readings."""

    def __init__(self) -> None:
        self._owed: dict[tuple[Subject, Direction], int] = {}

    def since(self, before: Mapping[CounterKey, int], reading: Reading) -> Moved:
        """The growth since ``before``. A counter that is new, or lower than it was, has restarted from zero."""
        sums = dict(self._owed)
        for counter in reading.counters:
            last = before.get((counter.source, counter.subject, counter.direction), 0)
            grown = counter.value - last if counter.value >= last else counter.value
            key = (counter.subject, counter.direction)
            sums[key] = sums.get(key, 0) + counter.sign * grown
        # The two counters of a difference are read a moment apart: the next reading corrects it.
        self._owed = {key: value for key, value in sums.items() if value < 0}
        moved: dict[Subject, list[int]] = {}
        for (subject, direction), value in sums.items():
            if value > 0:
                moved.setdefault(subject, [0, 0])[0 if direction == "up" else 1] += value
        return {subject: (up, down) for subject, (up, down) in moved.items()}

    def rename(self, old: Subject, new: Subject) -> None:
        self._owed = {(new if s == old else s, direction): value for (s, direction), value in self._owed.items()}


class Batch:
    """Rows not yet written. Merging two batches equals adding everything to one."""

    def __init__(self) -> None:
        self.rows: dict[RowKey, list[int]] = {}
        self.covered: dict[tuple[Step, int], float] = defaultdict(float)  # seconds

    def spread(self, moved: Moved, start: float, end: float) -> None:
        """Add bytes that were moved in (start, end], spread evenly; every byte exactly once in each step."""
        if end - start > MAX_SPREAD:
            start = end
        for step, size in SECONDS.items():
            if step == "minute" and end - start > MAX_MINUTES_SPREAD:
                continue
            shares = list(_shares(start, end, size))
            for subject, (up, down) in moved.items():
                gone_up = gone_down = 0
                for slot, share in shares:
                    until_up, until_down = int(up * share), int(down * share)
                    self.add((step, slot, subject), until_up - gone_up, until_down - gone_down)
                    gone_up, gone_down = until_up, until_down

    def add(self, key: RowKey, up: int, down: int) -> None:
        if up or down:
            row = self.rows.setdefault(key, [0, 0])
            row[0] += up
            row[1] += down

    def cover(self, start: float, end: float) -> None:
        """Mark (start, end] as covered by readings."""
        for step, size in SECONDS.items():
            for slot, seconds in slots(start, end, size):
                self.covered[step, slot] += seconds

    def merge(self, other: Batch) -> None:
        for key, (up, down) in other.rows.items():
            self.add(key, up, down)
        for slot, seconds in other.covered.items():
            self.covered[slot] += seconds

    def rename(self, old: Subject, new: Subject) -> None:
        """Count the rows of ``old`` as those of ``new``."""
        rows, self.rows = self.rows, {}
        for (step, start, subject), (up, down) in rows.items():
            self.add((step, start, new if subject == old else subject), up, down)

    def forget_minutes(self) -> None:
        self.rows = {key: row for key, row in self.rows.items() if key[0] != "minute"}

    def folded(self) -> dict[RowKey, tuple[int, int]]:
        """The rows, with the smallest devices combined, so that even a hostile LAN makes few of them."""
        volume: dict[Subject, int] = defaultdict(int)
        for (step, _, subject), (up, down) in self.rows.items():
            if subject.kind == "device" and step == "day":
                volume[subject] += up + down
        kept = set(sorted(volume, key=lambda s: volume[s], reverse=True)[:MAX_DEVICES_A_BATCH])
        sums: dict[RowKey, tuple[int, int]] = {}
        for (step, slot, subject), (up, down) in self.rows.items():
            one = subject if subject.kind != "device" or subject in kept else Subject("device", OTHER)
            before = sums.get((step, slot, one), (0, 0))
            sums[step, slot, one] = (before[0] + up, before[1] + down)
        return sums


def slots(start: float, end: float, size: int) -> Iterator[tuple[int, float]]:
    """The starts of the slots that (start, end] touches, with the seconds in each; at least one."""
    if end <= start:
        yield int(end) // size * size, 0.0
        return
    for slot in itertools.count(int(start) // size * size, size):
        if slot >= end:
            return
        yield slot, min(end, slot + size) - max(start, slot)


def _shares(start: float, end: float, size: int) -> Iterator[tuple[int, float]]:
    """The slots, with the share (0 to 1) of (start, end] that has passed at the end of each; the last is exactly 1."""
    touched = list(slots(start, end, size))
    done = 0.0
    for place, (slot, seconds) in enumerate(touched, 1):
        done += seconds
        yield slot, 1.0 if place == len(touched) else done / (end - start)
