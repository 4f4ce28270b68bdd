"""Periodic provider work: refresh lists, check accounts, rotate keys, remove old devices.

Only providers that somebody signed in to have anything waiting, so nobody else is ever contacted from here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from app.backoff import Backoff
from app.errors import GatewayError
from app.protocol.events import AccountChanged, EventSink, ServersChanged
from app.providers.base import AccountProvider, Due
from app.providers.errors import RateLimitedError
from app.providers.registry import Registry

log = logging.getLogger(__name__)

INTERVAL = 60.0  # seconds between looks
FIRST = 3.0  # seconds after the start: a tunnel that is about to come up should carry what follows
MIN_DELAY, MAX_DELAY = 60.0, 3600.0  # seconds that a provider is left alone after a failure, doubled each time


_QUIET = Backoff(MIN_DELAY, MAX_DELAY)


class RenewableExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    async def renew(self, provider: str) -> None: ...


class ProviderMaintenance:
    def __init__(
        self,
        registry: Registry,
        exits: RenewableExits,
        publish: EventSink,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._registry = registry
        self._exits = exits
        self._publish = publish
        self._now = now
        self._failures: dict[str, int] = {}
        self._quiet_until: dict[str, float] = {}  # CLOCK_MONOTONIC

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(FIRST)
        while True:
            await self.look()
            await asyncio.sleep(INTERVAL)

    async def look(self) -> None:
        """Do what is waiting. Never raises but when cancelled; what failed is tried again later."""
        for provider in self._registry.all:
            if not isinstance(provider, AccountProvider) or self._quiet_until.get(provider.name, 0) > time.monotonic():
                continue
            try:
                await self._look_after(provider)
            except GatewayError as error:
                wait = self._failed(provider.name, error)
                log.warning("%s: %s; trying again in %.0f s", provider.title, error.message, wait)
            except Exception as error:
                log.exception("%s: internal error", provider.title)
                self._failed(provider.name, error)
            else:
                self._failures.pop(provider.name, None)

    async def _look_after(self, provider: AccountProvider) -> None:
        if (await provider.account()).signed_in:
            await provider.list_status()  # its age says what is due: it is read before, and not on the event loop
        due = provider.due(self._now())
        if Due.REFRESH in due:
            status = await provider.refresh()
            if status.changed:
                self._publish(ServersChanged(provider.name, servers=status.servers))
        if Due.ACCOUNT in due:
            account = await provider.account(refresh=True)
            self._publish(AccountChanged(provider.name, account.problem, account.days_left))
        if Due.ROTATE in due:
            await provider.rotate_key()
            self._publish(AccountChanged(provider.name, rotated=True))
        if {Due.ROTATE, Due.SETTLE} & due:
            # Also after a restart, where a tunnel that was taken over may still have the old key.
            await self._exits.renew(provider.name)
            await provider.settle()

    def _failed(self, name: str, error: Exception) -> float:
        """Seconds to leave the provider alone, with jitter: many gateways may have lost the same provider."""
        count = self._failures[name] = self._failures.get(name, 0) + 1
        wait = _QUIET.delay(count)
        if isinstance(error, RateLimitedError):
            wait = max(wait, error.retry_after)
        self._quiet_until[name] = time.monotonic() + wait
        return wait
