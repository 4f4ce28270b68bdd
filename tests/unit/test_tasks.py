"""The ending of tasks, also of those that lose a cancellation or fail."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from app import tasks


async def deaf(times: int, heard: list[int]) -> None:
    while len(heard) <= times:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        heard.append(1)


async def test_task_that_loses_cancellations_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    heard = list[int]()
    task = asyncio.create_task(deaf(2, heard), name="the deaf one")
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await tasks.end([task], recancel_after=0.01)
    assert task.done()
    assert len(heard) == 3
    assert "the deaf one still runs" in caplog.text


async def test_failed_or_ended_task_is_ignored() -> None:
    async def fails() -> None:
        raise ValueError

    async def ends() -> None:
        return

    given = [asyncio.create_task(fails()), asyncio.create_task(ends())]
    await asyncio.sleep(0)
    await tasks.end(given)
    assert all(task.done() for task in given)
    await tasks.end([])
