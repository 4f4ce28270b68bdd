"""Periodic provider work: refresh lists, check accounts, rotate keys, remove old devices.

Only providers with a signed-in account have work due, so no other provider is ever contacted from here.
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
from app.providers.base import AccountProvider, Due, HoldsSessions
from app.providers.errors import RateLimitedError
from app.providers.registry import Registry

log = logging.getLogger(__name__)

INTERVAL = 60.0  # seconds between checks
START_DELAY = 3.0  # seconds after the start, so that a tunnel about to connect carries the requests
MIN_DELAY, MAX_DELAY = 60.0, 3600.0  # seconds until the next attempt after a failure, doubled each time

_BACKOFF = Backoff(MIN_DELAY, MAX_DELAY)


class RenewableExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    async def renew(self, provider: str) -> bool: ...

    def servers_in_use(self, provider: str) -> frozenset[str]: ...


class ProviderMaintenance:
    """The periodic work for all providers, with a back-off for each."""

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
        self._retry_at: dict[str, float] = {}  # CLOCK_MONOTONIC

    async def run(self) -> None:
        """Run until cancelled."""
        await asyncio.sleep(START_DELAY)
        while True:
            await self.run_due_work()
            await asyncio.sleep(INTERVAL)

    async def run_due_work(self) -> None:
        """Do the work that is due. Raises nothing; failed work is retried later."""
        for provider in self._registry.all:
            if not isinstance(provider, AccountProvider) or self._retry_at.get(provider.name, 0) > time.monotonic():
                continue
            try:
                await self._maintain(provider)
            except GatewayError as error:
                wait = self._back_off(provider.name, error)
                log.warning("%s: %s; trying again in %.0f s", provider.title, error.message, wait)
            except Exception as error:
                log.exception("%s: internal error", provider.title)
                self._back_off(provider.name, error)
            else:
                self._failures.pop(provider.name, None)

    async def _maintain(self, provider: AccountProvider) -> None:
        if (await provider.account()).signed_in:
            await provider.list_status()  # loads the list in a thread; ``due`` needs the list's age
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
        # Also after a restart: an adopted tunnel may still use the old key.
        if {Due.ROTATE, Due.SETTLE} & due and await self._exits.renew(provider.name):
            await provider.settle()
        if isinstance(provider, HoldsSessions):
            await provider.end_sessions(self._exits.servers_in_use(provider.name))

    def _back_off(self, name: str, error: Exception) -> float:
        """Seconds until the next attempt, with jitter: many gateways may have lost the same provider."""
        count = self._failures[name] = self._failures.get(name, 0) + 1
        wait = _BACKOFF.delay(count)
        if isinstance(error, RateLimitedError):
            wait = max(wait, error.retry_after or 0.0)
        self._retry_at[name] = time.monotonic() + wait
        return wait
