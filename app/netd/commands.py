"""The table of command handlers. A handler checks all of its command before it changes anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from app.protocol.commands import Command, Handler, HandlerEntry

R = TypeVar("R")


class Commands:
    """The table that dispatches each command to its handler."""

    def __init__(self, entries: Iterable[HandlerEntry], check_not_restarting: Callable[[], None]) -> None:
        """``check_not_restarting`` raises a GatewayError once a restart is due and nothing may be changed."""
        self._handlers: dict[type[Command[Any]], Handler] = dict(entries)
        self._check_not_restarting = check_not_restarting

    def with_entries(self, entries: Iterable[HandlerEntry]) -> Commands:
        """A new table with ``entries`` added."""
        return Commands((*self._handlers.items(), *entries), self._check_not_restarting)

    @property
    def command_types(self) -> frozenset[type[Command[Any]]]:
        return frozenset(self._handlers)

    async def run(self, command: Command[R]) -> R:
        """Carry out ``command``. Raises GatewayError; then nothing has changed."""
        self._check_not_restarting()
        return await self._handlers[type(command)](command)
