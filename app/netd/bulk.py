"""Bulk requests: many commands, carried out all or none, or independently of each other."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from itertools import groupby
from typing import Protocol

from app.errors import ConflictError, GatewayError, KernelError, UnavailableError
from app.model import PolicyException, SeenDevice
from app.netd import outcomes
from app.protocol.answers import Outcome
from app.protocol.commands import (
    AddCustomServer,
    AdmitDevice,
    Bulk,
    Command,
    HandlerEntry,
    ImportConfig,
    SetDevicePolicy,
    SetDeviceSchedule,
    SetGroup,
)
from app.protocol.events import EventSink, ServersChanged
from app.store import Store
from app.tunnel.states import Target

log = logging.getLogger(__name__)

TIMEOUT = 45.0  # seconds for the whole request; below the one minute after which the socket's client gives up

# These change the policies of devices alone: where they follow one another, the kernel gets one plan for all of them.
POLICY_CHANGES = (SetDevicePolicy, SetDeviceSchedule, SetGroup, AdmitDevice)

CommandRunner = Callable[[Command[object]], Awaitable[object]]


class RevertibleExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    def goals(self) -> dict[str, Target | None]: ...

    async def follow_settings(self) -> None: ...

    async def restore_goals(
        self, before: Mapping[str, Target | None], own_goals: Mapping[str, Target | None]
    ) -> None: ...


class RevertibleExceptions(Protocol):
    """What is used of :class:`app.netd.policies.exceptions.Exceptions`."""

    @property
    def kept(self) -> tuple[PolicyException, ...]: ...

    def restore(self, kept: tuple[PolicyException, ...]) -> None: ...


class RevertibleSightings(Protocol):
    """What is used of :class:`app.netd.devices.watcher.DeviceWatcher`."""

    @property
    def devices(self) -> tuple[SeenDevice, ...]: ...

    def restore(self, devices: Iterable[SeenDevice]) -> None: ...


class RevertibleHistory(Protocol):
    """What is used of :class:`app.store.device_history.DeviceHistory`."""

    def begin(self) -> None: ...

    def commit(self) -> None: ...

    def abort(self) -> None: ...


class FollowedPolicies(Protocol):
    """What is used of :class:`app.netd.policies.changes.PolicyChanges`."""

    async def follow(self) -> None: ...

    def together(self) -> AbstractAsyncContextManager[None]: ...


class FileImporter(Protocol):
    """What is used of :class:`app.netd.imports.ServerImporter`."""

    async def import_files(
        self, commands: tuple[ImportConfig, ...], check_free: Callable[[], None], *, atomic: bool
    ) -> tuple[Outcome, ...]: ...


class BulkRunner:
    """The runner carries out bulk requests; ``run`` carries out one command."""

    def __init__(
        self,
        *,
        run: CommandRunner,
        store: Store,
        exits: RevertibleExits,
        policies: FollowedPolicies,
        importer: FileImporter,
        publish: EventSink,
        exceptions: RevertibleExceptions | None = None,
        sightings: RevertibleSightings | None = None,
        history: RevertibleHistory | None = None,
    ) -> None:
        self._run = run
        self._store = store
        self._exits = exits
        self._policies = policies
        self._importer = importer
        self._publish = publish
        self._exceptions = exceptions
        self._sightings = sightings
        self._history = history
        self._atomic = False

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (Bulk.handled_by(self.run),)

    def check_free(self) -> None:
        """Raises ConflictError (``busy``) while an atomic request is being carried out."""
        if self._atomic:
            raise ConflictError("a bulk request is being carried out; try again in a moment", code="busy")

    async def run(self, bulk: Bulk) -> tuple[Outcome, ...]:
        """If ``bulk`` is atomic, raises the error of the command that failed; then nothing has changed."""
        self.check_free()
        files = tuple(c for c in bulk.commands if isinstance(c, ImportConfig) and c.from_file)
        if files and len(files) == len(bulk.commands):
            return await self._importer.import_files(files, self.check_free, atomic=bulk.atomic)
        if bulk.atomic:
            return await self._all_or_none(bulk.commands)
        return await self._independently(bulk.commands)

    async def _independently(self, commands: tuple[Command[object], ...]) -> tuple[Outcome, ...]:
        """Carry out each command. If all add servers, the store is written once at the end: SD cards are slow."""
        if not all(isinstance(c, ImportConfig | AddCustomServer) for c in commands):
            return await self._one_by_one(commands)
        self._store.begin()
        try:
            results = await self._one_by_one(commands)
        except BaseException:
            self._store.abort()
            raise
        self._store.commit()
        return results

    async def _one_by_one(self, commands: tuple[Command[object], ...]) -> tuple[Outcome, ...]:
        found: list[Outcome] = []
        end = asyncio.get_running_loop().time() + TIMEOUT
        for command in commands:
            try:
                async with asyncio.timeout_at(end):
                    found.append(await self._outcome(command))
            except TimeoutError:
                found.append(outcomes.from_error(_timeout_error()))
            except GatewayError as error:
                found.append(outcomes.from_error(error))
        return tuple(found)

    async def _outcome(self, command: Command[object]) -> Outcome:
        await asyncio.sleep(0)  # many commands never wait, and others are to be served meanwhile
        return outcomes.from_result(await self._run(command))

    async def _all_or_none(self, commands: tuple[Command[object], ...]) -> tuple[Outcome, ...]:
        before = self._exits.goals()
        exceptions = self._exceptions.kept if self._exceptions is not None else ()
        seen = self._sightings.devices if self._sightings is not None else ()
        own_goals: dict[str, Target | None] = {}
        found: list[Outcome] = []
        number = 0
        self._atomic = True
        self._store.begin()
        if self._history is not None:
            self._history.begin()
        try:
            async with asyncio.timeout(TIMEOUT):
                for policies, several in groupby(enumerate(commands), lambda each: isinstance(each[1], POLICY_CHANGES)):
                    async with self._policies.together() if policies else nullcontext():
                        for number, command in several:  # noqa: B007 - for the error
                            try:
                                found.append(await self._outcome(command))
                            finally:
                                name = getattr(command, "exit", None)
                                if isinstance(name, str) and name in before and name in self._exits.goals():
                                    own_goals[name] = self._exits.goals()[name]
            self._store.commit()
            if self._history is not None:
                self._history.commit()
        except TimeoutError:
            await self._undo(before, own_goals, exceptions, seen)
            raise outcomes.with_position(_timeout_error(), number) from None
        except GatewayError as error:
            await self._undo(before, own_goals, exceptions, seen)
            raise outcomes.with_position(error, number) from None
        except BaseException:
            await self._undo(before, own_goals, exceptions, seen)
            raise
        finally:
            self._atomic = False
        return tuple(found)

    async def _undo(
        self,
        before: Mapping[str, Target | None],
        own_goals: Mapping[str, Target | None],
        exceptions: tuple[PolicyException, ...],
        seen: tuple[SeenDevice, ...],
    ) -> None:
        """Restore settings, exceptions, what is known of devices, exits, plan.

        An exit that another request has moved stays there.
        """
        if self._history is not None:
            self._history.abort()
        if self._store.in_transaction:
            self._store.abort()
        changed = self._exceptions is not None and self._exceptions.kept != exceptions
        if self._exceptions is not None and changed:
            self._exceptions.restore(exceptions)
        if self._sightings is not None:
            self._sightings.restore(seen)
        try:
            await self._exits.follow_settings()
        except GatewayError as error:
            log.error("a bulk request was undone, but an exit could not follow: %s", error.message)
        await self._exits.restore_goals(before, own_goals)
        try:
            await self._policies.follow()
        except KernelError as error:
            log.error("a bulk request was undone, but the plan could not be applied: %s", error.message)
        self._publish(ServersChanged(self._store.settings.provider))


def _timeout_error() -> UnavailableError:
    return UnavailableError(f"not done within {TIMEOUT:.0f} s", code="timeout")
