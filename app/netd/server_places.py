"""The places of the servers in use are kept, so that one that leaves its provider's list can be replaced nearby."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from app.errors import GatewayError
from app.exit_settings import exit_names
from app.model import Server, ServerPlace
from app.netd.intent import Intent
from app.store import Store

log = logging.getLogger(__name__)

INTERVAL = 60.0  # seconds


class ServerLists(Protocol):
    async def list(self, provider: str) -> tuple[Server, ...]:
        """Raises NotFoundError (``provider``)."""
        ...


class ServerPlaces:
    """Notes the place of each exit's server while its provider lists it."""

    def __init__(self, intent: Intent, directory: ServerLists, store: Store) -> None:
        self._intent = intent
        self._directory = directory
        self._store = store

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            await self.note()
            await asyncio.sleep(INTERVAL)

    async def note(self) -> None:
        """Note the places once. What cannot be stored now is tried again later."""
        for name in exit_names(self._store.settings):
            goal = self._intent.goal(name)
            if goal is None:
                continue
            chosen = goal.first_choice or goal.target
            try:
                servers = await self._directory.list(chosen.provider)
                server = next((s for s in servers if s.hostname == chosen.hostname), None)
                if server is not None:
                    self._intent.note_place(name, ServerPlace(str(chosen), server.country, server.city))
            except GatewayError as error:
                log.warning("exit %s: the place of its server is not kept: %s", name, error.message)
