"""The gateway that netd offers to its clients: a snapshot, a stream of events, commands."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from app.netd.bulk import BulkRunner
from app.netd.commands import Commands
from app.netd.events import EventBus
from app.netd.snapshot import SnapshotReader
from app.protocol.commands import Command
from app.protocol.events import Event
from app.protocol.status import Snapshot
from app.providers.registry import Registry

R = TypeVar("R")


class NetdGateway:
    """The implementation of :class:`app.protocol.gateway.Gateway`."""

    def __init__(
        self, *, snapshots: SnapshotReader, events: EventBus, commands: Commands, bulk: BulkRunner, registry: Registry
    ) -> None:
        self._snapshots = snapshots
        self._events = events
        self._commands = commands
        self._bulk = bulk
        self._registry = registry

    async def snapshot(self) -> Snapshot:
        return await self._snapshots.read()

    def subscribe(self, after: int | None = None) -> AsyncIterator[Event]:
        return self._events.subscribe(after)

    async def submit(self, command: Command[R]) -> R:
        """Carry out ``command``. Raises GatewayError; then nothing has changed."""
        if not command.during_bulk:
            self._bulk.check_free()
        return await self._commands.run(command)

    async def providers(self) -> tuple[str, ...]:
        return self._registry.names
