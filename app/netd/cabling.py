"""A monitor reports wrong cabling: no port that can be identified as the WAN, or another router on a LAN port."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping

from app.errors import GatewayError
from app.model import LinkProblem
from app.protocol.events import EventSink, SecurityAlert

log = logging.getLogger(__name__)

POLL_INTERVAL = 5.0  # seconds between checks
SETTLE_TIME = 15.0  # seconds that USB adapters and radios may take to appear

_ADVICE = (
    "could lead devices past the tunnel: what it says is stopped between the ports of the LAN."
    " Take that cable or device out, or plug it into the WAN port"
)


class CablingMonitor:
    """The monitor compares what the kernel and the links show with the last check.

    ``drops`` counts dropped packets by reason; ``foreign`` names the LAN ports with DHCP servers and with routers.
    """

    def __init__(
        self,
        *,
        problem: Callable[[], LinkProblem | None],
        drops: Callable[[], Awaitable[Mapping[str, int]]],
        foreign: Callable[[], Awaitable[tuple[tuple[str, ...], tuple[str, ...]]]],
        publish: EventSink,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._problem = problem
        self._drops = drops
        self._foreign = foreign
        self._publish = publish
        self._clock = clock
        self._since: tuple[LinkProblem | None, float] = (None, 0.0)
        self._reported: LinkProblem | None = None
        self._dropped = 0
        self._ports: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())

    async def run(self) -> None:
        while True:
            self.check_wan()
            try:
                await self.check_routers()
            except (GatewayError, OSError) as error:
                log.warning("the LAN ports with other routers could not be read: %s", error)
            await asyncio.sleep(POLL_INTERVAL)

    def check_wan(self) -> None:
        """Report, once, a problem that has lasted for ``SETTLE_TIME`` seconds."""
        problem, now = self._problem(), self._clock()
        reason = problem.reason if problem else None
        last, since = self._since
        if reason != (last.reason if last else None):
            self._since = (problem, now)
            self._reported = None
        elif problem is not None and self._reported is None and now - since >= SETTLE_TIME:
            self._reported = problem
            log.warning("%s", problem.message)
            self._publish(SecurityAlert(problem.reason, problem.message))

    async def check_routers(self) -> None:
        """Report each port once for as long as its router keeps answering. Raises KernelError, OSError."""
        dropped = (await self._drops()).get("foreign_router", 0)
        if dropped == self._dropped and self._ports == ((), ()):
            return
        self._dropped = dropped
        ports = await self._foreign()
        for what, now, before in zip(("DHCP server", "router"), ports, self._ports, strict=True):
            for port in sorted(set(now) - set(before)):
                message = f"another {what} on the LAN port {port} {_ADVICE}"
                log.warning("%s", message)
                self._publish(SecurityAlert("foreign_router", message, port=port))
        self._ports = ports
