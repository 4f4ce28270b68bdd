"""What is open in the clear for a while, beside the standing parts of the cleartext allowlist.

Every temporary opening is made here: a look-up, an exchange with a provider, time servers. Each has a deadline at which
it ends, whatever became of its user, and one task sees to it that the kernel has no opening that has ended: it applies
the plan again until the kernel has taken it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Literal

from msgspec import Struct

from app.addresses import Address
from app.errors import KernelError
from app.network.plan import TransportPeer
from app.protocol.events import EventSink, SecurityAlert

log = logging.getLogger(__name__)

RETRY_DELAY = 1.0  # seconds until a refused plan is applied again


class Opening(Struct, frozen=True):
    """Destinations on the cleartext allowlist, and for what."""

    purpose: Literal["look-up", "provider", "time"]
    name_servers: tuple[Address, ...] = ()  # UDP and TCP port 53
    peers: tuple[TransportPeer, ...] = ()  # TCP, for sockets with MARK_CLEAR
    time_servers: tuple[Address, ...] = ()  # UDP port 123, for the time daemon's user


def in_order(openings: Iterable[Opening]) -> list[Opening]:
    """``openings`` in an order that depends on nothing else, so that the same ones give the same plan."""
    return sorted(openings, key=repr)


class Openings:
    """The present openings; ``apply`` makes the plan, which contains them, and puts it in force."""

    def __init__(
        self,
        apply: Callable[[], Awaitable[None]],
        publish: EventSink,
        renewed: Callable[[], tuple[Opening, float] | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``renewed`` is an opening whose owner moves its deadline forward for as long as it lives."""
        self._apply = apply
        self._publish = publish
        self._renewed = renewed
        self._clock = clock
        self._deadlines: dict[int, tuple[Opening, float]] = {}
        self._next = 0
        self._in_force: frozenset[Opening] = frozenset()
        self._changed = asyncio.Event()

    @property
    def present(self) -> frozenset[Opening]:
        """The openings whose deadline has not passed."""
        now = self._clock()
        return frozenset(opening for opening, deadline in self._all() if deadline > now)

    def _all(self) -> list[tuple[Opening, float]]:
        renewed = self._renewed()
        return [*self._deadlines.values(), *([renewed] if renewed else [])]

    def applying(self, openings: frozenset[Opening]) -> None:
        """Note that the kernel may have these ``openings`` from now on."""
        self._in_force |= openings

    def applied(self, openings: frozenset[Opening]) -> None:
        """Note that the plan in force has these ``openings``."""
        self._in_force = openings
        self._changed.set()

    @contextlib.asynccontextmanager
    async def hold(self, opening: Opening, seconds: float) -> AsyncGenerator[None]:
        """Open for the context, and for ``seconds`` at most. Raises KernelError; then nothing is open."""
        self._next += 1
        key = self._next
        self._deadlines[key] = (opening, self._clock() + seconds)
        try:
            await self._apply()
            yield
        finally:
            del self._deadlines[key]
            self._changed.set()
            with contextlib.suppress(KernelError):  # run() tries it again, and reports it
                # Shielded, so that a cancelled exchange closes its opening now.
                await asyncio.shield(self._apply())

    async def run(self) -> None:
        """Run until cancelled: close what has ended."""
        reported = False
        while True:
            self._changed.clear()
            present = self.present
            if self._in_force <= present:
                reported = False
                ends = [deadline for opening, deadline in self._all() if opening in present]
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, min(ends) - self._clock()) if ends else None):
                        await self._changed.wait()
                continue
            try:
                await self._apply()
            except KernelError as error:
                if not reported:
                    log.error("what was open in the clear for a while could not be closed: %s", error.message)
                    self._publish(SecurityAlert("plan_failed", error.message))
                reported = True
                await asyncio.sleep(RETRY_DELAY)
