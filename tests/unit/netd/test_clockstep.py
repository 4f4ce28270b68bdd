"""Steps of the clock: their size, how long peers would see a replay, and the leases from before a step."""

from __future__ import annotations

import asyncio

from app.netd.clockstep import ClockSteps, keep_leases

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


async def test_clock_step_moves_the_leases_from_before_it() -> None:
    clocks, moves = Clocks(), list[tuple[str, float]]()
    file = "one"

    def leases() -> str:
        assert asyncio._get_running_loop() is None, "the event loop waits for the disk"
        return file

    moved = asyncio.Event()

    def move(before: str, step: float) -> None:
        moves.append((before, step))
        moved.set()

    task = asyncio.create_task(keep_leases(clocks.steps, leases, move, period=0.005))
    await asyncio.sleep(0.03)
    file = "two"
    await asyncio.sleep(0.03)
    file, clocks.wall = "after", clocks.wall + 3 * DAY
    async with asyncio.timeout(5):
        await moved.wait()
    clocks.wall += 30  # too small for a restart of dnsmasq
    await asyncio.sleep(0.03)
    assert moves == [("two", 3 * DAY)]
    assert not task.done()
    task.cancel()


async def test_clock_step_during_a_read_loses_no_lease() -> None:
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

    task = asyncio.create_task(keep_leases(clocks.steps, leases, move, period=0.005))
    async with asyncio.timeout(5):
        await moved.wait()
    assert moves == [("all", 3 * DAY)]
    task.cancel()
