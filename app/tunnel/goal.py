"""The goal of one exit: the server that it should be connected to, why, and who waits for it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from app.errors import ConflictError, GatewayError
from app.tasks import end
from app.tunnel.states import Target


class GoalSlot:
    """Holds one goal, None = down. Setting it wakes the exit's machine, which alone answers those who wait."""

    def __init__(self, target: Target | None = None) -> None:
        self._target = target
        self._cause: str | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._wake = asyncio.Event()
        self.at_once = False  # asked for again while blocked: the back-off is over
        self.renewing = False  # the same server is to have a new tunnel

    @property
    def target(self) -> Target | None:
        return self._target

    @property
    def cause(self) -> str | None:
        """Why the goal's next tunnel is begun; None where the states alone tell."""
        return self._cause

    @property
    def awaited(self) -> bool:
        return bool(self._waiters)

    # --- for those who want something --------------------------------------------------------------------------------

    async def request(self, target: Target | None, cause: str | None = None, *, at_once: bool = False) -> None:
        """Set the goal and wait until it is reached. Raises the failure, or ConflictError (``superseded``)."""
        self.set_nowait(target, cause, at_once=at_once)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def set_nowait(self, target: Target | None, cause: str | None = None, *, at_once: bool = False) -> None:
        """Set the goal; whoever waits for another one hears that it was taken over."""
        if target != self._target:
            self.answer(ConflictError("a later request took over", code="superseded"), self._target)
        if target != self._target or cause is not None:
            self._cause = cause
        self._target = target
        self.at_once = at_once
        self._wake.set()

    def wake(self) -> None:
        """Something else happened that the machine must look at."""
        self._wake.set()

    # --- for the machine ---------------------------------------------------------------------------------------------

    def turn_to(self, target: Target, cause: str | None = None) -> None:
        """The machine's own change of goal, once those who waited have their answer."""
        self._target, self._cause = target, cause

    def begun(self, cause: str | None) -> None:
        """A tunnel was begun, for ``cause``: the next one is begun for another."""
        if self._cause == cause:
            self._cause = None

    def answer(self, error: GatewayError | None, target: Target | None) -> None:
        """Answer those who wait for ``target``; whoever has set another goal since waits for that."""
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

    def seen(self) -> None:
        """A look at the goal begins: what wakes the machine from here on is news."""
        self._wake.clear()

    async def news(self) -> None:
        """Return once the goal was set or :meth:`wake` called, since :meth:`seen`."""
        await self._wake.wait()

    async def sleep(self, seconds: float) -> None:
        """As :meth:`news`, for at most ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                await self._wake.wait()

    async def finished(self, task: asyncio.Task[Any], target: Target) -> bool:
        """Wait for ``task``; False, and the task ended, as soon as the goal is no longer ``target``."""
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
