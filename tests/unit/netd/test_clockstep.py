"""Steps of the clock: their size, how long peers would see a replay, and the leases from before a step."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from app.netd.clockstep import ClockSteps, keep_leases
from app.netd.file_writes import watch_writes

DAY = 86_400.0


class Clocks:
    def __init__(self) -> None:
        self.wall, self.boot = 1_800_000_000.0, 100.0
        self.steps = ClockSteps(lambda: self.wall, lambda: self.boot)

    def passed(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds


def test_clock_slewing_is_not_a_step() -> None:
    clocks = Clocks()
    for _ in range(20):
        clocks.passed(5)
        clocks.wall += 0.4
        assert clocks.steps.measure() == 0
    assert clocks.steps.behind == 0


def test_clock_step_is_reported_once() -> None:
    clocks = Clocks()
    clocks.passed(1)
    clocks.wall += 3 * DAY
    assert clocks.steps.measure() == 3 * DAY
    assert clocks.steps.measure() == 0
    assert clocks.steps.behind == 0  # a time later than all before is not a replay


def test_clock_set_back_is_behind_until_it_catches_up() -> None:
    clocks = Clocks()
    clocks.wall -= 100
    assert clocks.steps.measure() == -100
    assert clocks.steps.behind == 100
    clocks.passed(60)
    assert clocks.steps.behind == 40
    clocks.wall -= 10
    clocks.steps.measure()
    assert clocks.steps.behind == 50
    clocks.wall += 30
    clocks.steps.measure()
    assert clocks.steps.behind == 20
    clocks.passed(20)
    assert clocks.steps.behind == 0


async def test_clock_step_moves_the_leases_from_before_it(tmp_path: Path) -> None:
    clocks, moves = Clocks(), list[tuple[str, float]]()
    file, reads = "one", 0

    def leases() -> str:
        nonlocal reads
        assert asyncio._get_running_loop() is None, "the event loop waits for the disk"
        text = file
        reads += 1
        return text

    async def read_anew() -> None:
        """Return once a read that began after this call is the one before the last, with which a step would be told."""
        enough = reads + 3
        async with asyncio.timeout(20):
            while reads < enough:
                await asyncio.sleep(0.001)

    moved = asyncio.Event()

    def move(before: str, step: float) -> None:
        moves.append((before, step))
        moved.set()

    task = asyncio.create_task(keep_leases(clocks.steps, tmp_path / "leases", leases, move, period=0.005))
    await read_anew()
    file = "two"
    await read_anew()
    file, clocks.wall = "after", clocks.wall + 3 * DAY
    async with asyncio.timeout(20):
        await moved.wait()
    clocks.wall += 30  # too small for a restart of dnsmasq
    await read_anew()
    assert moves == [("two", 3 * DAY)]
    assert not task.done()
    task.cancel()


async def test_clock_step_during_a_read_loses_no_lease(tmp_path: Path) -> None:
    """dnsmasq may have ended all leases before netd reads the file and compares the clocks."""
    clocks, moves = Clocks(), list[tuple[str, float]]()
    reads = 0
    moved = asyncio.Event()

    def leases() -> str:
        nonlocal reads
        reads += 1
        if reads == 4:
            clocks.wall += 3 * DAY
        return "all" if reads < 4 else "none left"

    def move(before: str, step: float) -> None:
        moves.append((before, step))
        moved.set()

    task = asyncio.create_task(keep_leases(clocks.steps, tmp_path / "leases", leases, move, period=0.005))
    async with asyncio.timeout(5):
        await moved.wait()
    assert moves == [("all", 3 * DAY)]
    task.cancel()


@pytest.mark.parametrize("there", [True, False], ids=["renewed", "first"])
async def test_lease_granted_just_before_a_step_is_kept(tmp_path: Path, there: bool) -> None:
    """dnsmasq ends it with the next packet after the step, long before netd's next look at the clock."""
    clocks, file = Clocks(), tmp_path / "dnsmasq.leases"
    if there:
        file.write_text("old\n")
    seen = asyncio.Queue[str]()
    loop = asyncio.get_running_loop()
    moved = loop.create_future()

    def leases() -> str:
        text = file.read_text() if file.exists() else ""
        loop.call_soon_threadsafe(seen.put_nowait, text)
        return text

    task = asyncio.create_task(
        keep_leases(clocks.steps, file, leases, lambda before, _: moved.set_result(before), period=3600)
    )
    async with asyncio.timeout(5):
        await seen.get()
        file.write_text("old\nnew\n")  # in place, as dnsmasq does
        while await seen.get() != "old\nnew\n":
            pass
        with file.open("r+") as same:
            same.write("old\nnew\n")
        await seen.get()  # once it reads again, it has compared the clocks after the read before
        clocks.wall += 3 * DAY
        file.write_text("")
        assert await moved == "old\nnew\n"
    task.cancel()


async def test_writes_to_other_files_of_the_directory_wake_nobody(tmp_path: Path) -> None:
    with watch_writes(tmp_path / "leases", 3600) as next_write:
        waiting = asyncio.create_task(next_write())
        await asyncio.sleep(0)
        (tmp_path / "settings.json").write_text("{}")
        async with asyncio.timeout(5):
            await until_read(tmp_path)
        assert not waiting.done()
        (tmp_path / "leases").write_text("one\n")
        async with asyncio.timeout(5):
            await waiting


async def until_read(directory: Path) -> None:
    """Return once a second watch on the directory has told of its own file: the first has had its turn by then."""
    with watch_writes(directory / "last", 3600) as last:
        (directory / "last").write_text("")
        await last()
