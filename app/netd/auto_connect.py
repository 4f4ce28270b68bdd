"""The automatic connection of exits that have a target and no server yet: after the start, and when newly made."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from app.errors import GatewayError
from app.exit_settings import exit_names, exit_settings
from app.netd.intent import Intent
from app.netd.protocols import ExitServers
from app.store import Store
from app.tunnel.states import Target

log = logging.getLogger(__name__)

RETRY = 30.0  # seconds; the server list may not have been fetched yet


class ConnectableExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    def connect_nowait(self, exit_name: str, target: Target, *, asked: str, cause: str) -> None: ...


class AutoConnect:
    """The exits that wait for a server; a request for one of them takes it out."""

    def __init__(self, exits: ConnectableExits, targets: ExitServers, intent: Intent, store: Store) -> None:
        self._exits = exits
        self._targets = targets
        self._intent = intent
        self._store = store
        self._waiting: set[str] = set()
        self._due = asyncio.Event()

    def start(self, *, at_boot: bool) -> None:
        """Have the exits connect that should after a boot."""
        if at_boot and self._store.settings.connect_at_boot:
            for name in exit_names(self._store.settings):
                self.add(name)

    def add(self, exit_name: str) -> None:
        """Have the exit connect to its target, if it should by itself and has no server yet."""
        own = exit_settings(self._store.settings, exit_name)
        if own.auto_connect and own.target is not None and self._intent.goal(exit_name) is None:
            self._waiting.add(exit_name)
            self._due.set()

    def forget(self, exit_name: str) -> bool:
        """Leave the exit to whoever has asked for something else. Returns whether it waited."""
        waited = exit_name in self._waiting
        self._waiting.discard(exit_name)
        return waited

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            await self.check()
            if self._waiting:
                asyncio.get_running_loop().call_later(RETRY, self._due.set)

    async def check(self) -> None:
        """Try the waiting exits once."""
        for name in sorted(self._waiting):
            if name not in exit_names(self._store.settings) or self._intent.goal(name) is not None:
                self._waiting.discard(name)
                continue
            try:
                choice = await self._targets.own(name)
                if name in self._waiting:  # nobody has asked for anything else in the meantime
                    self._exits.connect_nowait(name, choice.targets[0], asked=choice.asked, cause="auto_connect")
                    self._waiting.discard(name)
            except GatewayError as error:
                log.info("exit %s: it does not connect by itself yet: %s", name, error.message)
