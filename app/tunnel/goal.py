"""The goal of one exit: the server that it should be connected to, the cause, and the callers that wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from app.errors import ConflictError, GatewayError
from app.tasks import end
from app.tunnel.states import Target


class GoalSlot:
    """Holds one goal, None = disconnected. Setting it wakes the exit's machine, which resolves the waiting callers."""

    def __init__(self, target: Target | None = None) -> None:
        self._target = target
        self._cause: str | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self.retry_now = False  # the same goal was set again while blocked: skip the back-off
        self.renewing = False  # a new tunnel to the same server is requested

    @property
    def target(self) -> Target | None:
        return self._target

    @property
    def cause(self) -> str | None:
        """Why the goal's next tunnel begins; None where the states alone show it."""
        return self._cause

    @property
    def has_waiters(self) -> bool:
        return bool(self._waiters)

    # --- For callers -------------------------------------------------------------------------------------------------

    async def request(self, target: Target | None, cause: str | None = None, *, retry_now: bool = False) -> None:
        """Set the goal and wait until it is reached. Raises the failure, or ConflictError (``superseded``)."""
        self.set_goal_nowait(target, cause, retry_now=retry_now)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def set_goal_nowait(self, target: Target | None, cause: str | None = None, *, retry_now: bool = False) -> None:
        """Set the goal; callers that wait for another one receive ConflictError (``superseded``)."""
        if target != self._target:
            self.resolve_waiters(ConflictError("a later request took over", code="superseded"), self._target)
        if target != self._target or cause is not None:
            self._cause = cause
        self._target = target
        self.retry_now = retry_now
        self._wake.set()

    def wake(self) -> None:
        """Wake the machine for something other than a goal."""
        self._wake.set()

    # --- For the machine ---------------------------------------------------------------------------------------------

    def redirect(self, target: Target, cause: str | None = None) -> None:
        """Change the goal on the machine's own account, after the waiting callers have been resolved."""
        self._target, self._cause = target, cause

    def cause_used(self, cause: str | None) -> None:
        """Clear ``cause`` once a tunnel has begun with it, since the next tunnel has another cause."""
        if self._cause == cause:
            self._cause = None

    def resolve_waiters(self, error: GatewayError | None, target: Target | None) -> None:
        """Resolve the callers that wait for ``target``; nothing happens where another goal has been set since."""
        if target != self._target:
            return
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

    def clear_wake(self) -> None:
        """Start a step of the machine; whatever wakes it from here on is not lost."""
        self._wake.clear()

    async def wait(self) -> None:
        """Return once the goal was set or :meth:`wake` was called since :meth:`clear_wake`."""
        await self._wake.wait()

    async def sleep(self, seconds: float) -> None:
        """Like :meth:`wait`, for at most ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()

    async def wait_unless_superseded(self, task: asyncio.Task[Any], target: Target) -> bool:
        """Wait for ``task``; as soon as the goal is no longer ``target``, cancel the task and return False."""
        try:
            while not task.done():
                woken = asyncio.create_task(self._wake.wait())
                await asyncio.wait({task, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                if self._target != target:
                    return False
                self._wake.clear()
            return True
        finally:
            if not task.done():
                await end([task])
