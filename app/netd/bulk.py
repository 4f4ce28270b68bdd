"""Many commands in one request: all or none, or each on its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from app.errors import ConflictError, GatewayError, KernelError, UnavailableError
from app.netd import outcomes
from app.netd.imports import import_files
from app.protocol.answers import Outcome
from app.protocol.commands import AddCustomServer, Bulk, Command, ImportConfig
from app.protocol.events import ServersChanged
from app.tunnel.states import Target

if TYPE_CHECKING:
    from app.netd.core import Core

log = logging.getLogger(__name__)

BUDGET = 45.0  # seconds for all of it: whoever asked over the socket gives up after a minute

Run = Callable[[Command[object]], Awaitable[object]]


class Bulks:
    def __init__(self, core: Core, run: Run) -> None:
        self._core = core
        self._run = run
        self._atomic = False

    def check_free(self) -> None:
        """Raises ConflictError (``busy``) while an atomic request is under way."""
        if self._atomic:
            raise ConflictError("a bulk request is being carried out; try again in a moment", code="busy")

    async def run(self, bulk: Bulk) -> tuple[Outcome, ...]:
        """Raises the error of the command that failed, where ``bulk`` is atomic; then nothing has changed."""
        self.check_free()
        files = tuple(c for c in bulk.commands if isinstance(c, ImportConfig) and c.from_file)
        if files and len(files) == len(bulk.commands):
            return await import_files(self._core, files, self.check_free, atomic=bulk.atomic)
        if bulk.atomic:
            return await self._all_or_none(bulk.commands)
        return await self._each(bulk.commands)

    async def _each(self, commands: tuple[Command[object], ...]) -> tuple[Outcome, ...]:
        """Servers alone are written once at the end: an SD card takes its time over each file."""
        if not all(isinstance(c, ImportConfig | AddCustomServer) for c in commands):
            return await self._one_by_one(commands)
        self._core.store.begin()
        try:
            results = await self._one_by_one(commands)
        except BaseException:
            self._core.store.abort()
            raise
        self._core.store.commit()
        return results

    async def _one_by_one(self, commands: tuple[Command[object], ...]) -> tuple[Outcome, ...]:
        found: list[Outcome] = []
        end = asyncio.get_running_loop().time() + BUDGET
        for command in commands:
            try:
                async with asyncio.timeout_at(end):
                    found.append(outcomes.done(await self._run(command)))
            except TimeoutError:
                found.append(outcomes.failed(_out_of_time()))
            except GatewayError as error:
                found.append(outcomes.failed(error))
        return tuple(found)

    async def _all_or_none(self, commands: tuple[Command[object], ...]) -> tuple[Outcome, ...]:
        core = self._core
        before = {name: machine.goal for name, machine in core.machines.items()}
        ours: dict[str, Target | None] = {}
        found: list[Outcome] = []
        number = 0
        self._atomic = True
        core.store.begin()
        try:
            async with asyncio.timeout(BUDGET):
                for number, command in enumerate(commands):  # noqa: B007 - told in the error
                    try:
                        found.append(outcomes.done(await self._run(command)))
                    finally:
                        if (name := getattr(command, "exit", None)) in core.machines:
                            ours[name] = core.machines[name].goal
            core.store.commit()
        except TimeoutError:
            await self._undo(before, ours)
            raise outcomes.placed(_out_of_time(), number) from None
        except GatewayError as error:
            await self._undo(before, ours)
            raise outcomes.placed(error, number) from None
        except BaseException:
            await self._undo(before, ours)
            raise
        finally:
            self._atomic = False
        return tuple(found)

    async def _undo(self, before: dict[str, Target | None], ours: dict[str, Target | None]) -> None:
        """Back to where it was, devices behind their locks on the way. An exit that somebody else moved is left."""
        core = self._core
        if core.store.in_transaction:
            core.store.abort()
        for name, machine in core.machines.items():
            if name in ours and machine.goal == ours[name] and machine.goal != before[name]:
                goal = before[name]
                if goal is None:
                    with contextlib.suppress(GatewayError):  # blocked, then, and said so by the machine
                        await machine.disconnect()
                else:
                    machine.resume(goal)
            if core.settings.desired.get(name) != (str(machine.goal) if machine.goal else None):
                await core.want(name, machine.goal)  # somebody disconnected it meanwhile, and meant it
        try:
            await core.replan()
        except KernelError as error:
            log.error("a bulk request was undone and the plan could not follow: %s", error.message)
        for device in core.settings.devices:
            await core.forget_device(device.mac)
        core.events.publish(ServersChanged(core.settings.provider))


def _out_of_time() -> UnavailableError:
    return UnavailableError(f"not done within {BUDGET:.0f} s", code="timeout")
