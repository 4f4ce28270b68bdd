"""The database ``statistics.sqlite``: traffic, history of exits and devices. Its failures never affect the tunnel.

A damaged file is set aside, and a new one begun. An SD card wears by the page written and dies by power cuts. So:
write-ahead log with one synchronisation a checkpoint (``synchronous=NORMAL``: a power cut may cost the last
transactions, never the file), few and large transactions, a hard limit of pages, no vacuum.
https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from app import atomic

log = logging.getLogger(__name__)

FILE = "statistics.sqlite"
MAX_BYTES = 128 * 1024 * 1024
_MEMORY_BYTES = 16 * 1024 * 1024  # where there is no disk
_PAGE = 4096  # bytes
_COMPANIONS = ("-wal", "-shm")

# One script a version, each a transaction; the database's user_version is how many have been carried out.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE subject (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL,
        up INTEGER NOT NULL, down INTEGER NOT NULL, seen INTEGER NOT NULL, UNIQUE (kind, name)
    ) STRICT;
    CREATE TABLE traffic (
        step INTEGER NOT NULL, start INTEGER NOT NULL, subject INTEGER NOT NULL,
        up INTEGER NOT NULL, down INTEGER NOT NULL, PRIMARY KEY (step, start, subject)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE coverage (
        step INTEGER NOT NULL, start INTEGER NOT NULL, seconds REAL NOT NULL, PRIMARY KEY (step, start)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE history (
        id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, exit TEXT NOT NULL,
        before TEXT NOT NULL, after TEXT NOT NULL, cause TEXT NOT NULL, message TEXT, provider TEXT, server TEXT,
        previous_server TEXT, duration REAL, up INTEGER, down INTEGER, attempt INTEGER NOT NULL
    ) STRICT;
    """,
    # Without an index by device: its pages would all be written anew, and the whole table is read in milliseconds.
    """
    CREATE TABLE device_history (
        id INTEGER PRIMARY KEY AUTOINCREMENT, device TEXT NOT NULL, time REAL NOT NULL, change TEXT NOT NULL,
        policy TEXT, "before" TEXT, until REAL, "by" TEXT, reason TEXT, cause TEXT, "group" TEXT, address TEXT,
        name TEXT, allow TEXT
    ) STRICT;
    """,
)


class Database:
    """The connection, usable from any thread, one at a time. A bad disk raises only where the docstring says so.

    Call :meth:`open` first. ``problems`` are for people.
    """

    def __init__(self, path: Path, *, migrations: Sequence[str] = MIGRATIONS, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self.problems: list[str] = []
        self._migrations = tuple(migrations)
        self._max_pages = max_bytes // _PAGE
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open or make the file, check it, bring it to this version. It reads all of it: run it in a thread.

        A damaged file becomes ``NAME.bad``, one of a newer version ``NAME.vN``, and a new one is begun. Where the disk
        refuses altogether, everything is kept in memory until the next start.
        """
        with self._lock:
            self._close()
            try:
                self._connection = self._open_or_replace()
            except (sqlite3.Error, OSError) as error:
                self._report(f"statistics cannot be stored and will be lost at the next start: {error}")
                self._connection = self._connect(":memory:")
                self._connection.execute(f"PRAGMA max_page_count={_MEMORY_BYTES // _PAGE}")
                self._migrate(self._connection)

    def close(self) -> None:
        """Bring the log into the file and close both. Safe to call twice."""
        with self._lock:
            self._close()

    @contextlib.contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """An atomic transaction. Raises sqlite3.Error; a damaged database has then been replaced by an empty one."""
        with self._lock:
            connection = self._connection
            if connection is None:
                raise sqlite3.ProgrammingError("the database is not open")
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                if _is_damage(error):
                    self._replace_damaged()
                raise

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query. Raises sqlite3.Error, as :meth:`transaction` does."""
        with self._lock:
            if self._connection is None:
                raise sqlite3.ProgrammingError("the database is not open")
            try:
                return self._connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                if _is_damage(error):
                    self._replace_damaged()
                raise

    # --- opening -----------------------------------------------------------------------------------------------------

    def _open_or_replace(self) -> sqlite3.Connection:
        try:
            return self._open_file()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._set_aside(".bad")
            self._report(f"{self.path.name} was damaged; it is kept as {self.path.name}.bad")
        except _NewerVersionError as error:
            self._set_aside(f".v{error.version}")
            self._report(f"{self.path.name} is of a newer version; it is kept as {self.path.name}.v{error.version}")
        return self._open_file()

    def _open_file(self) -> sqlite3.Connection:
        if self.path.is_symlink():
            raise OSError(f"{self.path.name} is a link")
        self.path.touch(mode=0o600)
        connection = self._connect(str(self.path))
        try:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise _DamagedError(verdict)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint=1000")
            connection.execute("PRAGMA journal_size_limit=8388608")
            connection.execute(f"PRAGMA max_page_count={self._max_pages}")
            self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _connect(name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(name, timeout=5.0, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA page_size={_PAGE}")
        connection.execute("PRAGMA cache_size=-1024")  # KiB: this is a small machine
        connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute("PRAGMA trusted_schema=OFF")
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > len(self._migrations):
            raise _NewerVersionError(version)
        for number, script in enumerate(self._migrations[version:], version + 1):
            try:
                connection.executescript(f"BEGIN IMMEDIATE;\n{script};\nPRAGMA user_version={number};\nCOMMIT;")
            except sqlite3.Error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    # --- damage ------------------------------------------------------------------------------------------------------

    def _replace_damaged(self) -> None:
        log.error("%s is damaged; beginning a new one", self.path.name)
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
            self._connection = None
        with contextlib.suppress(OSError):
            self._set_aside(".bad")
        self._report(f"{self.path.name} was damaged; it is kept as {self.path.name}.bad")
        self.open()

    def _set_aside(self, suffix: str) -> None:
        """Rename the file with its log, which belongs to it, replacing an older one of that name."""
        for companion in ("", *_COMPANIONS):
            source = self.path.with_name(self.path.name + companion)
            target = self.path.with_name(self.path.name + suffix + companion)
            target.unlink(missing_ok=True)
            with contextlib.suppress(FileNotFoundError):
                source.replace(target)
        atomic.sync_directory(self.path.parent)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with contextlib.suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with contextlib.suppress(sqlite3.Error):
            connection.close()

    def _report(self, problem: str) -> None:
        log.warning("%s", problem)
        if problem not in self.problems:
            self.problems.append(problem)


class _NewerVersionError(Exception):
    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


class _DamagedError(sqlite3.DatabaseError):
    """SQLite's quick_check found damage."""


def _is_damage(error: BaseException) -> bool:
    if isinstance(error, _DamagedError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
