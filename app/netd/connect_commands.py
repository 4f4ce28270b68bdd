"""The commands connect and disconnect. For a place, the first server there that answers is used."""

from __future__ import annotations

from typing import Protocol

from app.errors import ConflictError, ConnectTimeoutError, GatewayError
from app.netd.intent import Intent
from app.netd.protocols import Choice, ExitServers
from app.protocol.answers import Done
from app.protocol.commands import Connect, Disconnect, HandlerEntry
from app.tunnel.failure_history import FailureHistory
from app.tunnel.states import Target

MAX_ATTEMPTS = 3  # servers tried for a selector that means several


class ConnectableExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    def get(self, name: str) -> object: ...

    async def connect(self, exit_name: str, target: Target, *, asked: str | None = None) -> None: ...

    async def disconnect(self, exit_name: str) -> None: ...


class WaitingExits(Protocol):
    """What is used of :class:`app.netd.auto_connect.AutoConnect`."""

    def forget(self, exit_name: str) -> bool: ...

    def add(self, exit_name: str) -> None: ...


class KeyRecord(Protocol):
    """What is used of :class:`app.netd.unproven_keys.UnprovenKeys`."""

    def problem(self, target: Target) -> GatewayError | None: ...


class ConnectCommands:
    """The handlers of connect and disconnect."""

    def __init__(
        self,
        *,
        exits: ConnectableExits,
        servers: ExitServers,
        waiting: WaitingExits,
        intent: Intent,
        failures: FailureHistory,
        keys: KeyRecord,
    ) -> None:
        self._exits = exits
        self._servers = servers
        self._waiting = waiting
        self._intent = intent
        self._failures = failures
        self._keys = keys

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return Connect.handled_by(self._connect), Disconnect.handled_by(self._disconnect)

    async def _connect(self, command: Connect) -> Done:
        self._exits.get(command.exit)
        waited = self._waiting.forget(command.exit)
        try:
            return await self._connect_to_choice(command)
        except BaseException:
            if waited:  # a request that was refused has changed nothing; with a goal the exit no longer waits
                self._waiting.add(command.exit)
            raise

    async def _connect_to_choice(self, command: Connect) -> Done:
        choice = await self._choice(command)
        targets = choice.targets[:MAX_ATTEMPTS]
        named = targets[0].hostname == command.server
        for target in targets:
            try:
                await self._exits.connect(command.exit, target, asked=choice.asked)
            except ConflictError as error:
                # Two requests may choose the same server at one moment; the second one takes the next.
                if error.code != "server_in_use" or target == targets[-1]:
                    raise
            except ConnectTimeoutError:
                self._failures.record_failure(command.exit, target)
                if (problem := self._keys.problem(target)) is not None:
                    raise problem from None
                if target == targets[-1]:
                    raise
            else:
                self._intent.mark_recent(target)
                return Done(server=None if named else target.hostname)
        raise AssertionError("a selector means one server at least")

    async def _choice(self, command: Connect) -> Choice:
        if command.server is None:
            return await self._servers.own(command.exit)
        return await self._servers.resolve(command.exit, command.server, command.provider)

    async def _disconnect(self, command: Disconnect) -> Done:
        self._waiting.forget(command.exit)
        await self._exits.disconnect(command.exit)
        return Done("Disconnected - No internet (killswitch active)")
