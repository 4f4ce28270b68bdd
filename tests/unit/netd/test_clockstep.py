"""The clock was set: by how much, until when servers take us for a replay, and what the leases were before."""

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


def test_time_that_passes_and_slewing_are_no_step() -> None:
    clocks = Clocks()
    for _ in range(20):
        clocks.passed(5)
        clocks.wall += 0.4
        assert clocks.steps.measure() == 0
    assert clocks.steps.behind == 0


def test_a_step_is_told_once() -> None:
    clocks = Clocks()
    clocks.passed(1)
    clocks.wall += 3 * DAY
    assert clocks.steps.measure() == 3 * DAY
    assert clocks.steps.measure() == 0
    assert clocks.steps.behind == 0  # what is newer than all before is no replay


def test_a_clock_set_back_is_behind_until_it_has_caught_up() -> None:
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


async def test_the_leases_are_those_from_before_the_step() -> None:
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
    clocks.wall += 30  # too little to restart dnsmasq for
    await asyncio.sleep(0.03)
    assert moves == [("two", 3 * DAY)]
    assert not task.done()
    task.cancel()


async def test_a_step_while_the_leases_are_read_takes_none_of_them() -> None:
    """dnsmasq may have ended all leases by the time that netd reads them, and looks at the clock."""
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
