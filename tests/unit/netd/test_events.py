"""The event bus numbers and keeps events; the lease watcher publishes changes."""

from __future__ import annotations

import asyncio
import threading

import pytest

from app.model import Lease
from app.netd.events import MAX_BACKLOG, MAX_KEPT, EventBus, first_number
from app.netd.leases import lease_changes, published_fields, watch_leases
from app.protocol.events import DeviceChanged, ServersChanged, StatusChanged, TrafficRates
from app.protocol.statistics import Bytes, Rates


async def collect(bus, count, after=None):
    found = []
    async for event in bus.subscribe(after):
        found.append(event)
        if len(found) == count:
            return found
    raise AssertionError("dropped")


async def test_events_are_consecutive_and_replayed_while_kept():
    bus = EventBus()
    start = bus.seq
    assert bus.kept_after == start
    for n in range(MAX_KEPT):
        bus.publish(ServersChanged("mullvad", servers=n))
    assert bus.kept_after == start
    assert [e.seq for e in await collect(bus, MAX_KEPT, start)] == list(range(start + 1, start + MAX_KEPT + 1))
    bus.publish(StatusChanged())
    assert bus.kept_after == start + 1
    assert [e.seq for e in await collect(bus, 1, bus.seq - 1)] == [bus.seq]


async def test_rates_are_neither_numbered_nor_kept():
    bus = EventBus()
    listening = asyncio.create_task(collect(bus, 1))
    await asyncio.sleep(0)
    start = bus.seq
    bus.publish_rates(Rates(time=1.0, period=0.0))  # no rates are known yet
    devices = {f"02:00:00:00:00:{n:02x}": Bytes(n, n) for n in range(256)}
    bus.publish_rates(Rates(time=1.0, period=5.0, total=Bytes(1, 2), devices=devices))
    (event,) = await listening
    published = event.event
    assert (type(published), event.seq, published.total) == (TrafficRates, start, Bytes(1, 2))
    assert len(published.devices) == 100
    assert "02:00:00:00:00:ff" in published.devices
    assert (bus.seq, bus.kept_after) == (start, start)


async def test_listener_beyond_the_backlog_is_dropped():
    bus = EventBus()
    stream = bus.subscribe()
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    for n in range(MAX_BACKLOG + 2):
        bus.publish(ServersChanged("mullvad", servers=n))
    with pytest.raises(StopAsyncIteration):
        await first


def test_event_numbers_differ_between_boots_and_fit_a_double():
    one, other = "6f1c4a5e-0000-4000-8000-000000000abc", "6f1c4a5e-0000-4000-8000-000000000abd"
    assert first_number(one, 20.0) < first_number(one, 21.0)
    assert abs(first_number(one, 20.0) - first_number(other, 20.0)) >= 1 << 40
    assert first_number("ffffffff-ffff-4fff-bfff-ffffffffffff", 30 * 365 * 86400.0) < 1 << 52


def test_lease_changes_ignore_renewals():
    before = published_fields([Lease("a", "10.0.0.1", "tv", 100), Lease("b", "10.0.0.2", None, 100)])
    now = published_fields([Lease("a", "10.0.0.1", "tv", 999), Lease("c", "10.0.0.3", None, 100)])
    assert list(lease_changes(before, now)) == [("b", "lease_ended"), ("c", "lease")]
    assert list(lease_changes(before, before | {"b": ("10.0.0.2", "phone")})) == [("b", "lease")]


async def test_lease_changes_are_published():
    leases = [Lease("a", "10.0.0.1", None, 0)]
    published: asyncio.Queue[DeviceChanged] = asyncio.Queue()
    begun = threading.Event()

    def read() -> list[Lease]:
        assert asyncio._get_running_loop() is None, "the event loop waits for the disk"
        found = list(leases)
        begun.set()
        return found

    task = asyncio.create_task(watch_leases(read, published.put_nowait, 0.01))
    assert await asyncio.to_thread(begun.wait, 5)  # leases at the start are not published
    leases.append(Lease("b", "10.0.0.2", "phone", 0))
    assert await asyncio.wait_for(published.get(), 5) == DeviceChanged("b", "lease", "10.0.0.2")
    leases.pop(0)
    assert await asyncio.wait_for(published.get(), 5) == DeviceChanged("a", "lease_ended")
    task.cancel()
