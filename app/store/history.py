"""The history of the exits: every transition, newest first, a page at a time or as CSV (RFC 4180)."""

from __future__ import annotations

import csv
import io
import logging
import sqlite3
import threading
from datetime import UTC, datetime

from msgspec.structs import astuple, replace

from app.errors import InvalidFieldError
from app.protocol.statistics import HistoryPage, HistoryQuery, Transition
from app.store.database import Database

log = logging.getLogger(__name__)

MAX_RECORDS = 50_000
KEPT = 2 * 365 * 86400  # seconds
MAX_LIMIT = 1000  # records a page
MAX_PENDING = 1000
RETRY_FROM = 3  # attempts from this one on are the first to go when there are too many records
_MAX_MESSAGE = 500  # characters

_COLUMNS = Transition.__struct_fields__
_NAMES = ", ".join(_COLUMNS)
_HOLES = ", ".join("?" * (len(_COLUMNS) - 1))
CSV_HEADER = ("time_utc", *_COLUMNS)


class History:
    """The stored history. Only :meth:`append` does not wait for the disk: run the rest in a thread. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory = threading.Lock()
        self._disk = threading.Lock()
        self._pending: list[Transition] = []
        self._refused = False

    def append(self, record: Transition) -> None:
        """Add ``record``; the next :meth:`flush` writes it. Where the disk refuses, the oldest are dropped."""
        if record.message is not None and len(record.message) > _MAX_MESSAGE:
            record = replace(record, message=record.message[: _MAX_MESSAGE - 1] + "…")
        with self._memory:
            self._pending.append(record)
            del self._pending[:-MAX_PENDING]

    def flush(self) -> bool:
        """Write the appended records, in one transaction. False where the disk refused; they stay in memory then."""
        with self._disk:
            with self._memory:
                batch = list(self._pending)
            if not batch:
                return True
            try:
                with self._database.transaction() as connection:
                    connection.executemany(
                        f"INSERT INTO history ({_NAMES}) VALUES (NULL, {_HOLES})",  # noqa: S608 - constant column names
                        [astuple(record)[1:] for record in batch],
                    )
            except sqlite3.Error as error:
                if not self._refused:
                    log.warning("history cannot be written; buffering in memory: %s", error)
                self._refused = True
                return False
            self._refused = False
            written = set(map(id, batch))
            with self._memory:
                self._pending = [r for r in self._pending if id(r) not in written]
            return True

    def rename(self, old: str, new: str) -> None:
        """Show the records of the exit ``old`` as those of ``new``. Raises sqlite3.Error."""
        with self._disk:
            with self._memory:
                self._pending = [replace(r, exit=new) if r.exit == old else r for r in self._pending]
            with self._database.transaction() as connection:
                connection.execute("UPDATE history SET exit = ? WHERE exit = ?", (new, old))

    def page(self, query: HistoryQuery) -> HistoryPage:
        """One page. Raises InvalidFieldError (``limit``), sqlite3.Error."""
        if not 1 <= query.limit <= MAX_LIMIT:
            raise InvalidFieldError(f"limit: 1 to {MAX_LIMIT}", field="limit")
        self.flush()
        conditions, values = _where(query)
        rows = self._database.query(
            f"SELECT {_NAMES} FROM history{conditions} ORDER BY id DESC LIMIT ?",  # noqa: S608 - values are bound
            (*values, query.limit + 1),
        )
        records = tuple(Transition(**dict(zip(_COLUMNS, row, strict=True))) for row in rows[: query.limit])
        return HistoryPage(records, records[-1].id if len(rows) > query.limit else None)

    def csv(self, query: HistoryQuery) -> tuple[str, int | None]:
        """One page of 1000 as CSV, and the ``before`` of the next. The first page has a header. Raises as page."""
        page = self.page(replace(query, limit=MAX_LIMIT))
        header = [CSV_HEADER] if query.before is None else []
        return _lines([*header, *((_utc(r.time), *(_cell(v) for v in astuple(r))) for r in page.records)]), page.next

    def prune(self, now: float) -> None:
        """Drop records that are too old; then, where there are too many, retries first. Raises sqlite3.Error."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM history WHERE time < ?", (now - KEPT,))
            (count,) = connection.execute("SELECT count(*) FROM history").fetchone()
            for condition in (f"attempt >= {RETRY_FROM}", "TRUE"):
                if count > MAX_RECORDS:
                    connection.execute(
                        f"DELETE FROM history WHERE id IN"  # noqa: S608 - constants
                        f" (SELECT id FROM history WHERE {condition} ORDER BY id LIMIT ?)",
                        (count - MAX_RECORDS,),
                    )
                    (count,) = connection.execute("SELECT count(*) FROM history").fetchone()


def _where(query: HistoryQuery) -> tuple[str, tuple[object, ...]]:
    given = (
        ("id < ?", query.before),
        ("exit = ?", query.exit),
        ("time >= ?", query.since),
        ("time < ?", query.until),
    )
    used = [(condition, value) for condition, value in given if value is not None]
    return (" WHERE " + " AND ".join(c for c, _ in used) if used else ""), tuple(v for _, v in used)


def _lines(rows: list[tuple[object, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue()


def _cell(value: object) -> object:
    """A value escaped for spreadsheets: text of users and providers must never become a formula."""
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return f"'{value}"
    return value


def _utc(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
