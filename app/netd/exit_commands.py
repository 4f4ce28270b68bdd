"""The commands that make, change, rename and remove exits while the others run on."""

from __future__ import annotations

import asyncio
from typing import Protocol

from msgspec import UNSET
from msgspec.structs import replace

from app.errors import ConflictError, GatewayError, InvalidFieldError, NotFoundError
from app.exit_changes import renamed, with_exit, with_exit_settings, without_exit
from app.exit_settings import exit_names, exit_settings
from app.model import DEFAULT_EXIT, MAX_USER_EXITS, BlockedPolicy, ExitSettings, VpnPolicy
from app.netd.exit_removal import ExitRemoval, NamingExceptions, RemovableExits, check_known
from app.netd.intent import Intent
from app.netd.never_used import MovableExits, NeverUsed
from app.netd.protocols import ExitServers, OwnerPassword, PlannedNetwork, ProviderLookup
from app.protocol.answers import Done
from app.protocol.commands import ChangeExit, HandlerEntry, MakeExit, RemoveExit
from app.protocol.events import EventSink, ExitChanged, StatusChanged
from app.protocol.exit_commands import ExitChange
from app.store import Store
from app.store.exit_rules import check_exit_settings, check_new_name


class ChangeableExits(RemovableExits, MovableExits, Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    def rename(self) -> None: ...


class WaitingExits(Protocol):
    """What is used of :class:`app.netd.auto_connect.AutoConnect`."""

    def add(self, exit_name: str) -> None: ...

    def forget(self, exit_name: str) -> bool: ...


class TrafficNames(Protocol):
    """What is used of :class:`app.netd.statistics.Statistics`."""

    async def rename_exit(self, old: str, new: str) -> None: ...


class FollowedPolicies(Protocol):
    """What is used of :class:`app.netd.policies.changes.PolicyChanges`."""

    def rename_exit(self, old: str, new: str) -> None: ...

    def wake(self) -> None: ...


class ExitCommands:
    """The handlers of MakeExit, ChangeExit and RemoveExit; one at a time, so that no number is given twice."""

    def __init__(
        self,
        *,
        store: Store,
        exits: ChangeableExits,
        network: PlannedNetwork,
        providers: ProviderLookup,
        servers: ExitServers,
        intent: Intent,
        waiting: WaitingExits,
        traffic: TrafficNames,
        exceptions: NamingExceptions,
        policies: FollowedPolicies,
        publish: EventSink,
        check_owner: OwnerPassword,
    ) -> None:
        self._store = store
        self._exits = exits
        self._network = network
        self._providers = providers
        self._waiting = waiting
        self._traffic = traffic
        self._exceptions = exceptions
        self._policies = policies
        self._publish = publish
        self._changing = asyncio.Lock()
        self._removal = ExitRemoval(
            store=store, exits=exits, network=network, exceptions=exceptions, check_owner=check_owner
        )
        self._never_used = NeverUsed(store=store, exits=exits, providers=providers, servers=servers, intent=intent)

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return MakeExit.handled_by(self._make), ChangeExit.handled_by(self._change), RemoveExit.handled_by(self._remove)

    # --- make --------------------------------------------------------------------------------------------------------

    async def _make(self, command: MakeExit) -> Done:
        new = command.exit
        async with self._changing:
            self._check_name(new.name)
            settings = self._store.settings
            if len(exit_names(settings)) >= MAX_USER_EXITS:
                full = f"there are already {MAX_USER_EXITS} exits; remove one first"
                raise ConflictError(full, field="name", code="too_many")
            check_exit_settings(new, with_exit(settings, new))
            self._check_providers(new)
            self._store.update_settings(lambda s: with_exit(s, new))
            try:
                await self._exits.follow_settings()
            except BaseException:  # also where a bulk request has run out of time
                self._store.update_settings(lambda s: without_exit(s, new.name, BlockedPolicy()))
                await self._network.plan_again()
                raise
        self._publish(ExitChanged(new.name, "made"))
        self._waiting.add(new.name)
        return Done()

    # --- change ------------------------------------------------------------------------------------------------------

    async def _change(self, command: ChangeExit) -> Done:
        async with self._changing:
            check_known(self._store.settings, command.name)
            before = exit_settings(self._store.settings, command.name)
            new_name = command.change.name
            if new_name is not UNSET and new_name != command.name:
                await self._rename(command.name, new_name)
            name = command.name if new_name is UNSET else new_name
            try:
                changed = await self._set(name, command.change)
            except BaseException:  # also where a bulk request has run out of time
                if name != command.name:
                    await self._move(name, command.name)
                raise
            if name != command.name:
                self._publish(ExitChanged(name, "renamed", before=command.name))
            if changed:
                self._publish(ExitChanged(name, "changed"))
        warnings = await self._never_used.leave(name, before.never)
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
        self._policies.rename_exit(old, new)
        if self._waiting.forget(old):  # one that somebody has disconnected stays so
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
            except BaseException:
                self._store.update_settings(lambda s: with_exit_settings(s, before))
                await self._network.plan_again()
                raise
        if (after.auto_connect, after.target) != (before.auto_connect, before.target):
            waited = self._waiting.forget(name)
            if waited or not before.auto_connect or before.target is None:  # else it was disconnected on purpose
                self._waiting.add(name)
        return True

    # --- remove ------------------------------------------------------------------------------------------------------

    async def _remove(self, command: RemoveExit) -> Done:
        async with self._changing:
            await self._removal.remove(command)
            self._waiting.forget(command.name)
        self._policies.wake()  # its devices have another policy now, which counts as their last when they get the next
        self._publish(ExitChanged(command.name, "removed"))
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
