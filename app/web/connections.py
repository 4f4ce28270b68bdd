"""Limits on open connections: for each client and in all, so that nobody takes the last descriptor.

Where a limit is reached, the oldest idle connection makes room: one that waits for a request, or for the end of a
request's head. A connection with a request under way is never closed for another, and WebSockets, which have limits of
their own (:mod:`app.api.websocket_limits`), do not count.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

MAX_PER_CLIENT = 64
MAX_OPEN = 1500  # of 4096 descriptors; 2000 are for WebSockets


class Connection(Protocol):
    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        ...

    @property
    def counted(self) -> bool:
        """Whether it counts: not once it is a WebSocket."""
        ...

    def end(self) -> None:
        """Begin to close it."""
        ...


class Connections:
    """The open connections, the oldest of each client first."""

    def __init__(self, per_client: int = MAX_PER_CLIENT, most: int = MAX_OPEN) -> None:
        self._per_client = per_client
        self._most = most
        self._open: dict[str, OrderedDict[Connection, None]] = {}

    def admit(self, client: str, connection: Connection) -> bool:
        """Count a new connection, and make room for it; False = there is none."""
        own = self._counted(client)
        if len(own) >= self._per_client and not self._end_oldest_idle(client):
            return False
        if self._total() >= self._most:
            most = sorted(self._open, key=lambda name: -len(self._counted(name)))
            if not any(self._end_oldest_idle(name) for name in most):
                return False
        self._open.setdefault(client, OrderedDict())[connection] = None
        return True

    def left(self, client: str, connection: Connection) -> None:
        """Forget a connection that is closed."""
        known = self._open.get(client, OrderedDict())
        known.pop(connection, None)
        if not known:
            self._open.pop(client, None)

    def _counted(self, client: str) -> list[Connection]:
        return [each for each in self._open.get(client, ()) if each.counted]

    def _total(self) -> int:
        return sum(len(self._counted(client)) for client in self._open)

    def _end_oldest_idle(self, client: str) -> bool:
        for each in self._counted(client):
            if each.idle:
                self.left(client, each)
                each.end()
                return True
        return False
