"""The goal of an exit: who waits for it, and what ends the waiting."""

from __future__ import annotations

import asyncio

import pytest

from app.errors import ConflictError, ConnectTimeoutError
from app.tunnel.goal import GoalSlot
from app.tunnel.states import Target

A, B = Target("mullvad", "a"), Target("mullvad", "b")


async def waiting(slot: GoalSlot, target: Target | None, cause: str | None = None) -> asyncio.Task[None]:
    task = asyncio.create_task(slot.request(target, cause))
    await slot.news()
    slot.seen()
    return task


async def test_all_who_wait_for_a_goal_hear_of_it_together() -> None:
    slot = GoalSlot()
    tasks = [await waiting(slot, A) for _ in range(3)]
    assert slot.awaited
    slot.answer(None, A)
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)
    assert not slot.awaited


async def test_a_failure_reaches_those_who_wait_for_that_goal_alone() -> None:
    slot = GoalSlot()
    first = await waiting(slot, A)
    second = await waiting(slot, B)
    with pytest.raises(ConflictError) as superseded:
        await first
    assert superseded.value.code == "superseded"
    slot.answer(ConnectTimeoutError("of another goal"), A)
    assert slot.awaited
    slot.answer(ConnectTimeoutError("no handshake"), B)
    with pytest.raises(ConnectTimeoutError):
        await second


async def test_one_who_gave_up_waiting_is_passed_over() -> None:
    slot = GoalSlot()
    gone, stays = await waiting(slot, A), await waiting(slot, A)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    slot.answer(None, A)
    await stays


async def test_work_for_a_goal_ends_with_the_goal() -> None:
    slot = GoalSlot(A)
    work = asyncio.create_task(asyncio.Event().wait())
    watched = asyncio.create_task(slot.finished(work, A))
    await asyncio.sleep(0)
    slot.wake()  # something happened, and the goal is the same
    await asyncio.sleep(0)
    assert not watched.done()
    slot.set_nowait(B)
    async with asyncio.timeout(5):
        assert await watched is False
    assert work.cancelled()
    assert await slot.finished(asyncio.create_task(asyncio.sleep(0)), B)


async def test_a_cause_is_that_of_the_next_tunnel_only() -> None:
    slot = GoalSlot()
    slot.set_nowait(A, "resumed")
    slot.set_nowait(A)
    assert slot.cause == "resumed", "asked for again before it was begun"
    slot.begun("resumed")
    assert slot.cause is None
    slot.set_nowait(A, "key_changed")
    slot.set_nowait(B)
    assert slot.cause is None, "another goal has its own"
    slot.set_nowait(B, "scheduled")
    slot.turn_to(A)
    assert (slot.target, slot.cause) == (A, None)


async def test_what_wakes_the_machine_before_it_sleeps_is_not_lost() -> None:
    slot = GoalSlot()
    slot.seen()
    slot.wake()
    async with asyncio.timeout(1):
        await slot.sleep(60.0)
    slot.seen()
    await slot.sleep(0.0)
