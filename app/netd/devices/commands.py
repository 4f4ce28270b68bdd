"""The commands about devices: name, group, fixed address, admission, forgetting.

If the kernel refuses the plan, only the change of this device is reverted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, TypeVar

import aiofiles.os
from msgspec import UNSET
from msgspec.structs import replace

from app.admission import waits
from app.errors import InvalidFieldError, NotFoundError
from app.model import Device, Lease, Links, Neighbour, PolicyException, SeenDevice, Settings
from app.netd.device_checks import OwnAddresses, check_room, device_address
from app.netd.devices.reservations import check_reservation
from app.netd.policies.changes import PolicyChanges
from app.netd.policies.exceptions import Exceptions
from app.netd.protocols import OwnerPassword
from app.network.dhcp_dns import lan_services
from app.protocol.answers import Done
from app.protocol.commands import AdmitDevice, ChangeDevice, ForgetDevice, HandlerEntry
from app.protocol.events import DeviceChanged, DeviceReason, EventSink
from app.store import Store
from app.store.validation import is_device_name, is_group_name

T = TypeVar("T")


class Watcher(Protocol):
    """What is used of :class:`app.netd.devices.watcher.DeviceWatcher`."""

    def get(self, mac: str) -> SeenDevice | None: ...

    def forget(self, mac: str) -> bool: ...


class LanHosts(Protocol):
    """What is used of :class:`app.netd.lan_services.LanServices`."""

    def leases(self) -> Iterable[Lease]: ...

    def forget_host(self, mac: str) -> None: ...


class LinkedNetwork(Protocol):
    @property
    def links(self) -> Links: ...


class DeviceCommands:
    """The handlers. ``own`` are the gateway's own MAC addresses; ``apply_services`` has DHCP and DNS follow."""

    def __init__(
        self,
        *,
        store: Store,
        network: LinkedNetwork,
        changes: PolicyChanges,
        exceptions: Exceptions,
        watcher: Watcher,
        hosts: LanHosts,
        neighbours: Callable[[], tuple[Neighbour, ...]],
        own: OwnAddresses,
        apply_services: Callable[[], object],
        publish: EventSink,
        check_owner: OwnerPassword,
    ) -> None:
        self._store = store
        self._network = network
        self._check_owner = check_owner
        self._changes = changes
        self._exceptions = exceptions
        self._watcher = watcher
        self._hosts = hosts
        self._neighbours = neighbours
        self._own = own
        self._apply_services = apply_services
        self._publish = publish

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (
            ChangeDevice.handled_by(self._change),
            AdmitDevice.handled_by(self._admit),
            ForgetDevice.handled_by(self._forget),
        )

    async def _change(self, command: ChangeDevice) -> Done:
        mac = device_address(command.mac, self._own)
        address = None if command.address is UNSET else command.address
        _check_texts(
            None if command.name is UNSET else command.name or None,
            None if command.group is UNSET else command.group or None,
        )
        leases = tuple(await aiofiles.os.wrap(self._hosts.leases)()) if address is not None else ()

        def change(present: Device) -> Device:
            # Checked again after each wait: another request may have fixed the address meanwhile.
            if address is not None and address != present.address:
                check_reservation(
                    mac,
                    address,
                    lan_services(self._store.settings.lan, self._network.links),
                    devices=self._store.settings.devices,
                    leases=leases,
                    neighbours=self._neighbours(),
                )
            return _changed(present, command)

        old, new = await self._put(mac, change, command.password)
        changes: tuple[tuple[DeviceReason, bool], ...] = (
            ("renamed", new.name != old.name),
            ("group", new.group != old.group),
            ("address", new.address != old.address),
        )
        for reason, changed in changes:
            if changed:
                self._publish(DeviceChanged(mac, reason))
        if address is not None and new.address != old.address:
            return Done(
                f"the device gets {address} when it next asks for its address, at the latest when it reconnects"
            )
        return Done()

    async def _admit(self, command: AdmitDevice) -> Done:
        mac = device_address(command.mac, self._own)
        if self._device(mac).admitted:
            return Done()
        await self._put(mac, lambda present: replace(present, admitted=True), command.password)
        self._publish(DeviceChanged(mac, "admitted"))
        return Done()

    async def _forget(self, command: ForgetDevice) -> Done:
        mac = device_address(command.mac, self._own)
        settings = self._store.settings
        decided = without_device(settings, mac) != settings or self._exceptions.of_device(mac)
        if not decided and self._watcher.get(mac) is None:
            raise NotFoundError("There is no such device", field="mac")
        await self._forget_settings(mac, command.password)
        self._watcher.forget(mac)
        self._hosts.forget_host(mac)
        self._publish(DeviceChanged(mac, "forgotten"))
        return Done()

    # --- parts -------------------------------------------------------------------------------------------------------

    def _device(self, mac: str) -> Device:
        """The device as it is stored, or as it would be."""
        settings = self._store.settings
        found = next((d for d in settings.devices if d.mac == mac), None)
        if found is not None:
            return found
        seen = self._watcher.get(mac)
        return Device(mac, own=False, admitted=not waits(settings, mac), first_seen=seen.first_seen if seen else None)

    async def _put(self, mac: str, change: Callable[[Device], Device], password: str | None) -> tuple[Device, Device]:
        """Store a change of the device, and have the network follow: the device before and after.

        Raises what ``change`` or checking the password raises, ConflictError (``too_many``), KernelError.
        """
        settings = self._store.settings
        check_room(settings, mac)
        if self._changes.let_out(with_device(settings, mac, change(self._device(mac)))):
            await self._check_owner(password)
        # The device as it is now: another request may have changed it meanwhile.
        old, before = self._device(mac), self._store.settings
        new = change(old)
        if new == old:  # nothing is kept of a device about which nothing was decided
            return old, new
        stored = old if old in before.devices else None
        after = self._store.update_settings(lambda s: with_device(s, mac, new))
        # Revert this device alone, and only if no other request has changed it since.
        await self._follow(mac, before, after, lambda s: with_device(s, mac, stored) if new in s.devices else s)
        return old, new

    async def _forget_settings(self, mac: str, password: str | None) -> None:
        """Store nothing about the device any more, and have the network follow."""
        left = self._exceptions.without(self._exceptions.of_device(mac))
        if self._changes.let_out(without_device(self._store.settings, mac), left):
            await self._check_owner(password)
        before, ended = self._store.settings, self._exceptions.of_device(mac)
        after = self._store.update_settings(lambda s: without_device(s, mac))
        if before != after or ended:
            await self._follow(mac, before, after, lambda s: _with_forgotten(s, before, mac), ended)

    async def _follow(
        self,
        mac: str,
        before: Settings,
        after: Settings,
        undo: Callable[[Settings], Settings],
        ended: tuple[PolicyException, ...] = (),
    ) -> None:
        """Have the network follow, also where exceptions end with the change. Raises KernelError; then it is undone."""

        def take_back() -> None:
            self._store.update_settings(undo)

        if ended:
            await self._exceptions.end_some(ended, "ended", undo=take_back)
        elif self._changes.planned(before) != self._changes.planned(after):
            await self._changes.follow(also=(mac,), undo=take_back)
        self._apply_services()


def with_device(settings: Settings, mac: str, device: Device | None) -> Settings:
    """``settings`` with ``device`` as the only entry for ``mac``, or with none (pure)."""
    others = tuple(d for d in settings.devices if d.mac != mac)
    return replace(settings, devices=(*others, device) if device is not None else others)


def without_device(settings: Settings, mac: str) -> Settings:
    """``settings`` without anything that was decided about or by the device (pure)."""
    return replace(
        with_device(settings, mac, None),
        device_self_service={m: service for m, service in settings.device_self_service.items() if m != mac},
        chosen_exits={m: name for m, name in settings.chosen_exits.items() if m != mac},
    )


def _with_forgotten(settings: Settings, before: Settings, mac: str) -> Settings:
    """``settings`` with what ``before`` had of the device, unless something was decided about it since."""
    if without_device(settings, mac) != settings:
        return settings
    return replace(
        with_device(settings, mac, next((d for d in before.devices if d.mac == mac), None)),
        device_self_service={**settings.device_self_service, **_only(before.device_self_service, mac)},
        chosen_exits={**settings.chosen_exits, **_only(before.chosen_exits, mac)},
    )


def _only(values: dict[str, T], mac: str) -> dict[str, T]:
    return {mac: values[mac]} if mac in values else {}


def _changed(device: Device, change: ChangeDevice) -> Device:
    """``device`` with the fields that ``change`` names."""
    return replace(
        device,
        name=device.name if change.name is UNSET else change.name or None,
        group=device.group if change.group is UNSET else change.group or None,
        address=device.address if change.address is UNSET else change.address,
    )


def _check_texts(name: str | None, group: str | None) -> None:
    """Raises InvalidFieldError."""
    if not is_device_name(name):
        raise InvalidFieldError("name: 1 to 64 printable characters", field="name")
    if not is_group_name(group):
        raise InvalidFieldError("group: 1 to 64 printable characters, no /", field="group")
