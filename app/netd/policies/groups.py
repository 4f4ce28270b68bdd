"""The commands about groups of devices and about schedules."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from app.admission import waits
from app.errors import ConflictError, InvalidFieldError, NotFoundError
from app.model import Device, Group, Policy, ScheduleEntry, Settings
from app.netd.device_checks import OwnAddresses, check_exit, check_room, device_address
from app.netd.policies.changes import PolicyChanges
from app.netd.policies.exceptions import Exceptions
from app.netd.protocols import KnownExits, OwnerPassword
from app.protocol.answers import Done
from app.protocol.commands import HandlerEntry, RemoveGroup, SetDeviceSchedule, SetGroup
from app.protocol.events import DeviceChanged, EventSink, SettingsChanged
from app.schedules import check_schedule
from app.store import Store
from app.store.validation import MAX_GROUPS, is_group_name

Change = Callable[[Settings], Settings]


class GroupCommands:
    """The handlers of SetGroup, RemoveGroup and SetDeviceSchedule. A refused plan reverts just their change."""

    def __init__(
        self,
        *,
        store: Store,
        changes: PolicyChanges,
        exceptions: Exceptions,
        exits: KnownExits,
        own_addresses: OwnAddresses,
        publish: EventSink,
        check_owner: OwnerPassword,
    ) -> None:
        self._store = store
        self._changes = changes
        self._exceptions = exceptions
        self._exits = exits
        self._own_addresses = own_addresses
        self._publish = publish
        self._check_owner = check_owner

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (
            SetGroup.handled_by(self._set_group),
            RemoveGroup.handled_by(self._remove_group),
            SetDeviceSchedule.handled_by(self._set_schedule),
        )

    async def _set_group(self, command: SetGroup) -> Done:
        name = command.name
        if not is_group_name(name):
            raise InvalidFieldError("name: 1 to 64 printable characters, no /", field="name")
        self._check_policies(command.policy, command.schedule)
        settings = self._store.settings
        old = next((g for g in settings.groups if g.name == name), None)
        if old is None and len(settings.groups) >= MAX_GROUPS:
            raise ConflictError(f"there are already {MAX_GROUPS} groups", code="too_many")
        new = Group(name, command.policy, command.schedule)
        if self._changes.let_out(with_group(settings, name, new)):
            await self._check_owner(command.password)
        await self._change(lambda s: with_group(s, name, new), lambda s: with_group(s, name, old))
        self._publish(SettingsChanged(("groups",)))
        return Done()

    async def _remove_group(self, command: RemoveGroup) -> Done:
        name = command.name
        old, members = _group(self._store.settings, name)
        if old is None and not members:
            raise NotFoundError(f"there is no group {name!r}", field="name")
        without = with_members(with_group(self._store.settings, name, None), members, None)
        if self._changes.let_out(without, self._exceptions.without(self._exceptions.of_group(name))):
            await self._check_owner(command.password)
            old, members = _group(self._store.settings, name)
        self._store.update_settings(lambda s: with_members(with_group(s, name, None), members, None))
        # One plan for both: what an exception of the group kept back must not leave by the group's policy in between.
        await self._exceptions.end_some(
            self._exceptions.of_group(name),
            "ended",
            undo=lambda: self._store.update_settings(lambda s: with_members(with_group(s, name, old), members, name)),
        )
        self._publish(SettingsChanged(("groups",)))
        for mac in sorted(members):
            self._publish(DeviceChanged(mac, "group"))
        return Done()

    async def _set_schedule(self, command: SetDeviceSchedule) -> Done:
        mac = device_address(command.mac, self._own_addresses)
        self._check_policies(None, command.schedule)
        settings = self._store.settings
        check_room(settings, mac)
        if self._changes.let_out(with_schedule(settings, mac, command.schedule)):
            await self._check_owner(command.password)
        before = self._store.settings.devices
        await self._change(lambda s: with_schedule(s, mac, command.schedule), lambda s: _undone(s, mac, before))
        self._publish(DeviceChanged(mac, "policy"))
        return Done()

    def _check_policies(self, policy: Policy | None, schedule: tuple[ScheduleEntry, ...]) -> None:
        check_schedule(schedule, "schedule")
        check_exit(policy, self._exits)
        for number, entry in enumerate(schedule):
            check_exit(entry.policy, self._exits, f"schedule[{number}].policy")

    async def _change(self, change: Change, undo: Change) -> None:
        """Store and apply a change. Raises KernelError; then just this change is undone."""
        self._store.update_settings(change)
        await self._changes.follow(undo=lambda: self._store.update_settings(undo))


def _group(settings: Settings, name: str) -> tuple[Group | None, frozenset[str]]:
    """The group's settings, and the MAC addresses of its members."""
    found = next((g for g in settings.groups if g.name == name), None)
    return found, frozenset(d.mac for d in settings.devices if d.group == name)


def with_group(settings: Settings, name: str, group: Group | None) -> Settings:
    """``settings`` with ``group`` in place of the one of this name, or as the last; None = without it (pure)."""
    if group is None:
        return replace(settings, groups=tuple(g for g in settings.groups if g.name != name))
    if name not in {g.name for g in settings.groups}:
        return replace(settings, groups=(*settings.groups, group))
    return replace(settings, groups=tuple(group if g.name == name else g for g in settings.groups))


def with_members(settings: Settings, macs: frozenset[str], group: str | None) -> Settings:
    """``settings`` with these devices in ``group`` (pure)."""
    return replace(settings, devices=tuple(replace(d, group=group) if d.mac in macs else d for d in settings.devices))


def with_schedule(settings: Settings, mac: str, schedule: tuple[ScheduleEntry, ...]) -> Settings:
    """``settings`` with the schedule as the device's own; a device that waits goes on waiting (pure)."""
    if mac not in {d.mac for d in settings.devices}:
        new = Device(mac, own=False, admitted=not waits(settings, mac), schedule=schedule)
        return replace(settings, devices=(*settings.devices, new)) if schedule else settings
    devices = (replace(d, schedule=schedule) if d.mac == mac else d for d in settings.devices)
    return replace(settings, devices=tuple(devices))


def _undone(settings: Settings, mac: str, before: tuple[Device, ...]) -> Settings:
    """``settings`` with the device's schedule as in ``before``, or without a device that was not among them (pure)."""
    old = next((d for d in before if d.mac == mac), None)
    if old is not None:
        return with_schedule(settings, mac, old.schedule)
    return replace(settings, devices=tuple(d for d in settings.devices if d.mac != mac))
