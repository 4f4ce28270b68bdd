"""The goal of an exit: its waiting callers, and what resolves them."""

from __future__ import annotations

import asyncio

import pytest

from app.errors import ConflictError, ConnectTimeoutError
from app.tunnel.goal import GoalSlot
from app.tunnel.states import Target

A, B = Target("mullvad", "a"), Target("mullvad", "b")


async def waiting(slot: GoalSlot, target: Target | None, cause: str | None = None) -> asyncio.Task[None]:
    task = asyncio.create_task(slot.request(target, cause))
    await slot.wait()
    slot.clear_wake()
    return task


async def test_goal_reached_resolves_all_waiters() -> None:
    slot = GoalSlot()
    tasks = [await waiting(slot, A) for _ in range(3)]
    assert slot.has_waiters
    slot.resolve_waiters(None, A)
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)
    assert not slot.has_waiters


async def test_failure_of_an_old_goal_leaves_new_waiters_alone() -> None:
    slot = GoalSlot()
    first = await waiting(slot, A)
    second = await waiting(slot, B)
    with pytest.raises(ConflictError) as superseded:
        await first
    assert superseded.value.code == "superseded"
    slot.resolve_waiters(ConnectTimeoutError("of another goal"), A)
    assert slot.has_waiters
    slot.resolve_waiters(ConnectTimeoutError("no handshake"), B)
    with pytest.raises(ConnectTimeoutError):
        await second


async def test_cancelled_waiter_is_skipped() -> None:
    slot = GoalSlot()
    gone, stays = await waiting(slot, A), await waiting(slot, A)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    slot.resolve_waiters(None, A)
    await stays


async def test_task_of_a_superseded_goal_is_cancelled() -> None:
    """A mere wake-up leaves the task running."""
    slot = GoalSlot(A)
    work = asyncio.create_task(asyncio.Event().wait())
    watched = asyncio.create_task(slot.wait_unless_superseded(work, A))
    await asyncio.sleep(0)
    slot.wake()  # something happened, and the goal is the same
    await asyncio.sleep(0)
    assert not watched.done()
    slot.set_goal_nowait(B)
    async with asyncio.timeout(5):
        assert await watched is False
    assert work.cancelled()
    assert await slot.wait_unless_superseded(asyncio.create_task(asyncio.sleep(0)), B)


async def test_cause_applies_to_the_next_tunnel_only() -> None:
    slot = GoalSlot()
    slot.set_goal_nowait(A, "resumed")
    slot.set_goal_nowait(A)
    assert slot.cause == "resumed", "asked for again before it was begun"
    slot.cause_used("resumed")
    assert slot.cause is None
    slot.set_goal_nowait(A, "key_changed")
    slot.set_goal_nowait(B)
    assert slot.cause is None, "another goal has its own"
    slot.set_goal_nowait(B, "scheduled")
    slot.redirect(A)
    assert (slot.target, slot.cause) == (A, None)


async def test_wake_before_sleep_is_not_lost() -> None:
    slot = GoalSlot()
    slot.clear_wake()
    slot.wake()
    async with asyncio.timeout(20):
        await slot.sleep(60.0)
    slot.clear_wake()
    await slot.sleep(0.0)
