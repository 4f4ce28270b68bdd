"""The scheduled switches: which one is due, and that it runs once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from app.errors import ConnectTimeoutError
from app.model import ServerChange
from app.netd.automatic_switches import ScheduledSwitches, due_change
from app.netd.protocols import Choice
from app.network.plan import TransportPeer, TunnelPlan
from app.schedules import local_time
from app.store import Store
from app.tasks import end
from app.tunnel.states import Connected, Disconnected, Target, Tunnel

MONDAY = datetime(2026, 11, 23, 4, 30, 59)  # noqa: DTZ001 - local time, as people set their clocks
EVERY_DAY = ServerChange(at=4 * 60 + 30, select="random")
WEEKEND = ServerChange(at=4 * 60 + 30, days=frozenset({5, 6}), select="fastest")


@pytest.mark.parametrize(
    ("changes", "now", "expected"),
    [
        ((EVERY_DAY,), MONDAY, EVERY_DAY),
        ((EVERY_DAY,), MONDAY.replace(minute=29), None),
        ((EVERY_DAY,), MONDAY.replace(minute=31), None),
        ((WEEKEND,), MONDAY, None),
        ((EVERY_DAY, WEEKEND), MONDAY.replace(day=28), WEEKEND),
        ((), MONDAY, None),
    ],
)
def test_due_change_is_that_of_minute_and_day(changes, now, expected):
    assert due_change(changes, now) == expected


class Exits:
    """One connected exit that records its switches; ``fails``: no handshake comes."""

    def __init__(self, present: Target) -> None:
        plan = TunnelPlan("a", (), 1420, (), (), ())
        tunnel = Tunnel(present, plan, "key", TransportPeer(ip_address("198.51.100.7"), 51820))
        self.machine = SimpleNamespace(name="default", state=Connected(tunnel, 1.0, 1.0))
        self.switched: list[tuple[str, Target, str, str | None]] = []
        self.fails = False

    @property
    def machines(self):
        return (self.machine,)

    async def switch(self, exit_name: str, target: Target, cause: str, *, asked: str | None = None) -> None:
        self.switched.append((exit_name, target, cause, asked))
        if self.fails:
            raise ConnectTimeoutError("no handshake")

    async def resolve(self, exit_name: str, selector: str, provider: str | None = None) -> Choice:
        return Choice(selector, (HERE, THERE))


HERE, THERE = Target("mullvad", "here"), Target("mullvad", "there")


@pytest.fixture
def exits(tmp_path: Path) -> Iterator[tuple[Exits, ScheduledSwitches]]:
    with Store(tmp_path) as store:
        store.update_settings(lambda s: replace(s, server_changes=(EVERY_DAY,)))
        found = Exits(HERE)
        yield found, ScheduledSwitches(found, found, store)


async def test_due_switch_runs_once_and_picks_another_server(exits: tuple[Exits, ScheduledSwitches]) -> None:
    found, scheduled = exits
    await scheduled.check(MONDAY.replace(minute=29))
    assert found.switched == []
    for _ in range(3):
        await scheduled.check(MONDAY)
    assert found.switched == [("default", THERE, "scheduled", "random")]
    await scheduled.check(MONDAY.replace(day=24))
    assert len(found.switched) == 2


async def test_change_goes_by_the_gateways_time_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.netd.automatic_switches.CLOCK_INTERVAL", 0)
    with Store(tmp_path) as store:
        store.update_settings(lambda s: replace(s, server_changes=(EVERY_DAY,)))
        found, utc = Exits(HERE), datetime(2026, 11, 23, 3, 30, tzinfo=UTC)
        looks = asyncio.Queue[None]()

        def now() -> float:
            looks.put_nowait(None)
            return utc.timestamp()

        task = asyncio.create_task(ScheduledSwitches(found, found, store, now).run())
        try:
            for _ in range(3):
                await looks.get()
            assert found.switched == []
            store.update_settings(lambda s: replace(s, time_zone="Europe/Berlin"))
            for _ in range(3):
                await looks.get()
        finally:
            await end([task])
        assert found.switched == [("default", THERE, "scheduled", "random")]


async def test_failed_switch_is_not_repeated_in_its_minute(exits: tuple[Exits, ScheduledSwitches]) -> None:
    found, scheduled = exits
    found.fails = True
    for _ in range(2):
        await scheduled.check(MONDAY)
    assert len(found.switched) == 1


async def test_disconnected_exit_is_not_switched(exits: tuple[Exits, ScheduledSwitches]) -> None:
    found, scheduled = exits
    found.machine.state = Disconnected()
    await scheduled.check(MONDAY)
    assert found.switched == []


NIGHTLY = ServerChange(at=2 * 60 + 30)


@pytest.mark.parametrize(
    ("begin", "hours", "runs"),
    [
        ("2026-03-27T22:00Z", 24, ["2026-03-28 02:30+01:00"]),
        ("2026-03-28T22:00Z", 24, ["2026-03-29 03:00+02:00"]),  # 02:30 does not come: as the missing hour ends
        ("2026-10-24T22:00Z", 25, ["2026-10-25 02:30+02:00"]),  # it comes twice: once
        ("2026-10-25T23:00Z", 24, ["2026-10-26 02:30+01:00"]),
    ],
    ids=["usual", "spring", "autumn", "after"],
)
def test_change_by_the_clock_over_daylight_saving(begin: str, hours: int, runs: list[str]) -> None:
    first = datetime.fromisoformat(begin).timestamp()
    looks = (local_time(first + 60 * n, "Europe/Berlin") for n in range(hours * 60))
    assert [look.isoformat(" ", "minutes") for look in looks if due_change((NIGHTLY,), look)] == runs
