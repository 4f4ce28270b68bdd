"""Every byte is booked once in each step, over restarts of everything; gaps stay gaps."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidFieldError
from app.protocol.statistics import (
    ALL,
    OTHER,
    RETENTION,
    SECONDS,
    Bytes,
    Counter,
    Reading,
    Subject,
    TrafficQuery,
    traffic_query,
)
from app.store import traffic as traffic_module
from app.store.database import Database
from app.store.rollup import MAX_DEVICES_A_BATCH, Batch
from app.store.traffic import TrafficLog

PHONE = Subject("device", "02:00:00:00:00:01")
NOON = 1_800_014_400  # a whole hour
MINUTE = TrafficQuery(PHONE, 600, "minute")


class Kernel:
    """Counters as a kernel would keep them, and a clock."""

    def __init__(self):
        self.values = {}
        self.boot = 1000.0
        self.now = float(NOON)

    def move(self, up=0, down=0, subject=PHONE, source="table 1"):
        for direction, amount in (("up", up), ("down", down)):
            key = (subject, direction, source)
            self.values[key] = self.values.get(key, 0) + amount

    def wait(self, seconds):
        self.now += seconds
        self.boot += seconds

    def read(self, signs=None):
        signs = signs or {}
        counters = tuple(Counter(*key, value, signs.get(key[2], 1)) for key, value in self.values.items())
        return Reading(self.now, self.boot, counters)


@pytest.fixture
def kernel():
    return Kernel()


@pytest.fixture
def database(tmp_path):
    database = Database(tmp_path / "statistics.sqlite")
    database.open()
    yield database
    database.close()


@pytest.fixture
def log(database):
    return loaded(database)


def loaded(database):
    log = TrafficLog(database)
    log.load()
    return log


def sums(log, kernel, subject=PHONE, seconds=86400):
    return [log.series(TrafficQuery(subject, seconds, step), kernel.now).sum for step in ("minute", "hour", "day")]


def test_counts_from_the_first_reading_on_and_tells_the_rate(log, kernel):
    kernel.move(up=5_000_000, down=7)
    log.observe(kernel.read())  # whose these were is not known: it is where counting begins
    kernel.wait(5)
    kernel.move(up=1000, down=50_000)
    rates = log.observe(kernel.read())
    assert rates.devices == {PHONE.name: Bytes(200, 10_000)}
    assert rates.period == 5
    assert sums(log, kernel) == [Bytes(1000, 50_000)] * 3


def test_a_subject_that_turns_up_later_counts_from_zero(log, kernel):
    log.observe(kernel.read())
    kernel.wait(5)
    kernel.move(up=10, down=20)
    kernel.move(up=11, down=21, subject=ALL)
    kernel.move(up=9, down=19, subject=Subject("exit", "default"), source="wg0a#7")
    log.observe(kernel.read())
    assert sums(log, kernel)[0] == Bytes(10, 20)
    assert sums(log, kernel, ALL)[0] == Bytes(11, 21)
    assert log.lifetime("exit") == {"default": Bytes(9, 19)}


def test_new_table_counts_from_zero_whatever_its_value(log, kernel):
    """A new table begins at zero even where it has counted more than the old one."""
    kernel.move(up=100)
    log.observe(kernel.read())
    kernel.wait(5)
    kernel.values.clear()
    kernel.move(up=150, source="table 2")
    log.observe(kernel.read())
    assert sums(log, kernel)[0].up == 150


def test_an_element_that_expired_and_came_back_begins_at_zero(log, kernel):
    kernel.move(up=1000)
    log.observe(kernel.read())
    for values in ({}, {(PHONE, "up", "table 1"): 1500}, {(PHONE, "up", "table 1"): 30}):
        kernel.wait(5)
        kernel.values = values
        log.observe(kernel.read())
    assert sums(log, kernel)[0].up == 1500 + 30


def test_netd_restart_loses_nothing_and_counts_nothing_twice(database, kernel):
    log = loaded(database)
    log.observe(kernel.read())
    kernel.wait(5)
    kernel.move(up=100)
    log.observe(kernel.read())
    assert log.flush()
    kernel.wait(30)
    kernel.move(up=1000)  # while netd is down
    log = loaded(database)
    log.observe(kernel.read())
    assert log.flush()
    log = loaded(database)
    log.observe(kernel.read())
    assert sums(log, kernel) == [Bytes(1100, 0)] * 3
    assert log.lifetime("device") == {PHONE.name: Bytes(1100, 0)}


def test_a_restart_of_the_machine_goes_on_at_the_sums_so_far(database, kernel):
    log = loaded(database)
    log.observe(kernel.read())
    kernel.wait(5)
    kernel.move(up=100)
    log.observe(kernel.read())
    log.flush()
    kernel.wait(3600)
    kernel.boot = 40.0
    kernel.values.clear()
    kernel.move(up=7, source="boot 2")
    log = loaded(database)
    log.observe(kernel.read())
    assert sums(log, kernel, seconds=2 * 3600)[1].up == 107
    series = log.series(TrafficQuery(PHONE, 2 * 3600, "minute"), kernel.now)
    booked = [p for p in series.points if p.up]
    assert [(p.time - NOON, p.up) for p in booked] == [(0, 100), (3540, 6), (3600, 1)]  # none before the boot
    assert series.points[30].up is None


def test_crash_before_flush_adds_the_bytes_at_the_next_start(database, kernel):
    """A crash before the flush adds the same bytes at the next start."""
    log = loaded(database)
    log.observe(kernel.read())
    log.flush()
    kernel.wait(5)
    kernel.move(down=999)
    log.observe(kernel.read())  # and then the process dies
    log = loaded(database)
    kernel.wait(5)
    log.observe(kernel.read())
    assert sums(log, kernel)[0].down == 999


def test_bytes_counted_twice_are_subtracted_despite_skew(log, kernel):
    """Bytes counted twice on their path are subtracted, even when the counters are read a moment apart."""
    signs = {"past": -1}
    log.observe(kernel.read(signs))
    for seen, past in ((1000, 400), (1000, 1100), (2000, 1500)):
        kernel.wait(5)
        kernel.move(up=seen, source="in")
        kernel.move(up=past, source="past")
        log.observe(kernel.read(signs))
    assert sums(log, kernel)[0].up == 4000 - 3000


def test_last_bytes_of_a_removed_interface_are_added_once(log, kernel):
    tunnel = Subject("exit", "default")
    kernel.move(up=50, source="table 1")
    kernel.move(up=10, subject=tunnel, source="wg0a#7")
    log.observe(kernel.read())
    kernel.wait(2)
    kernel.move(up=90, subject=tunnel, source="wg0a#7")
    log.observe_some([c for c in kernel.read().counters if c.subject == tunnel], kernel.now)
    log.observe_some([c for c in kernel.read().counters if c.subject == tunnel], kernel.now)
    kernel.wait(3)
    kernel.values = {key: value for key, value in kernel.values.items() if key[0] != tunnel}
    kernel.move(up=5, source="table 1")
    kernel.move(up=1000, subject=tunnel, source="wg0b#8")
    rates = log.observe(kernel.read())
    assert sums(log, kernel, tunnel)[0].up == 90 + 1000
    assert sums(log, kernel)[0].up == 5
    assert rates.period == 5


def test_gaps_are_none_and_quiet_minutes_are_zero(log, kernel):
    log.observe(kernel.read())
    for _ in range(12):
        kernel.wait(5)
        log.observe(kernel.read())
    points = {p.time: p for p in log.series(MINUTE, kernel.now + 61).points}
    assert (points[NOON].up, points[NOON].down, points[NOON].covered) == (0, 0, 1.0)
    assert (points[NOON - 60].up, points[NOON - 60].covered) == (None, 0.0)
    assert points[NOON + 120].up is None


def test_bytes_of_a_reading_across_minutes_are_shared_out(log, kernel):
    kernel.now = NOON + 50.0
    log.observe(kernel.read())
    kernel.wait(40)
    kernel.move(up=400)
    log.observe(kernel.read())
    points = {p.time: p for p in log.series(MINUTE, kernel.now).points}
    assert (points[NOON].up, points[NOON + 60].up) == (100, 300)
    assert points[NOON + 60].covered == 0.5


def test_setting_the_clock_stretches_no_interval(log, kernel):
    kernel.now = 1000.0
    log.observe(kernel.read())
    kernel.wait(5)
    kernel.now = float(NOON) + 30
    kernel.move(up=77)
    rates = log.observe(kernel.read())
    assert rates.period == 5
    series = log.series(MINUTE, kernel.now)
    assert [(p.time, p.up) for p in series.points if p.up is not None] == [(NOON, 77)]


def test_a_last_reading_of_years_ago_makes_no_million_rows(database, kernel):
    log = loaded(database)
    kernel.now = 1000.0
    kernel.boot = 10.0
    log.observe(kernel.read())
    log.flush()
    kernel.now, kernel.boot = float(NOON), 1e9
    kernel.move(up=5)
    log = loaded(database)
    log.observe(kernel.read())
    log.flush()
    assert database.query("SELECT count(*) FROM traffic") == [(3,)]


@given(
    up=st.integers(0, 10**12),
    down=st.integers(0, 10**12),
    start=st.floats(1_700_000_000, 1_700_200_000),
    length=st.floats(0, 600),
)
def test_every_byte_is_booked_exactly_once_in_each_step(up, down, start, length):
    batch = Batch()
    batch.spread({PHONE: (up, down)}, start, start + length)
    for step in SECONDS:
        rows = [row for key, row in batch.rows.items() if key[0] == step]
        assert [sum(r[0] for r in rows), sum(r[1] for r in rows)] == [up, down]
        assert all(r[0] >= 0 and r[1] >= 0 for r in rows)


def test_a_refusing_disk_loses_nothing_once_it_takes_again(database, log, kernel):
    log.observe(kernel.read())
    database.query("PRAGMA query_only=1")
    for _ in range(3):
        kernel.wait(60)
        kernel.move(up=100)
        log.observe(kernel.read())
        assert not log.flush()
        assert sums(log, kernel)[0].up == log.lifetime("device")[PHONE.name].up
    database.query("PRAGMA query_only=0")
    assert log.flush()
    assert sums(log, kernel) == [Bytes(300, 0)] * 3
    assert database.query("SELECT sum(up) FROM traffic WHERE step = 60") == [(300,)]


def test_many_devices_make_few_rows_and_the_sum_stays(database, log, kernel):
    log.observe(kernel.read())
    kernel.wait(5)
    for number in range(1000):
        kernel.move(up=number + 1, subject=Subject("device", f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"))
    log.observe(kernel.read())
    before = log.by_name("device", TrafficQuery(ALL, 3600, "minute"), kernel.now)
    log.flush()
    after = log.by_name("device", TrafficQuery(ALL, 3600, "minute"), kernel.now)
    assert before == after
    assert len(after) == MAX_DEVICES_A_BATCH + 1
    assert sum(b.up for b in after.values()) == 1000 * 1001 // 2
    assert after[OTHER].up == sum(range(1, 1000 - MAX_DEVICES_A_BATCH + 1))
    assert database.query("SELECT count(*) FROM traffic WHERE step = 60") == [(MAX_DEVICES_A_BATCH + 1,)]


def test_retention_and_limits_keep_the_newest(database, log, kernel, monkeypatch):
    start = kernel.now
    log.observe(kernel.read())
    for _ in range(100):
        kernel.wait(3600)
        kernel.move(up=1)
        log.observe(kernel.read())
        log.flush()
    log.prune(kernel.now)
    for step, size in SECONDS.items():
        oldest, _ = database.query("SELECT min(start), count(*) FROM coverage WHERE step = ?", (size,))[0]
        assert oldest >= kernel.now - RETENTION[step] - size
        assert step == "minute" or oldest <= start + size
    monkeypatch.setitem(traffic_module.MAX_ROWS, "hour", 10)
    log.prune(kernel.now)
    hours = [h for (h,) in database.query("SELECT start FROM traffic WHERE step = 3600 ORDER BY start")]
    assert len(hours) == 10
    assert hours[-1] >= kernel.now - 3600


def test_of_too_many_devices_the_least_recently_seen_go(database, log, kernel, monkeypatch):
    monkeypatch.setattr(traffic_module, "MAX_DEVICES", 2)
    log.observe(kernel.read())
    names = [f"02:00:00:00:00:0{n}" for n in range(4)]
    for name in names:
        kernel.wait(60)
        kernel.move(up=1, subject=Subject("device", name))
        log.observe(kernel.read())
        log.flush()
    log.prune(kernel.now)
    assert set(log.lifetime("device")) == set(names[2:])
    assert database.query("SELECT count(DISTINCT subject) FROM traffic") == [(2,)]


def test_a_day_of_a_full_house_is_small_and_written_gently(tmp_path, kernel):
    """30 devices busy all day, a flush a minute: what reaches the card."""
    database = Database(tmp_path / "statistics.sqlite")
    database.open()
    log = loaded(database)
    devices = [Subject("device", f"02:00:00:00:00:{n:02x}") for n in range(30)]
    log.observe(kernel.read())
    before = _written()
    for _ in range(24 * 60):
        kernel.wait(60)
        for device in devices:
            kernel.move(up=1000, down=100_000, subject=device)
        log.observe(kernel.read())
        assert log.flush()
    written = _written() - before
    database.close()
    assert (tmp_path / "statistics.sqlite").stat().st_size < 4_000_000
    assert written < 100_000_000
    print(f"{written / 1e6:.1f} MB written, {(tmp_path / 'statistics.sqlite').stat().st_size / 1e6:.1f} MB kept a day")


def _written():
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def test_answers_are_quick_beside_a_flush_in_another_thread(database, log, kernel):
    """Each byte is seen once: in memory or in the database, never in both and never in neither."""
    log.observe(kernel.read())
    stop = threading.Event()
    flusher = threading.Thread(target=lambda: [log.flush() for _ in iter(stop.is_set, True)])
    flusher.start()
    try:
        for number in range(1, 200):
            kernel.wait(0.01)
            kernel.move(up=1)
            log.observe(kernel.read())
            assert log.series(MINUTE, kernel.now).sum.up == number
    finally:
        stop.set()
        flusher.join()


def test_a_database_that_fails_says_so_to_the_one_who_asks(tmp_path):
    with pytest.raises(sqlite3.Error):
        TrafficLog(Database(tmp_path / "x")).series(MINUTE, time.time())


@pytest.mark.parametrize(
    ("parameters", "query"),
    [
        ({}, TrafficQuery(ALL, 86400, "hour")),
        ({"range_": "1h"}, TrafficQuery(ALL, 3600, "minute")),
        ({"range_": "90d"}, TrafficQuery(ALL, 90 * 86400, "day")),
        ({"range_": "30d", "step": "hour"}, TrafficQuery(ALL, 30 * 86400, "hour")),
        (
            {"device": "02:00:00:00:00:0A", "range_": "600"},
            TrafficQuery(Subject("device", "02:00:00:00:00:0a"), 600, "minute"),
        ),
        ({"exit_": "de", "range_": "2w"}, TrafficQuery(Subject("exit", "de"), 14 * 86400, "hour")),
    ],
)
def test_parameters_of_a_url(parameters, query):
    assert traffic_query(**parameters) == query


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"device": "laptop"}, "device"),
        ({"device": "02:00:00:00:00:01", "exit_": "de"}, "exit"),
        ({"range_": "-1h"}, "range"),
        ({"range_": "1y"}, "range"),
        ({"range_": "4000d"}, "range"),
        ({"range_": "99999999999999999999"}, "range"),
        ({"range_": ""}, "range"),
        ({"range_": "٣h"}, "range"),
        ({"step": "second"}, "step"),
        ({"step": "minute", "range_": "30d"}, "step"),
    ],
)
def test_bad_parameters_name_the_field(parameters, field):
    with pytest.raises(InvalidFieldError) as caught:
        traffic_query(**parameters)
    assert caught.value.field == field
