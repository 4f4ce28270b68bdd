"""The tasks of the exits' machines, which begin and end while netd runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from app.tasks import end


class Machine(Protocol):
    """What is used of :class:`app.tunnel.machine.ExitMachine`."""

    name: str

    async def run(self) -> None: ...


class ExitTasks:
    """One task for each machine. A task that fails is a bug, which ends the others and is raised."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by the identity of the machine

    async def run(self, machines: Iterable[Machine]) -> None:
        """Run the tasks of ``machines`` and of those that begin later, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for machine in machines:
                    self.begin(machine)
                await asyncio.Event().wait()
        finally:
            self._group = None
            self._tasks.clear()

    def begin(self, machine: Machine) -> None:
        """Start the task of ``machine``, once :meth:`run` runs."""
        if self._group is not None and id(machine) not in self._tasks:
            self._tasks[id(machine)] = self._group.create_task(machine.run(), name=f"exit {machine.name}")

    async def end(self, machine: Machine) -> None:
        """End the task of ``machine``."""
        task = self._tasks.pop(id(machine), None)
        if task is not None:
            await end([task])

    def runs(self, machine: Machine) -> bool:
        return id(machine) in self._tasks
