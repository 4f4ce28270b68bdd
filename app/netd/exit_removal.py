"""The removal of an exit: its devices are blocked first, and what named it goes on with what was chosen."""

from __future__ import annotations

import asyncio
from typing import Protocol

from app.errors import ConflictError, NotFoundError
from app.exit_changes import restored, without_exit
from app.exit_settings import exit_names
from app.exit_users import Users, users_of
from app.model import DEFAULT_EXIT, BlockedPolicy, DirectPolicy, Policy, PolicyException, Settings, VpnPolicy
from app.netd.protocols import OwnerPassword, PlannedNetwork
from app.protocol.commands import RemoveExit
from app.store import Store


class RemovableExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    async def follow_settings(self) -> None: ...

    async def take_down(self, exit_name: str) -> None: ...

    def resume(self, exit_name: str, cause: str | None = None) -> None: ...


class NamingExceptions(Protocol):
    """What is used of :class:`app.netd.policies.open_exceptions.OpenExceptions`."""

    @property
    def kept(self) -> tuple[PolicyException, ...]: ...

    def change_policy(self, old: Policy, new: Policy) -> None: ...

    def put_back(self, old: tuple[PolicyException, ...]) -> None: ...


class ExitRemoval:
    """Removes exits, one at a time; its caller sees to that."""

    def __init__(
        self,
        *,
        store: Store,
        exits: RemovableExits,
        network: PlannedNetwork,
        exceptions: NamingExceptions,
        check_owner: OwnerPassword,
    ) -> None:
        self._store = store
        self._exits = exits
        self._network = network
        self._exceptions = exceptions
        self._check_owner = check_owner

    async def remove(self, command: RemoveExit) -> None:
        """Raises GatewayError; then the exit is as it was."""
        name, then = command.name, command.then
        check_known(self._store.settings, name)
        if name == DEFAULT_EXIT:
            raise ConflictError(f"the exit {DEFAULT_EXIT} cannot be removed", field="name", code="default_exit")
        before = self._store.settings
        users = users_of(before, name)
        if users and then is None:
            message = f"{_listed(users)} would have no way out any more: say what is next"
            raise ConflictError(message, field="then", code="exit_in_use")
        if isinstance(then, VpnPolicy) and (then.exit == name or then.exit not in exit_names(before)):
            raise NotFoundError(f"there is no other exit {then.exit!r}", field="then")
        named = any(e.policy == VpnPolicy(name) for e in self._exceptions.kept)
        if (users or named) and isinstance(then, DirectPolicy):
            await self._check_owner(command.password)
        try:
            await self._exits.take_down(name)  # from here on its devices are blocked
        except asyncio.CancelledError:  # a bulk request has run out of time
            self._exits.resume(name, "restored")
            raise
        kept = self._exceptions.kept
        try:
            self._exceptions.change_policy(VpnPolicy(name), then or BlockedPolicy())
            self._store.update_settings(lambda s: without_exit(s, name, then or BlockedPolicy()))
            try:
                await self._exits.follow_settings()
            except BaseException:
                self._store.update_settings(lambda s: restored(s, before, name))
                raise
        except BaseException:
            self._exceptions.put_back(tuple(e for e in kept if e.policy == VpnPolicy(name)))
            await self._network.plan_again()
            self._exits.resume(name, "restored")
            raise


def check_known(settings: Settings, name: str) -> None:
    """Check that there is an exit ``name``. Raises NotFoundError (``name``)."""
    if name not in exit_names(settings):
        raise NotFoundError(f"there is no exit {name!r}", field="name")


def _listed(users: Users) -> str:
    """The users of an exit, for people."""
    count = len(users.devices)
    parts = [f"the device {users.devices[0]}"] if count == 1 else [f"{count} devices"] if count else []
    parts += [f"the group {name}" for name in users.groups]
    if users.default_policy:
        parts.append("every device without a policy of its own")
    return ", ".join(parts)
