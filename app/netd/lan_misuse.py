"""A monitor reports devices that announce the gateway's own address, and ports that ask for too many addresses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from app.errors import GatewayError
from app.protocol.events import EventSink, SecurityAlert

log = logging.getLogger(__name__)

POLL_INTERVAL = 5.0  # seconds between reads of the counters

Elements = Callable[[], Awaitable[Iterable[str]]]


class LanMisuseMonitor:
    """The monitor reports each port or device once, until ten minutes have passed without another such packet.

    ``drops`` counts dropped packets by reason. ``impostors`` lists "PORT MAC", ``flooding`` ports.
    """

    def __init__(
        self,
        *,
        drops: Callable[[], Awaitable[Mapping[str, int]]],
        impostors: Elements,
        flooding: Elements,
        publish: EventSink,
    ) -> None:
        self._drops = drops
        self._sources: dict[str, tuple[Elements, Callable[[str], SecurityAlert]]] = {
            "gateway_address": (impostors, _impostor),
            "dhcp_flood": (flooding, _flood),
        }
        self._publish = publish
        self._seen: dict[str, tuple[int, frozenset[str]]] = {reason: (0, frozenset()) for reason in self._sources}

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            try:
                await self.check()
            except (GatewayError, OSError) as error:
                log.warning("misuse of the LAN could not be read: %s", error)
            await asyncio.sleep(POLL_INTERVAL)

    async def check(self) -> None:
        """Report what is new. Raises KernelError, OSError."""
        drops = await self._drops()
        for reason, (read, alert) in self._sources.items():
            count, before = self._seen[reason]
            if drops.get(reason, 0) == count and not before:
                continue
            now = frozenset(await read())
            for element in sorted(now - before):
                event = alert(element)
                log.warning("%s", event.message)
                self._publish(event)
            self._seen[reason] = (drops.get(reason, 0), now)


def _impostor(element: str) -> SecurityAlert:
    port, _, mac = element.partition(" ")
    return SecurityAlert(
        "gateway_address_taken",
        f"the device {mac} on the LAN port {port} says that the gateway's own address is its own: what it says is"
        " stopped, but behind the same switch others may hear it and send it their traffic. Give it another address,"
        " or take it out",
        port=port,
    )


def _flood(port: str) -> SecurityAlert:
    return SecurityAlert(
        "dhcp_flood",
        f"the LAN port {port} sends more requests for addresses (DHCP) than devices make: only some are answered, so"
        " that addresses are left for the other ports. A device there may invent others",
        port=port,
    )
