"""The loop that keeps DHCP and DNS in step with the plan, in a task of its own, so that no tunnel waits for dnsmasq."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Protocol

from app.in_the_clear import in_the_clear
from app.model import DirectPolicy, Links, PolicyException, Settings
from app.netd.network import NetworkController
from app.netd.network_parts import NetworkChange, PlanApplied
from app.network.leasefile import Step
from app.protocol.events import EventSink, SecurityAlert
from app.store import Store

log = logging.getLogger(__name__)

CHECK_INTERVAL = 10.0  # seconds between checks of dnsmasq, which normally outlives netd


class LanServiceControl(Protocol):
    """What is used of :class:`app.netd.lan_services.LanServices`."""

    async def apply(self, settings: Settings, links: Links, *, ipv6_default: bool, direct: bool) -> None: ...

    def move_leases(self, before: str, step: Step) -> None: ...


class LanServicesLoop:
    """The loop runs after each applied plan, after each clock step, and every ``CHECK_INTERVAL``."""

    def __init__(
        self,
        services: LanServiceControl,
        network: NetworkController,
        store: Store,
        publish: EventSink,
        exceptions: Callable[[], tuple[PolicyException, ...]] = tuple,
    ) -> None:
        self._services = services
        self._network = network
        self._store = store
        self._publish = publish
        self._exceptions = exceptions
        self._due = asyncio.Event()
        self._due.set()
        network.subscribe(self._on_change)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CHECK_INTERVAL):
                    await self._due.wait()
            self._due.clear()
            try:
                await self._services.apply(
                    self._store.settings,
                    self._network.links,
                    ipv6_default=self.ipv6_default(),
                    direct=self._any_direct(),
                )
            except Exception as error:
                log.exception("DHCP and DNS could not be updated")
                self._publish(SecurityAlert("lan_services", str(error)))

    def update(self) -> None:
        """Have the services follow changed settings."""
        self._due.set()

    def move_leases(self, before: str, seconds: float) -> None:
        """Move the leases of ``before``, the lease file from before the clock was set, by ``seconds``."""
        self._services.move_leases(before, Step(seconds, time.time(), self._store.settings.lan.lease_time))
        self._due.set()

    def ipv6_default(self) -> bool:
        """Whether to announce an IPv6 default route on the LAN: only while the default exit carries IPv6."""
        active = self._network.exit_plans[0].active
        return active is not None and active.carries_all(6)

    def _any_direct(self) -> bool:
        """Whether a device may ever go out in the clear: by a schedule its resolver is needed on the minute."""
        direct = any(isinstance(exception.policy, DirectPolicy) for exception in self._exceptions())
        return direct or bool(in_the_clear(self._store.settings))

    def _on_change(self, change: NetworkChange) -> None:
        if isinstance(change, PlanApplied):
            self._due.set()
