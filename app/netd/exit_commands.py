"""The commands that make, change, rename and remove exits while the others run on."""

from __future__ import annotations

import asyncio
from typing import Protocol

from msgspec import UNSET
from msgspec.structs import replace

from app.errors import ConflictError, GatewayError, InvalidFieldError, KernelError, NotFoundError
from app.exit_changes import renamed, restored, with_exit, with_exit_settings, without_exit
from app.exit_settings import exit_names, exit_settings
from app.exit_users import Users, users_of
from app.model import (
    DEFAULT_EXIT,
    MAX_USER_EXITS,
    BlockedPolicy,
    DirectPolicy,
    ExitSettings,
    Policy,
    PolicyException,
    Server,
    VpnPolicy,
)
from app.netd.intent import Goal, Intent
from app.netd.protocols import DeviceNetwork, ExitServers, OwnerPassword, ProviderLookup
from app.protocol.answers import Done
from app.protocol.commands import ChangeExit, HandlerEntry, MakeExit, RemoveExit
from app.protocol.events import EventSink, ExitChanged, StatusChanged
from app.protocol.exit_commands import ExitChange
from app.providers.never import Exclusion
from app.store import Store
from app.store.exit_rules import check_exit_settings, check_new_name
from app.tunnel.states import Target


class ChangeableExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    def get(self, name: str) -> object: ...

    async def follow_settings(self) -> None: ...

    def rename(self) -> None: ...

    async def take_down(self, exit_name: str) -> None: ...

    def resume(self, exit_name: str, cause: str | None = None) -> None: ...

    def connect_nowait(self, exit_name: str, target: Target, *, asked: str, cause: str) -> None: ...


class WaitingExits(Protocol):
    """What is used of :class:`app.netd.auto_connect.AutoConnect`."""

    def add(self, exit_name: str) -> None: ...

    def forget(self, exit_name: str) -> bool: ...


class TrafficNames(Protocol):
    """What is used of :class:`app.netd.statistics.Statistics`."""

    async def rename_exit(self, old: str, new: str) -> None: ...


class NamingExceptions(Protocol):
    """What is used of :class:`app.netd.policies.open_exceptions.OpenExceptions`."""

    @property
    def kept(self) -> tuple[PolicyException, ...]: ...

    def change_policy(self, old: Policy, new: Policy) -> None: ...

    def put_back(self, old: tuple[PolicyException, ...]) -> None: ...


class ExitCommands:
    """The handlers of MakeExit, ChangeExit and RemoveExit; one at a time, so that no number is given twice."""

    def __init__(
        self,
        *,
        store: Store,
        exits: ChangeableExits,
        network: DeviceNetwork,
        providers: ProviderLookup,
        servers: ExitServers,
        intent: Intent,
        waiting: WaitingExits,
        traffic: TrafficNames,
        exceptions: NamingExceptions,
        publish: EventSink,
        check_owner: OwnerPassword,
    ) -> None:
        self._store = store
        self._exits = exits
        self._network = network
        self._providers = providers
        self._servers = servers
        self._intent = intent
        self._waiting = waiting
        self._traffic = traffic
        self._exceptions = exceptions
        self._publish = publish
        self._check_owner = check_owner
        self._changing = asyncio.Lock()

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return MakeExit.handled_by(self._make), ChangeExit.handled_by(self._change), RemoveExit.handled_by(self._remove)

    # --- make --------------------------------------------------------------------------------------------------------

    async def _make(self, command: MakeExit) -> Done:
        new = command.exit
        async with self._changing:
            self._check_name(new.name)
            settings = self._store.settings
            if len(exit_names(settings)) >= MAX_USER_EXITS:
                raise ConflictError(f"there are already {MAX_USER_EXITS} exits; remove one first", code="too_many")
            check_exit_settings(new, with_exit(settings, new))
            self._check_providers(new)
            self._store.update_settings(lambda s: with_exit(s, new))
            try:
                await self._exits.follow_settings()
            except BaseException:  # also where the client has gone away
                self._store.update_settings(lambda s: without_exit(s, new.name, BlockedPolicy()))
                raise
        self._publish(ExitChanged(new.name, "made"))
        self._waiting.add(new.name)
        return Done()

    # --- change ------------------------------------------------------------------------------------------------------

    async def _change(self, command: ChangeExit) -> Done:
        async with self._changing:
            self._exits.get(command.name)
            before = exit_settings(self._store.settings, command.name)
            new_name = command.change.name
            if new_name is not UNSET and new_name != command.name:
                await self._rename(command.name, new_name)
            name = command.name if new_name is UNSET else new_name
            try:
                changed = await self._set(name, command.change)
            except GatewayError:
                if name != command.name:
                    await self._move(name, command.name)
                raise
            if name != command.name:
                self._publish(ExitChanged(name, "renamed", before=command.name))
            if changed:
                self._publish(ExitChanged(name, "changed"))
        warnings = await self._leave_never_used(name, before)
        return Done(warnings=warnings)

    async def _rename(self, old: str, new: str) -> None:
        if old == DEFAULT_EXIT:
            raise ConflictError(f"the exit {DEFAULT_EXIT} keeps its name", field="name", code="default_exit")
        self._check_name(new)
        await self._move(old, new)

    async def _move(self, old: str, new: str) -> None:
        self._exceptions.change_policy(VpnPolicy(old), VpnPolicy(new))
        try:
            self._store.update_settings(lambda s: renamed(s, old, new))
        except GatewayError:
            self._exceptions.change_policy(VpnPolicy(new), VpnPolicy(old))
            raise
        self._exits.rename()  # with no wait in between: settings and plan never differ
        self._waiting.forget(old)
        self._waiting.add(new)
        await self._traffic.rename_exit(old, new)
        self._publish(StatusChanged(new))

    async def _set(self, name: str, change: ExitChange) -> bool:
        """Store the settings that ``change`` names. Whether that was a change. Raises GatewayError; then it was not."""
        given = {field: value for field in change.__struct_fields__ if (value := getattr(change, field)) is not UNSET}
        given.pop("name", None)
        before = exit_settings(self._store.settings, name)
        after = replace(before, **given)
        if after == before:
            return False
        check_exit_settings(after, self._store.settings)
        self._check_providers(after)
        self._store.update_settings(lambda s: with_exit_settings(s, after))
        if after.dns != before.dns:
            try:
                await self._network.replan()
            except KernelError:
                self._store.update_settings(lambda s: with_exit_settings(s, before))
                raise
        if (after.auto_connect, after.target) != (before.auto_connect, before.target):
            self._waiting.add(name) if after.auto_connect else self._waiting.forget(name)
        return True

    async def _leave_never_used(self, name: str, before: ExitSettings) -> tuple[str, ...]:
        """Take the exit from a server that it never uses from now on; its devices are blocked until it has another."""
        never = exit_settings(self._store.settings, name).never
        goal = self._intent.goal(name)
        if never == before.never or goal is None:
            return ()
        reason = Exclusion(never).reason(await self._server(goal.target))
        if reason is None:
            return ()
        await self._exits.take_down(name)
        try:
            choice = await self._another(name, goal)
        except GatewayError as error:
            self._intent.set_goal(name, None)
            return (f"the exit is disconnected, because {reason}: {error.message}",)
        self._exits.connect_nowait(name, choice[0], asked=choice[1], cause="never_used")
        return (f"the exit connects to {choice[0].hostname}, because {reason}",)

    async def _another(self, name: str, goal: Goal) -> tuple[Target, str]:
        """Another server for what was asked for, else for what the exit is set to. Raises GatewayError."""
        try:
            choice = await self._servers.resolve(name, goal.asked, (goal.first_choice or goal.target).provider)
        except GatewayError as error:
            if exit_settings(self._store.settings, name).target is None:
                raise error from None
            choice = await self._servers.own(name)
        return choice.targets[0], choice.asked

    async def _server(self, target: Target) -> Server:
        try:
            servers = await self._providers.get(target.provider).servers()
        except GatewayError:
            servers = ()
        unknown = Server(target.hostname, target.provider)
        return next((s for s in servers if s.hostname == target.hostname), unknown)

    # --- remove ------------------------------------------------------------------------------------------------------

    async def _remove(self, command: RemoveExit) -> Done:
        name, then = command.name, command.then
        async with self._changing:
            self._exits.get(name)
            if name == DEFAULT_EXIT:
                raise ConflictError(f"the exit {DEFAULT_EXIT} cannot be removed", field="name", code="default_exit")
            before = self._store.settings
            users = users_of(before, name)
            if users and then is None:
                raise ConflictError(f"{_listed(users)} would lose its way out: say what is next", code="exit_in_use")
            if isinstance(then, VpnPolicy) and (then.exit == name or then.exit not in exit_names(before)):
                raise NotFoundError(f"there is no other exit {then.exit!r}", field="then")
            named = any(e.policy == VpnPolicy(name) for e in self._exceptions.kept)
            if (users or named) and isinstance(then, DirectPolicy):
                await self._check_owner(command.password)
            await self._exits.take_down(name)  # from here on its devices are blocked
            kept = self._exceptions.kept
            try:
                self._exceptions.change_policy(VpnPolicy(name), then or BlockedPolicy())
                self._store.update_settings(lambda s: without_exit(s, name, then or BlockedPolicy()))
                try:
                    await self._exits.follow_settings()
                except BaseException:
                    self._exceptions.put_back(tuple(e for e in kept if e.policy == VpnPolicy(name)))
                    self._store.update_settings(lambda s: restored(s, before, name))
                    raise
            except BaseException:
                self._exits.resume(name, "restored")
                raise
            self._waiting.forget(name)
        self._publish(ExitChanged(name, "removed"))
        self._publish(StatusChanged())
        return Done()

    # --- checks ------------------------------------------------------------------------------------------------------

    def _check_name(self, name: str) -> None:
        check_new_name(name)
        if name in exit_names(self._store.settings):
            raise ConflictError(f"there is already an exit {name}", field="name", code="name_in_use")

    def _check_providers(self, one: ExitSettings) -> None:
        ranks = enumerate(one.fallbacks)
        named = [("provider", one.provider), *((f"fallbacks[{n}].provider", f.provider) for n, f in ranks)]
        for field, provider in named:
            if provider is not None:
                try:
                    self._providers.get(provider)
                except NotFoundError as error:
                    raise InvalidFieldError(f"{field}: {error.message}", field=field) from None


def _listed(users: Users) -> str:
    """The users of an exit, for people."""
    count = len(users.devices)
    parts = [f"the device {users.devices[0]}"] if count == 1 else [f"{count} devices"] if count else []
    parts += [f"the group {name}" for name in users.groups]
    if users.default_policy:
        parts.append("every device without a policy of its own")
    return ", ".join(parts)
