"""The activation of a WAN that is named by its place, its MAC address or its kind.

The name of such a port is unknown until it appears, and so are the rules that let its DHCP client set a default route:
the kernel refuses the route without them, and the client does not try again. So networkd leaves the port down
(``ActivationPolicy=manual``, :mod:`app.firstboot.render`), and netd takes it up once those rules are in force.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Awaitable, Callable

from pyroute2.netlink.exceptions import NetlinkError

from app import portname
from app.model import Links, LinkSettings
from app.network import transmit
from app.network.plan import NetworkPlan

log = logging.getLogger(__name__)


class WanActivation:
    """It takes each port up once: what an administrator takes down later stays down."""

    def __init__(
        self,
        start: Callable[[str], Awaitable[None]] = transmit.start,
        index: Callable[[str], int] = socket.if_nametoindex,
    ) -> None:
        self._start = start
        self._index = index
        self._started: int | None = None  # an interface index: a port that is plugged in again has another one

    async def follow(self, settings: LinkSettings, links: Links, plan: NetworkPlan | None) -> None:
        """Take the WAN's port up if ``plan``, which is in force, has the rules for it."""
        wan = links.wan
        if wan is None or plan is None or settings.wan is None or portname.parse(settings.wan).is_interface:
            return
        if not any(rule.oif == wan.name for rule in plan.rules):
            return
        try:
            index = self._index(wan.name)
            if index != self._started:
                await self._start(wan.name)
                self._started = index
        except (NetlinkError, OSError) as error:  # it was just pulled out
            log.debug("%s: %s", wan.name, error)
