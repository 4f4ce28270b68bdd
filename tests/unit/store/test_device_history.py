"""What happened to each device is kept in order, a page at a time, and never more of it than there is room for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from app.errors import InvalidFieldError
from app.protocol.device_history import DeviceHistoryQuery, DeviceRecord
from app.store import device_history as history_module
from app.store.database import MIGRATIONS, Database
from app.store.device_history import KEPT, MAX_OF_DEVICE, DeviceHistory

TV, PHONE = "02:00:00:00:00:01", "02:00:00:00:00:02"
START = 1_800_000_000.5
STARTED = DeviceRecord(
    id=0, time=START, change="exception_start", policy="direct", until=START + 60, by="admin", reason="football",
    group="Children",
)  # fmt: skip


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "statistics.sqlite")
    database.open()
    yield database
    database.close()


@pytest.fixture
def history(database: Database) -> DeviceHistory:
    return DeviceHistory(database)


def fill(history: DeviceHistory, count: int, change: Any, device: str = TV, first: float = START) -> None:
    for number in range(count):
        history.append(device, DeviceRecord(id=0, time=first + number, change=change))


def told(history: DeviceHistory, device: str = TV, limit: int = 1000) -> list[DeviceRecord]:
    return list(history.page(DeviceHistoryQuery(device, limit)).records)


def changes(history: DeviceHistory, device: str = TV) -> list[str]:
    return [record.change for record in told(history, device)]


def test_record_comes_back_as_it_was_also_after_a_restart(database: Database, history: DeviceHistory) -> None:
    every = DeviceRecord(
        id=0, time=START, change="policy", policy="vpn", before="blocked", until=1.5, by="admin", reason="x",
        cause="own", group="Children", address="192.168.77.9", name="Telly", allow="pause",
    )  # fmt: skip
    history.append(TV, every)
    history.append(PHONE, STARTED)
    assert history.flush()
    again = DeviceHistory(database)
    assert [replace(record, id=0) for record in told(again)] == [every]
    assert [replace(record, id=0) for record in told(again, PHONE)] == [STARTED]
    assert told(again, "02:00:00:00:00:09") == []


def test_pages_have_no_gap_or_repetition_under_new_records(history: DeviceHistory) -> None:
    fill(history, 25, "online")
    fill(history, 25, "online", PHONE)
    seen: list[float] = []
    before = None
    while True:
        page = history.page(DeviceHistoryQuery(TV, 10, before))
        seen += [record.time - START for record in page.records]
        fill(history, 1, "offline")
        before = page.next
        if before is None:
            break
    assert seen == list(range(24, -1, -1))


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_bad_limit_names_itself(history: DeviceHistory, limit: int) -> None:
    with pytest.raises(InvalidFieldError) as caught:
        history.page(DeviceHistoryQuery(TV, limit))
    assert caught.value.field == "limit"


def test_too_many_of_a_device_go_its_coming_and_going_first(history: DeviceHistory) -> None:
    fill(history, 5, "policy")
    fill(history, MAX_OF_DEVICE, "online")
    fill(history, 3, "renamed")
    fill(history, 7, "online", PHONE)
    history.flush()
    history.prune(START)
    kept = told(history)
    assert len(kept) == MAX_OF_DEVICE
    assert [record.change for record in kept[:3]] == ["renamed"] * 3
    assert [record.change for record in kept[-5:]] == ["policy"] * 5
    assert {record.time for record in kept if record.change == "online"} == {START + n for n in range(8, 200)}
    assert len(told(history, PHONE)) == 7
    fill(history, MAX_OF_DEVICE, "policy", first=START + 1000)
    history.flush()
    history.prune(START)
    assert [record.time for record in told(history)] == [START + 1000 + n for n in range(199, -1, -1)]


def test_too_many_in_all_go_what_devices_do_first(history: DeviceHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MAX_RECORDS", 6)
    fill(history, 4, "policy")
    fill(history, 3, "appeared", PHONE)
    fill(history, 2, "offline")
    fill(history, 1, "address", PHONE)
    history.flush()
    history.prune(START)
    assert (changes(history), changes(history, PHONE)) == (["policy"] * 4, ["address", "appeared"])
    monkeypatch.setattr(history_module, "MAX_RECORDS", 3)
    history.prune(START)
    assert [record.time for record in told(history)] == [START + 3, START + 2, START + 1]
    assert told(history, PHONE) == []


def test_old_records_go(history: DeviceHistory) -> None:
    history.append(TV, STARTED)
    history.flush()
    history.prune(START + KEPT - 1)
    assert changes(history) == ["exception_start"]
    history.prune(START + KEPT + 1)
    assert changes(history) == []


def test_forgotten_device_has_only_what_came_after(history: DeviceHistory) -> None:
    fill(history, 2, "online")
    fill(history, 1, "online", PHONE)
    history.flush()
    fill(history, 2, "offline")
    history.forget(TV)
    history.append(TV, replace(STARTED, change="appeared"))
    assert (changes(history), changes(history, PHONE)) == (["appeared"], ["online"])


def test_device_forgotten_during_a_write_leaves_nothing(
    database: Database, history: DeviceHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch that is being written has records of the device; the next write removes them."""
    fill(history, 2, "online")
    transaction = database.transaction

    def forgets_meanwhile() -> Any:
        monkeypatch.undo()
        history.forget(TV)
        return transaction()

    monkeypatch.setattr(database, "transaction", forgets_meanwhile)
    assert history.flush()
    assert changes(history) == []


def test_bulk_request_that_fails_forgets_no_device(history: DeviceHistory) -> None:
    fill(history, 1, "online")
    fill(history, 1, "online", PHONE)
    history.forget(PHONE)
    history.begin()
    history.forget(TV)
    fill(history, 1, "renamed")
    assert changes(history) == []  # nothing is written meanwhile
    history.abort()
    assert (changes(history), changes(history, PHONE)) == (["renamed", "online"], [])
    history.begin()
    history.forget(TV)
    history.commit()
    assert changes(history) == []


def test_renamed_exit_is_renamed_in_policies_alone(history: DeviceHistory) -> None:
    history.append(TV, DeviceRecord(id=0, time=START, change="policy", policy="vpn:se", before="vpn:de"))
    history.append(TV, DeviceRecord(id=0, time=START, change="renamed", name="x", before="vpn:se"))
    history.rename_policy("vpn:se", "vpn:no")
    history.rename_policy("vpn:de", "vpn:dk")
    assert [(r.policy, r.before) for r in told(history)] == [(None, "vpn:se"), ("vpn:no", "vpn:dk")]


def test_refusing_disk_keeps_what_people_decided(
    database: Database, history: DeviceHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "MAX_PENDING", 5)
    database.query("PRAGMA query_only=1")
    history.forget(PHONE)
    fill(history, 3, "policy")
    fill(history, 4, "online")
    assert not history.flush()
    fill(history, 3, "renamed")
    assert not history.flush()
    database.query("PRAGMA query_only=0")
    assert history.flush()
    assert [(r.change, r.time - START) for r in told(history)] == [
        *(("renamed", n) for n in (2, 1, 0)),
        ("policy", 2),
    ]


def test_before_the_database_is_open_records_wait(tmp_path: Path) -> None:
    database = Database(tmp_path / "statistics.sqlite")
    history = DeviceHistory(database)
    history.append(TV, STARTED)
    assert not history.flush()
    with pytest.raises(sqlite3.Error):
        told(history)
    database.open()
    assert len(told(history)) == 1
    database.close()


def test_last_presence_is_that_of_the_last_record_that_tells(history: DeviceHistory) -> None:
    for change in ("appeared", "offline", "policy"):
        fill(history, 1, change)
    for change in ("offline", "online", "renamed"):
        fill(history, 1, change, PHONE)
    fill(history, 1, "appeared", "02:00:00:00:00:03")
    fill(history, 1, "policy", "02:00:00:00:00:04")
    history.flush()
    assert history.last_presence() == {TV: False, PHONE: True, "02:00:00:00:00:03": True}


def test_older_file_gets_the_table_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "statistics.sqlite"
    older = Database(path, migrations=MIGRATIONS[:1])
    older.open()
    with older.transaction() as connection:
        connection.execute("INSERT INTO state VALUES ('a', x'00')")
    older.close()
    database = Database(path)
    database.open()
    history = DeviceHistory(database)
    history.append(TV, STARTED)
    assert changes(history) == ["exception_start"]
    assert database.query("SELECT key FROM state") == [("a",)]
    assert database.problems == []
    database.close()


def test_thousand_devices_that_flap_are_few_pages(database: Database, history: DeviceHistory) -> None:
    """What is written wears the card: a thousand records of a thousand devices are rows side by side."""
    (before,) = database.query("PRAGMA page_count")[0]
    for number in range(1000):
        fill(history, 1, "online", f"02:00:00:00:{number // 256:02x}:{number % 256:02x}")
    assert history.flush()
    (after,) = database.query("PRAGMA page_count")[0]
    assert after - before <= 20  # of 4 KiB
