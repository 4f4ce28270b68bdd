"""The history of each device: what happened to it, newest first, a page at a time; bounded for each and in all."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import astuple

from app.errors import InvalidFieldError
from app.protocol.device_history import DeviceHistoryPage, DeviceHistoryQuery, DeviceRecord
from app.store.database import Database

log = logging.getLogger(__name__)

MAX_RECORDS = 50_000
MAX_OF_DEVICE = 200
KEPT = 365 * 86400  # seconds
MAX_LIMIT = 1000  # records a page
MAX_PENDING = 2000

# What devices do by themselves goes before what people decided: anything in the LAN can come, go and invent addresses.
_PRESENCE = ("online", "offline")
_BY_ITSELF = (*_PRESENCE, "appeared", "address")

_COLUMNS = DeviceRecord.__struct_fields__
_NAMES = ", ".join(f'"{column}"' for column in _COLUMNS)
_HOLES = ", ".join("?" * (len(_COLUMNS) - 1))


def _listed(changes: Sequence[str]) -> str:
    return ", ".join(f"'{change}'" for change in changes)


class _Added(Struct, frozen=True):
    device: str
    record: DeviceRecord

    def carry_out(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            f"INSERT INTO device_history (device, {_NAMES}) VALUES (?, NULL, {_HOLES})",  # noqa: S608 - constants
            (self.device, *astuple(self.record)[1:]),
        )


class _Forgotten(Struct, frozen=True):
    device: str

    def carry_out(self, connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM device_history WHERE device = ?", (self.device,))


class _Renamed(Struct, frozen=True):
    old: str
    new: str

    def carry_out(self, connection: sqlite3.Connection) -> None:
        for column in ("policy", "before"):
            connection.execute(
                f'UPDATE device_history SET "{column}" = ?'  # noqa: S608 - constant column names
                f" WHERE \"{column}\" = ? AND change IN ('policy', 'own_policy', 'exception_start', 'exception_end')",
                (self.new, self.old),
            )


class DeviceHistory:
    """The stored history of the devices. What changes it waits for the next :meth:`flush`. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory = threading.Lock()
        self._disk = threading.Lock()
        self._pending: list[_Added | _Forgotten | _Renamed] = []
        self._refused = False
        self._before: list[_Added | _Forgotten | _Renamed] | None = None  # a bulk request; None = there is none

    # --- changes, which do not wait for the disk ---------------------------------------------------------------------

    def append(self, device: str, record: DeviceRecord) -> None:
        """Add ``record``. Where the disk refuses, what devices do by themselves is dropped first, then the oldest."""
        with self._memory:
            self._pending.append(_Added(device, record))
            if len(self._pending) > MAX_PENDING:
                added = [n for n, step in enumerate(self._pending) if isinstance(step, _Added)]
                by_itself = (n for n in added if self._change(n) in _BY_ITSELF)
                del self._pending[next(by_itself, added[0])]

    def _change(self, number: int) -> str | None:
        step = self._pending[number]
        return step.record.change if isinstance(step, _Added) else None

    def forget(self, device: str) -> None:
        """Remove the records of ``device``."""
        with self._memory:
            self._pending.append(_Forgotten(device))

    def rename_policy(self, old: str, new: str) -> None:
        """Show the policy ``old`` as ``new``: its exit has another name."""
        with self._memory:
            self._pending.append(_Renamed(old, new))

    # --- bulk requests -----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Write nothing until :meth:`commit` or :meth:`abort`."""
        with self._memory:
            self._before = list(self._pending)

    def commit(self) -> None:
        with self._memory:
            self._before = None

    def abort(self) -> None:
        """Forget no device that was to be forgotten since :meth:`begin`; what has happened since has happened."""
        with self._memory:
            before, self._before = set(map(id, self._before or ())), None
            self._pending = [s for s in self._pending if id(s) in before or not isinstance(s, _Forgotten)]

    # --- the disk: run these in a thread -----------------------------------------------------------------------------

    def flush(self) -> bool:
        """Carry out all changes, in one transaction. False where the disk refused; they stay in memory then.

        During a bulk request nothing is carried out.
        """
        with self._disk:
            with self._memory:
                batch = list(self._pending) if self._before is None else []
            if not batch:
                return True
            try:
                with self._database.transaction() as connection:
                    for step in batch:
                        step.carry_out(connection)
            except sqlite3.Error as error:
                if not self._refused:
                    log.warning("the history of devices cannot be written; buffering in memory: %s", error)
                self._refused = True
                return False
            self._refused = False
            done = set(map(id, batch))
            with self._memory:
                self._pending = [s for s in self._pending if id(s) not in done]
            return True

    def page(self, query: DeviceHistoryQuery) -> DeviceHistoryPage:
        """One page. Raises InvalidFieldError (``limit``), sqlite3.Error."""
        if not 1 <= query.limit <= MAX_LIMIT:
            raise InvalidFieldError(f"limit: 1 to {MAX_LIMIT}", field="limit")
        self.flush()
        older, last = ("", ()) if query.before is None else (" AND id < ?", (query.before,))
        rows = self._database.query(
            f"SELECT {_NAMES} FROM device_history"  # noqa: S608 - values are bound
            f" WHERE device = ?{older} ORDER BY id DESC LIMIT ?",
            (query.device, *last, query.limit + 1),
        )
        records = tuple(DeviceRecord(**dict(zip(_COLUMNS, row, strict=True))) for row in rows[: query.limit])
        return DeviceHistoryPage(records, records[-1].id if len(rows) > query.limit else None)

    def last_presence(self) -> dict[str, bool]:
        """Whether each device was here, by the last record that tells. Raises sqlite3.Error."""
        rows = self._database.query(
            "SELECT device, change FROM device_history WHERE id IN (SELECT max(id) FROM device_history"  # noqa: S608
            f" WHERE change IN ({_listed((*_PRESENCE, 'appeared'))}) GROUP BY device)"
        )
        return {device: change != "offline" for device, change in rows}

    def prune(self, now: float) -> None:
        """Drop what is too old; then, of a device and in all, what is too much. Raises sqlite3.Error."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM device_history WHERE time < ?", (now - KEPT,))
            connection.execute(
                "DELETE FROM device_history WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER ("  # noqa: S608
                f" PARTITION BY device ORDER BY change IN ({_listed(_PRESENCE)}), id DESC) AS place"
                " FROM device_history) WHERE place > ?)",
                (MAX_OF_DEVICE,),
            )
            (count,) = connection.execute("SELECT count(*) FROM device_history").fetchone()
            if count > MAX_RECORDS:
                connection.execute(
                    "DELETE FROM device_history WHERE id IN (SELECT id FROM device_history ORDER BY"  # noqa: S608
                    f" change NOT IN ({_listed(_PRESENCE)}), change NOT IN ({_listed(_BY_ITSELF)}), id LIMIT ?)",
                    (count - MAX_RECORDS,),
                )
