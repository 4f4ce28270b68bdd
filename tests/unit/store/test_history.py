"""Transitions are kept in order, a page at a time, and never more of them than there is room for."""

from __future__ import annotations

import csv
import io
import sqlite3

import pytest
from msgspec.structs import replace

from app.errors import InvalidFieldError
from app.protocol.statistics import HistoryQuery, Transition
from app.store import history as history_module
from app.store.database import Database
from app.store.history import CSV_HEADER, History

FIRST = Transition(
    time=1_800_000_000.5,
    exit="default",
    before="connected",
    after="blocked",
    cause="tunnel_dead",
    message="the server has stopped answering",
    provider="custom",
    server="vpn-se",
    duration=12.5,
    up=1000,
    down=2**40,
    attempt=0,
)


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "statistics.sqlite")
    database.open()
    yield database
    database.close()


@pytest.fixture
def history(database):
    return History(database)


def fill(history, count, **changes):
    for number in range(count):
        history.append(replace(FIRST, time=FIRST.time + number, **changes))


def test_a_record_comes_back_as_it_was_also_after_a_restart(database, history):
    history.append(FIRST)
    assert history.flush()
    (record,) = History(database).page(HistoryQuery()).records
    assert replace(record, id=0) == FIRST
    assert record.id > 0


def test_pages_have_no_gap_or_repetition_under_new_records(history):
    """Pages have neither gaps nor repetitions while new records come."""
    fill(history, 25)
    seen, before = [], None
    while True:
        page = history.page(HistoryQuery(limit=10, before=before))
        seen += [r.time - FIRST.time for r in page.records]
        fill(history, 1, cause="meanwhile")
        before = page.next
        if before is None:
            break
    assert seen == list(range(24, -1, -1))


def test_filters(history):
    fill(history, 3)
    fill(history, 2, exit="de")
    assert len(history.page(HistoryQuery(exit="de")).records) == 2
    assert len(history.page(HistoryQuery(since=FIRST.time + 1, until=FIRST.time + 2)).records) == 2
    assert history.page(HistoryQuery(exit="x' OR 1=1 --")).records == ()


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_bad_limit_names_itself(history, limit):
    with pytest.raises(InvalidFieldError) as caught:
        history.page(HistoryQuery(limit=limit))
    assert caught.value.field == "limit"


def whole_csv(history):
    text, before = history.csv(HistoryQuery(limit=1))
    while before is not None:
        more, before = history.csv(HistoryQuery(before=before))
        text += more
    return text


def test_csv_has_everything_and_no_formula(history):
    for _ in range(3):
        fill(history, 500)
        history.flush()
    history.append(replace(FIRST, server='=HYPERLINK("http://x")', message='quoted "text",\r\nand a line'))
    rows = list(csv.reader(io.StringIO(whole_csv(history), newline="")))
    assert tuple(rows[0]) == CSV_HEADER
    assert len(rows) == 1502
    newest = dict(zip(CSV_HEADER, rows[1], strict=True))
    assert newest["server"].startswith("'=")
    assert newest["message"] == 'quoted "text",\r\nand a line'
    assert newest["time_utc"] == "2027-01-15T08:00:00Z"
    assert newest["down"] == str(2**40)


def test_too_many_records_go_retries_first_then_the_oldest(database, history, monkeypatch):
    monkeypatch.setattr(history_module, "MAX_RECORDS", 10)
    fill(history, 8)
    fill(history, 8, attempt=7, cause="retry")
    fill(history, 4, cause="late")
    history.flush()
    history.prune(FIRST.time)
    causes = [r.cause for r in history.page(HistoryQuery()).records]
    assert causes == ["late"] * 4 + ["tunnel_dead"] * 6


def test_old_records_go(history):
    history.append(FIRST)
    history.flush()
    history.prune(FIRST.time + history_module.KEPT + 1)
    assert history.page(HistoryQuery()).records == ()


def test_a_refusing_disk_loses_only_the_oldest_beyond_the_bound(database, history, monkeypatch):
    monkeypatch.setattr(history_module, "MAX_PENDING", 5)
    database.query("PRAGMA query_only=1")
    fill(history, 8)
    assert not history.flush()
    database.query("PRAGMA query_only=0")
    assert history.flush()
    assert [r.time - FIRST.time for r in history.page(HistoryQuery()).records] == [7, 6, 5, 4, 3]


def test_before_the_database_is_open_records_wait(tmp_path):
    database = Database(tmp_path / "statistics.sqlite")
    history = History(database)
    history.append(FIRST)
    assert not history.flush()
    with pytest.raises(sqlite3.Error):
        history.page(HistoryQuery())
    database.open()
    assert len(history.page(HistoryQuery()).records) == 1
    database.close()


def test_a_long_message_is_cut(history):
    history.append(replace(FIRST, message="x" * 10_000))
    assert len(history.page(HistoryQuery()).records[0].message) == 500
