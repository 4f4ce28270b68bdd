"""The database survives damage, other versions, a full disk and kill -9, and is never the gateway's problem."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from app.store.database import MIGRATIONS, Database


@pytest.fixture
def path(tmp_path):
    return tmp_path / "statistics.sqlite"


def opened(path, **options):
    database = Database(path, **options)
    database.open()
    return database


def put(database, key, value=b"x"):
    with database.transaction() as connection:
        connection.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))


def keys(database):
    return {key for (key,) in database.query("SELECT key FROM state")}


def test_rows_persist_and_only_the_owner_can_read_them(path):
    database = opened(path)
    put(database, "a")
    database.close()
    assert path.stat().st_mode & 0o777 == 0o600
    assert not path.with_name(path.name + "-wal").exists()
    again = opened(path)
    assert keys(again) == {"a"}
    assert again.problems == []
    again.close()


def test_a_transaction_that_fails_changes_nothing(path):
    database = opened(path)

    def fail():
        with database.transaction() as connection:
            connection.execute("INSERT INTO state VALUES ('a', x'00')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert keys(database) == set()
    put(database, "b")
    assert keys(database) == {"b"}
    database.close()


@pytest.mark.parametrize("damage", [b"", b"this is no database, " * 100, "torn", "flipped"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(path, damage):
    database = opened(path)
    for number in range(2000):
        put(database, f"key {number}", bytes(200))
    database.close()
    whole = path.read_bytes()
    if damage == "torn":
        path.write_bytes(whole[: len(whole) // 2 + 100])
    elif damage == "flipped":
        spoiled = bytearray(whole)
        spoiled[4096:] = os.urandom(len(spoiled) - 4096)
        path.write_bytes(bytes(spoiled))
    else:
        path.write_bytes(damage)
    again = opened(path)
    put(again, "new")
    assert keys(again) == {"new"}
    again.close()
    if damage:
        assert path.with_name(path.name + ".bad").exists()
        assert "damaged" in again.problems[0]
    else:
        assert again.problems == []  # an empty file is a database without anything in it


def test_damage_found_while_running_is_survived(path):
    database = opened(path)
    with database.transaction() as connection:  # more than SQLite keeps in memory
        connection.executemany("INSERT INTO state VALUES (?, ?)", [(f"key {n}", bytes(2000)) for n in range(3000)])
    database.query("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.write(os.urandom(path.stat().st_size))
    with pytest.raises(sqlite3.DatabaseError):
        database.query("SELECT sum(length(value)) FROM state")
    put(database, "after")
    assert keys(database) == {"after"}
    assert path.with_name(path.name + ".bad").exists()
    database.close()


def test_old_version_is_migrated_and_a_failure_leaves_it(path):
    """Older versions are migrated, and a migration that is cut off leaves the old one."""
    first = "CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB)"
    opened(path, migrations=[first]).close()
    database = opened(path, migrations=[first])
    put(database, "old")
    database.close()

    broken = Database(
        path, migrations=[first, "ALTER TABLE state ADD COLUMN note TEXT; INSERT INTO nowhere VALUES (1)"]
    )
    with pytest.raises(sqlite3.OperationalError):
        broken.open()
    broken.close()

    database = opened(path, migrations=[first, "ALTER TABLE state ADD COLUMN note TEXT"])
    assert database.query("SELECT key, note FROM state") == [("old", None)]
    assert database.query("PRAGMA user_version") == [(2,)]
    database.close()


def test_a_newer_version_is_kept_aside_for_its_own_program(path):
    newer = opened(path, migrations=[*MIGRATIONS, "CREATE TABLE future (x)"])
    put(newer, "future")
    newer.close()
    database = opened(path)
    assert keys(database) == set()
    assert "newer version" in database.problems[0]
    database.close()
    kept = sqlite3.connect(path.with_name(f"{path.name}.v{len(MIGRATIONS) + 1}"))
    assert kept.execute("SELECT key FROM state").fetchall() == [("future",)]
    kept.close()


def test_without_a_disk_it_works_in_memory_and_says_so(tmp_path):
    database = opened(tmp_path / "missing" / "statistics.sqlite")
    put(database, "a")
    assert keys(database) == {"a"}
    assert "cannot be stored" in database.problems[0]
    database.close()


def test_full_database_can_still_be_read_and_pruned(path):
    """The size is bounded; a full database can still be read, and rows removed."""
    database = opened(path, max_bytes=1024 * 1024)
    put(database, "a")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        put(database, "big", bytes(2 * 1024 * 1024))
    assert keys(database) == {"a"}
    assert path.stat().st_size <= 1024 * 1024
    put(database, "b")
    database.close()


WRITER = """
import sys
from pathlib import Path
from app.store.database import Database
database = Database(Path(sys.argv[1]))
database.open()
number = len(database.query("SELECT 1 FROM state"))
while True:
    with database.transaction() as connection:
        connection.execute("INSERT INTO state VALUES (?, ?)", (f"left {number}", bytes(500)))
        connection.execute("INSERT INTO state VALUES (?, ?)", (f"right {number}", bytes(500)))
    print(number, flush=True)
    number += 1
"""


def test_kill_at_any_point_keeps_whole_transactions(path):
    """SIGKILL at any point loses nothing that was committed, and leaves no half transaction."""
    for round_ in range(8):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        try:
            committed = [int(process.stdout.readline()) for _ in range(5 + 7 * round_)]
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
        database = opened(path)
        found = keys(database)
        assert database.problems == []
        assert {f"left {n}" for n in committed} | {f"right {n}" for n in committed} <= found
        assert {k.split()[1] for k in found if k[0] == "l"} == {k.split()[1] for k in found if k[0] == "r"}
        database.close()
