"""The ends of exceptions: announced, carried out, and told to people.

The kernel ends what an exception opens by itself (:mod:`app.network.ruleset.exceptions`); here it is taken out of the
plan, and its device gets its connections anew. What an exception closes is opened again here.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from app.errors import KernelError
from app.model import PolicyException
from app.netd.policies.changes import PolicyChanges
from app.netd.policies.open_exceptions import OpenExceptions
from app.policy_text import policy_text
from app.protocol.events import EventSink, ExceptionEnded, ExceptionEnding, ExceptionStarted, SecurityAlert

log = logging.getLogger(__name__)

WARNING = 60.0  # seconds before its end that an exception is announced to end
RETRY_DELAY = 1.0  # seconds until a refused plan is applied again

Cause = Literal["time", "ended", "replaced"]


class ExceptionEnds:
    """The keeper of the ends, which tells of the beginnings as well."""

    def __init__(self, opened: OpenExceptions, changes: PolicyChanges, publish: EventSink) -> None:
        self._open = opened
        self._changes = changes
        self._publish = publish
        self._moved = asyncio.Event()
        self._deadlines: dict[int, float] = {}  # by id, as last looked at
        self._announced: set[int] = set()  # the ids of those whose end was told, or is told by their start

    def wake(self) -> None:
        """Look again at the exceptions: there are others, or they end at another time."""
        self._moved.set()

    async def run(self) -> None:
        """Run until cancelled: announce ends, and carry them out."""
        while True:
            self._moved.clear()
            self._announce()
            if over := self._open.over():
                await self._carry_out(over)
                continue
            waits = [self._open.left(e) - (0.0 if e.id in self._announced else WARNING) for e in self._open.present()]
            try:
                async with asyncio.timeout(max(0.001, min(waits)) if waits else None):
                    await self._moved.wait()
            except TimeoutError:
                pass

    def _announce(self) -> None:
        present = self._open.present()
        near = {one.id for one in present if self._open.left(one) <= WARNING}
        # One that begins, or was moved, to end so soon is announced by that: its event has the end.
        moved = {one.id for one in present if self._deadlines.get(one.id) != one.deadline}
        self._announced = (self._announced - moved) | (near & moved)
        self._deadlines = {one.id: one.deadline for one in present}
        for one in present:
            if one.id in near - self._announced:
                self._announced.add(one.id)
                self._publish(ExceptionEnding(one.id, one.mac, one.group, policy_text(one.policy), one.until))

    async def _carry_out(self, over: tuple[PolicyException, ...]) -> None:
        """Take what is over out of the plan; tried until the kernel has taken it."""
        reported = False
        while True:
            try:
                await self._changes.follow(ended=over)
            except KernelError as error:
                if not reported:
                    log.error("an exception has ended, but the plan could not be applied: %s", error.message)
                    self._publish(SecurityAlert("plan_failed", error.message))
                reported = True
                await asyncio.sleep(RETRY_DELAY)
            else:
                break
        self._open.drop(over)
        for one in over:
            self.ended(one, "time")

    # --- events ------------------------------------------------------------------------------------------------------

    def started(self, one: PolicyException) -> None:
        """Tell of an exception that has begun, or goes on for another time."""
        text = policy_text(one.policy)
        left = self._open.left(one)
        log.info("exception %d: %s is %s for %.0f s", one.id, one.mac or f"group {one.group}", text, left)
        self._publish(ExceptionStarted(one.id, one.mac, one.group, text, one.until, one.by, one.reason))

    def ended(self, one: PolicyException, cause: Cause) -> None:
        """Tell that an exception has ended."""
        log.info("exception %d has ended: %s", one.id, cause)
        self._publish(ExceptionEnded(one.id, one.mac, one.group, policy_text(one.policy), cause))
