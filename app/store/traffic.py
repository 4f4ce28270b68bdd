"""Traffic by device, exit and in all: minutes, hours and days from the kernel's counters.

Counters restart from zero whenever their table, element or interface is recreated, and go on while netd is down. So a
counter is identified by its source, and its position is stored in the same transaction as the bytes added from it: a
restart of netd, of the ruleset or of the machine counts nothing twice and misses only what no counter held.
Readings are gathered in memory and written periodically by :meth:`TrafficLog.flush`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence

import msgspec

from app.protocol.statistics import (
    ALL,
    MAX_POINTS,
    RETENTION,
    SECONDS,
    Bytes,
    Counter,
    Kind,
    Point,
    Rates,
    Reading,
    Series,
    Step,
    Subject,
    TrafficQuery,
)
from app.store.database import Database
from app.store.rollup import MAX_MINUTES_SPREAD, Batch, CounterDelta, CounterKey, Moved, Position, RowKey

log = logging.getLogger(__name__)

MAX_DEVICES = 2048  # kept; the least recently seen go first
MAX_ROWS: dict[Step, int] = {"minute": 750_000, "hour": 400_000, "day": 300_000}
MAX_PENDING = 50_000  # rows in memory while the disk refuses: beyond, minutes are given up


_SUBJECT = "SELECT id, up, down FROM subject WHERE kind = ? AND name = ?"


class TrafficLog:
    """The traffic log; all but :meth:`observe`, :attr:`rates` and :meth:`lifetime` wait for the disk: use a thread.

    Thread-safe. Call :meth:`load` once the database is open; earlier readings are ignored without loss, since
    the kernel goes on counting.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory = threading.Lock()  # guards the memory: never held while the disk works
        self._disk = threading.Lock()  # a batch is seen either in memory or in the database, never in both
        self._loaded = False
        self._position: Position | None = None
        self._counters: dict[CounterKey, int] = {}
        self._read_before = False  # by this process
        self._growth = CounterDelta()
        self._lifetime: dict[Subject, tuple[int, int]] = {}
        self._pending = Batch()
        self._rates = Rates(time=0.0, period=0.0)
        self._refused = False

    def load(self) -> None:
        """Continue from the positions that the last process stored."""
        lifetime: dict[Subject, tuple[int, int]] = {}
        position: Position | None = None
        try:
            for kind, name, up, down in self._database.query("SELECT kind, name, up, down FROM subject"):
                lifetime[Subject(kind, name)] = (up, down)
            for (value,) in self._database.query("SELECT value FROM state WHERE key = 'counters'"):
                position = msgspec.msgpack.decode(value, type=Position)
        except (sqlite3.Error, msgspec.DecodeError) as error:
            log.warning("the counters' positions cannot be read; counting starts over: %s", error)
        with self._memory:
            self._lifetime, self._position = lifetime, position
            self._counters = position.by_key() if position else {}
            self._loaded = True

    # --- readings ----------------------------------------------------------------------------------------------------

    def observe(self, reading: Reading) -> Rates:
        """Add the growth since the previous reading; returns the present rates.

        The very first reading only sets the positions.
        """
        with self._memory:
            if not self._loaded:
                return self._rates
            if self._position is not None:
                moved = self._growth.since(self._counters, reading)
                self._book(moved, self._position, reading)
            self._counters = {(c.source, c.subject, c.direction): c.value for c in reading.counters}
            self._position = Position.at(reading.time, reading.boottime, self._counters)
            self._read_before = True
            return self._rates

    def observe_some(self, counters: Sequence[Counter], now: float) -> None:
        """Add the growth of ``counters`` alone, whose interface is about to be removed."""
        with self._memory:
            if self._position is None:
                return
            reading = Reading(now, self._position.boottime, tuple(counters))
            start = min(now, self._position.time)
            self._add(CounterDelta().since(self._counters, reading), max(start, now - MAX_MINUTES_SPREAD), now)
            self._counters |= {(c.source, c.subject, c.direction): c.value for c in counters}
            self._position = Position.at(self._position.time, self._position.boottime, self._counters)

    def _book(self, moved: Moved, before: Position, reading: Reading) -> None:
        if self._read_before:
            # The wall clock may have been set since; the boot clock cannot be.
            period = max(0.0, reading.boottime - before.boottime)
            start = reading.time - period
            self._pending.cover(start, reading.time)
            if period > 0:
                self._rates = _rates(reading.time, period, moved)
        else:
            # netd was down. The counted bytes are no older than the last reading, nor than the machine's boot if
            # that was later.
            start = min(reading.time, max(before.time, reading.time - reading.boottime))
        self._add(moved, start, reading.time)

    def _add(self, moved: Moved, start: float, end: float) -> None:
        self._pending.spread(moved, start, end)
        for subject, (up, down) in moved.items():
            so_far = self._lifetime.get(subject, (0, 0))
            self._lifetime[subject] = (so_far[0] + up, so_far[1] + down)
        if len(self._pending.rows) > MAX_PENDING:
            self._pending.forget_minutes()

    def rename(self, old: Subject, new: Subject) -> None:
        """Count what comes from now on, and what is not written yet, as that of ``new``; see :meth:`rename_stored`."""
        with self._memory:
            self._pending.rename(old, new)
            self._growth.rename(old, new)
            self._counters = {
                (source, new if subject == old else subject, direction): value
                for (source, subject, direction), value in self._counters.items()
            }
            if self._position is not None:
                self._position = Position.at(self._position.time, self._position.boottime, self._counters)
            up, down = self._lifetime.pop(old, (0, 0))
            before = self._lifetime.get(new, (0, 0))
            self._lifetime[new] = (before[0] + up, before[1] + down)

    @property
    def rates(self) -> Rates:
        return self._rates

    def lifetime(self, kind: Kind) -> dict[str, Bytes]:
        """Bytes by name since the gateway was first started: numbers that only grow, for metrics."""
        with self._memory:
            return {s.name: Bytes(up, down) for s, (up, down) in self._lifetime.items() if s.kind == kind}

    # --- writing -----------------------------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Write everything in memory, in one transaction. False where the disk refused; nothing is lost then."""
        with self._disk:
            with self._memory:
                batch, self._pending = self._pending, Batch()
                position = self._position
                lifetime = dict(self._lifetime)
            if position is None:
                return True
            try:
                self._write(batch, position, lifetime)
            except sqlite3.Error as error:
                if not self._refused:
                    log.warning("traffic cannot be written; buffering in memory: %s", error)
                self._refused = True
                with self._memory:
                    batch.merge(self._pending)
                    self._pending = batch
                return False
            self._refused = False
            return True

    def _write(self, batch: Batch, position: Position, lifetime: Mapping[Subject, tuple[int, int]]) -> None:
        rows = batch.folded()
        with self._database.transaction() as connection:
            ids: dict[Subject, int] = {}
            for subject in {subject for _, _, subject in rows}:
                up, down = lifetime.get(subject, (0, 0))
                (ids[subject],) = connection.execute(
                    "INSERT INTO subject (kind, name, up, down, seen) VALUES (?, ?, ?, ?, ?)"
                    " ON CONFLICT (kind, name) DO UPDATE SET"
                    " up = max(up, excluded.up), down = max(down, excluded.down), seen = excluded.seen"
                    " RETURNING id",
                    (subject.kind, subject.name, up, down, int(position.time)),
                ).fetchone()
            connection.executemany(
                "INSERT INTO traffic VALUES (?, ?, ?, ?, ?) ON CONFLICT (step, start, subject)"
                " DO UPDATE SET up = up + excluded.up, down = down + excluded.down",
                sorted((SECONDS[step], start, ids[s], up, down) for (step, start, s), (up, down) in rows.items()),
            )
            connection.executemany(
                "INSERT INTO coverage VALUES (?, ?, ?)"
                " ON CONFLICT (step, start) DO UPDATE SET seconds = seconds + excluded.seconds",
                [(SECONDS[step], start, seconds) for (step, start), seconds in batch.covered.items()],
            )
            connection.execute(
                "INSERT OR REPLACE INTO state VALUES ('counters', ?)", (msgspec.msgpack.encode(position),)
            )

    def rename_stored(self, old: Subject, new: Subject) -> None:
        """Have what is stored of ``old`` be that of ``new``, together with what ``new`` has. Raises sqlite3.Error."""
        with self._disk, self._database.transaction() as connection:
            found = connection.execute(_SUBJECT, (old.kind, old.name)).fetchone()
            if found is None:
                return
            present = connection.execute(_SUBJECT, (new.kind, new.name)).fetchone()
            if present is None:
                connection.execute("UPDATE subject SET name = ? WHERE id = ?", (new.name, found[0]))
                return
            connection.execute(
                "INSERT INTO traffic SELECT step, start, ?, up, down FROM traffic WHERE subject = ?"
                " ON CONFLICT (step, start, subject) DO UPDATE SET up = up + excluded.up, down = down + excluded.down",
                (present[0], found[0]),
            )
            connection.execute(
                "UPDATE subject SET up = up + ?, down = down + ? WHERE id = ?", (found[1], found[2], present[0])
            )
            connection.execute("DELETE FROM traffic WHERE subject = ?", (found[0],))
            connection.execute("DELETE FROM subject WHERE id = ?", (found[0],))

    def prune(self, now: float) -> None:
        """Drop rows that are too old or over the limits. Raises sqlite3.Error; then nothing was dropped.

        Of too many devices the least recently seen go; their bytes stay in the total.
        """
        with self._database.transaction() as connection:
            for step, size in SECONDS.items():
                oldest = int(now - RETENTION[step]) // size * size
                over = connection.execute(
                    "SELECT start FROM traffic WHERE step = ? ORDER BY start DESC LIMIT 1 OFFSET ?",
                    (size, MAX_ROWS[step]),
                ).fetchone()
                oldest = max(oldest, over[0] + size) if over else oldest
                connection.execute("DELETE FROM traffic WHERE step = ? AND start < ?", (size, oldest))
                connection.execute("DELETE FROM coverage WHERE step = ? AND start < ?", (size, oldest))
            gone = connection.execute(
                "DELETE FROM subject WHERE id IN"
                " (SELECT id FROM subject WHERE kind = 'device' ORDER BY seen DESC LIMIT -1 OFFSET ?) RETURNING id",
                (MAX_DEVICES,),
            ).fetchall()
            if gone:
                connection.execute("DELETE FROM traffic WHERE subject NOT IN (SELECT id FROM subject)")
            names = {Subject(*row) for row in connection.execute("SELECT kind, name FROM subject")}
        with self._memory:
            names |= {subject for _, _, subject in self._pending.rows}
            self._lifetime = {s: both for s, both in self._lifetime.items() if s in names}

    # --- answers -----------------------------------------------------------------------------------------------------

    def series(self, query: TrafficQuery, now: float | None = None) -> Series:
        """The series: every step of the range up to the present one, oldest first. Raises sqlite3.Error.

        A ``query`` for more than ``MAX_POINTS`` points is shortened to the newest.
        """
        first, last, size = _bounds(query, now)
        with self._disk:
            stored = self._database.query(
                "SELECT start, traffic.up, traffic.down FROM traffic JOIN subject ON subject.id = traffic.subject"
                " WHERE step = ? AND start BETWEEN ? AND ? AND kind = ? AND name = ?",
                (size, first, last, query.subject.kind, query.subject.name),
            )
            seconds = dict(
                self._database.query(
                    "SELECT start, seconds FROM coverage WHERE step = ? AND start BETWEEN ? AND ?", (size, first, last)
                )
            )
            pending = self._snapshot()
        for start, up, down in stored:
            pending.add((query.step, start, query.subject), up, down)
        points: list[Point] = []
        for start in range(first, last + 1, size):
            row = pending.rows.get((query.step, start, query.subject))
            covered = seconds.get(start, 0.0) + pending.covered.get((query.step, start), 0.0)
            if row is None and covered == 0:
                points.append(Point(start, None, None, 0.0))
            else:
                up, down = row or (0, 0)
                points.append(Point(start, up, down, min(1.0, round(covered / size, 3))))
        total = Bytes(sum(p.up or 0 for p in points), sum(p.down or 0 for p in points))
        return Series(query.subject, query.step, first, last + size, tuple(points), total)

    def by_name(self, kind: Kind, query: TrafficQuery, now: float | None = None) -> dict[str, Bytes]:
        """The sums over ``query``'s range by device or exit, whatever its subject. Raises sqlite3.Error."""
        first, last, size = _bounds(query, now)
        sums = Batch()
        with self._disk:
            stored = self._database.query(
                "SELECT name, sum(traffic.up), sum(traffic.down) FROM traffic"
                " JOIN subject ON subject.id = traffic.subject"
                " WHERE step = ? AND start BETWEEN ? AND ? AND kind = ? GROUP BY name",
                (size, first, last, kind),
            )
            pending = self._snapshot()
        for name, up, down in stored:
            sums.add((query.step, 0, Subject(kind, name)), up, down)
        for (step, start, subject), (up, down) in pending.rows.items():
            if step == query.step and first <= start <= last and subject.kind == kind:
                sums.add((step, 0, subject), up, down)
        return {subject.name: Bytes(up, down) for (_, _, subject), (up, down) in sums.rows.items()}

    def _snapshot(self) -> Batch:
        """A copy of what is pending, folded as it will be written."""
        copy = Batch()
        with self._memory:
            copy.merge(self._pending)
        folded: dict[RowKey, tuple[int, int]] = copy.folded()
        copy.rows = {key: [up, down] for key, (up, down) in folded.items()}
        return copy


def _bounds(query: TrafficQuery, now: float | None) -> tuple[int, int, int]:
    """The starts of the first and last step, and a step's seconds."""
    size = SECONDS[query.step]
    end = int(time.time() if now is None else now)
    last = end // size * size
    first = (end - query.range) // size * size + size
    return min(max(first, last - (MAX_POINTS - 1) * size), last), last, size


def _rates(now: float, period: float, moved: Moved) -> Rates:
    def of(kind: Kind) -> dict[str, Bytes]:
        return {s.name: per_second(both) for s, both in moved.items() if s.kind == kind}

    def per_second(both: tuple[int, int]) -> Bytes:
        return Bytes(round(both[0] / period), round(both[1] / period))

    return Rates(now, period, per_second(moved.get(ALL, (0, 0))), of("device"), of("exit"))
