"""The protocol ``Gateway``: all that crosses the process boundary, a snapshot, a stream of events, typed commands.

netd implements it, and :mod:`app.ipc` carries it over a Unix socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

from app.protocol.commands import Command
from app.protocol.events import Event
from app.protocol.status import Snapshot

R = TypeVar("R")


class Gateway(Protocol):
    async def snapshot(self) -> Snapshot: ...

    def subscribe(self, after: int | None = None) -> AsyncIterator[Event]:
        """Events from now on, or those after sequence number ``after`` that are still kept, then live ones."""
        ...

    async def submit(self, command: Command[R]) -> R:
        """Carry out ``command``. Raises a :class:`app.errors.GatewayError`; then nothing has changed."""
        ...

    async def providers(self) -> tuple[str, ...]: ...
