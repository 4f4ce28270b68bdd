"""The exits: their operations, and the context in which their state machines run.

An operation changes intent and machine together, and restores the intent if the machine does not follow.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from msgspec.structs import replace

from app.errors import GatewayError, NotFoundError
from app.exit_settings import exit_settings, numbered
from app.model import Server
from app.netd.exit_machines import ExitMachines
from app.netd.exit_status import exit_status
from app.netd.transition import ExitTransition
from app.protocol.status import ExitStatus
from app.tunnel.machine import ExitMachine
from app.tunnel.states import (
    Connected,
    Disconnected,
    Target,
    tunnels_of,
)


class Exits(ExitMachines):
    """The exits: which there are, what is asked of them, and how they are."""

    def start(self) -> None:
        """Announce the adopted tunnels and resume the stored goals. Call it before the machines run."""
        ran_before = self._record.ran_before
        for name, machine in self._machines.items():
            goal = self._intent.goal(name)
            at_boot = self.settings.connect_at_boot and exit_settings(self.settings, name).auto_connect
            if isinstance(machine.state, Connected):
                self._notify(ExitTransition(name, Disconnected(), machine.state))
            elif goal is not None and (at_boot or ran_before):
                machine.set_goal_nowait(goal.target, "resumed")

    async def run(self) -> None:
        """Run the machines until cancelled."""
        await self._tasks.run(self.machines)

    # --- which exits there are ---------------------------------------------------------------------------------------

    async def follow_settings(self) -> None:
        """Have the machines follow the settings: end, rename and begin those that differ. The others are not touched.

        Raises KernelError; then the machine that could not follow is as it was.
        """
        wanted = dict(numbered(self.settings))
        for machine in self.machines:
            if machine.index not in wanted:
                await self._end(machine)
        self._rename(wanted)
        present = {machine.index for machine in self.machines}
        for index, name in wanted.items():
            if index not in present:
                await self._begin(name, index)

    def rename(self) -> None:
        """Call the exits as the settings do; call it at the moment at which those have changed."""
        self._rename(dict(numbered(self.settings)))

    async def take_down(self, exit_name: str) -> None:
        """Return once the exit is down and its devices blocked; its goal stays stored. Raises as :meth:`disconnect`."""
        machine = self.get(exit_name)
        if self._tasks.runs(machine):
            await machine.disconnect()

    def resume(self, exit_name: str, cause: str | None = None) -> None:
        """Go for the stored goal of the exit again, without waiting for it."""
        goal, machine = self._intent.goal(exit_name), self._machines.get(exit_name)
        if goal is not None and machine is not None:
            machine.set_goal_nowait(goal.target, cause)

    async def _begin(self, name: str, index: int) -> None:
        await self._network.add_exit(name, index)
        machine = self._machines[name] = ExitMachine(name, index, self)
        self._entered[name] = time.time()
        self._tasks.begin(machine)
        self.resume(name, "restored")  # one that was removed and is there again
        self.changed(name)

    async def _end(self, machine: ExitMachine) -> None:
        if self._tasks.runs(machine):
            await machine.disconnect()
        await self._network.drop_exit(machine.index)
        await self._tasks.end(machine)
        del self._machines[machine.name]
        self._entered.pop(machine.name, None)
        self._claims.settle(machine.index, ())
        self._intent.forget(machine.name)
        self._record.save({m.name: m.state for m in self.machines})

    def _rename(self, names: Mapping[int, str]) -> None:
        moved = {m.name: names[m.index] for m in self.machines if m.index in names and names[m.index] != m.name}
        if not moved:
            return
        machines = self._machines.values()
        self._entered = {moved.get(name, name): entered for name, entered in self._entered.items()}
        for old, new in moved.items():
            machine = self._machines[old]
            machine.rename(new)
            self._network.rename_exit(machine.index, new)
            self._intent.rename(old, new)
        self._machines = {machine.name: machine for machine in machines}
        self._record.save({m.name: m.state for m in self.machines})

    # --- operations --------------------------------------------------------------------------------------------------

    async def connect(
        self, exit_name: str, target: Target, *, asked: str | None = None, cause: str | None = None
    ) -> None:
        """Return once the exit is connected to ``target``, to which ``asked`` was resolved (None = named directly).

        Raises NotFoundError, and what :meth:`ExitMachine.connect` raises. An unusable server changes nothing.
        """
        machine = self.get(exit_name)
        async with self._fetched_once(target) as server:
            self._check(machine, server)  # with no wait before the goal is noted: nobody comes in between
            # A transaction of the store keeps what was stored, too, and undoes what its own task has changed.
            if isinstance(machine.state, Connected) and not self._store.in_transaction:
                await self._switch(machine, target, cause, asked)
                return
            before = self._intent.goal(machine.name)
            self._intent.set_goal(machine.name, target, asked)
            try:
                await machine.connect(target, cause)
            except BaseException:
                # A failed switch leaves the old tunnel up, which is what a restart should restore.
                if before is not None and machine.goal == before.target != target:
                    self._intent.restore_goal(machine.name, before, failed=target)
                raise

    def connect_nowait(self, exit_name: str, target: Target, *, asked: str, cause: str) -> None:
        """Make ``target`` the goal of an exit without waiting for it. Raises NotFoundError, ConflictError."""
        machine = self.get(exit_name)
        self._uses.check_free(machine.name, target)
        self._intent.set_goal(machine.name, target, asked)
        machine.set_goal_nowait(target, cause)

    async def switch(self, exit_name: str, target: Target, cause: str, *, asked: str | None = None) -> None:
        """Switch from the present tunnel to ``target``. Raises what :meth:`connect` raises.

        A key that no server has ever answered and that has had its attempts is not tried by a timer.
        """
        machine = self.get(exit_name)
        if (problem := self._keys.problem(target)) is not None:
            raise problem
        async with self._fetched_once(target) as server:
            self._check(machine, server)
            await self._switch(machine, target, cause, asked)

    def _check(self, machine: ExitMachine, server: Server) -> None:
        """Check what may have changed while the configuration was fetched. Raises NotFoundError, ConflictError.

        The exit may have another name by now, or be gone; another one may have taken the server.
        """
        if self._machines.get(machine.name) is not machine:
            raise NotFoundError(f"there is no exit {machine.name!r} any more", field="exit")
        self._uses.check(machine.name, server)

    async def _switch(self, machine: ExitMachine, target: Target, cause: str | None, asked: str | None) -> None:
        """Switch to ``target``; then the intent follows. Until then a restart comes back to the tunnel that is up."""
        self._intent.propose(machine.name, target, asked)
        try:
            await machine.connect(target, cause)
        except BaseException:
            if machine.goal != target:
                self._intent.withdraw(machine.name, target)
            raise
        self._intent.settle(machine.name, target)

    async def disconnect(self, exit_name: str) -> None:
        """Return once the exit is down and its devices are blocked. Raises NotFoundError. Idempotent."""
        machine = self.get(exit_name)
        self._intent.set_goal(exit_name, None)
        await machine.disconnect()

    async def renew(self, provider: str) -> bool:
        """Renew the tunnels of ``provider`` with its present key; an exit that waits for the account retries at once.

        Returns whether older keys are needed no more: not while an exit waits for a server that answers the present
        one, if none ever did. Raises GatewayError; then the old tunnel is still up.
        """
        proven = True
        for machine in [m for m in self.machines if any(target.provider == provider for target in _targets(m))]:
            if machine.goal is not None and (problem := self._keys.problem(machine.goal)) is not None:
                raise problem
            if isinstance(machine.state, Connected):
                await machine.renew("key_changed")
            elif machine.goal is not None:
                machine.set_goal_nowait(machine.goal)
                proven = proven and not self._keys.is_unproven(machine.goal)
        return proven

    async def restore_goals(self, before: Mapping[str, Target | None], own_goals: Mapping[str, Target | None]) -> None:
        """Move exits from the goals ``own_goals`` back to those of ``before``; the settings are restored already.

        An exit that another request has moved since stays, and the settings follow it.
        """
        for name, machine in self._machines.items():
            goal = before.get(name)
            if name in own_goals and machine.goal == own_goals[name] and machine.goal != goal:
                if goal is not None:
                    machine.set_goal_nowait(goal)
                else:
                    with contextlib.suppress(GatewayError):  # the machine's state then says that it is blocked
                        await machine.disconnect()
            wanted = self._intent.goal(name)
            if machine.goal != (wanted.target if wanted is not None else None):
                asked = self._intent.asked_for(name, machine.goal) if machine.goal is not None else None
                self._intent.set_goal(name, machine.goal, asked)

    # --- present state -----------------------------------------------------------------------------------------------

    def goals(self) -> dict[str, Target | None]:
        return {name: machine.goal for name, machine in self._machines.items()}

    def using(self, provider: str) -> list[str]:
        """The exits whose tunnel or goal is a server of ``provider``."""
        return [m.name for m in self.machines if any(target.provider == provider for target in _targets(m))]

    def servers_in_use(self, provider: str) -> frozenset[str]:
        """The servers of ``provider`` that are a tunnel's or a goal, by host name."""
        targets = (target for machine in self.machines for target in _targets(machine))
        return frozenset(target.hostname for target in targets if target.provider == provider)

    def user_of(self, target: Target) -> str | None:
        """An exit whose tunnel or goal is ``target``."""
        return next((m.name for m in self.machines if target in _targets(m)), None)

    def status(self) -> tuple[ExitStatus, ...]:
        return tuple(self._status(machine) for machine in self.machines)

    def _status(self, machine: ExitMachine) -> ExitStatus:
        goal = self._intent.goal(machine.name)
        first = goal.first_choice if goal is not None else None
        return replace(
            exit_status(machine, self._entered[machine.name]),
            label=exit_settings(self.settings, machine.name).label,
            asked=goal.asked if goal is not None else None,
            fallback_for=first.hostname if first is not None else None,
        )

    def freeze(self) -> None:
        """Stop all changes and remove the adoption record: the next process begins with other settings."""
        self._network.freeze()
        self._record.close()
        for machine in self.machines:
            traffic = self._last_traffic(machine.index, machine.state)
            self._notify(ExitTransition(machine.name, machine.state, Disconnected(), "restored", traffic))


def _targets(machine: ExitMachine) -> set[Target]:
    """The servers of the machine's tunnels and goal."""
    used = {tunnel.target for tunnel in tunnels_of(machine.state)}
    return used if machine.goal is None else used | {machine.goal}
