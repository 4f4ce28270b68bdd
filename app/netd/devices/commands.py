"""The commands about devices: name, group, fixed address, admission, forgetting.

If the kernel refuses the plan, only the change of this device is reverted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import aiofiles.os
from msgspec import UNSET
from msgspec.structs import replace

from app import admission, mac_address
from app.admission import waits
from app.errors import ConflictError, InvalidFieldError, KernelError, NotFoundError
from app.model import Device, Lease, Links, Neighbour, SeenDevice, Settings
from app.netd.devices.reservations import check_reservation
from app.netd.policies.changes import PolicyChanges
from app.network.dhcp_dns import lan_services
from app.policies import planned
from app.protocol.answers import Done
from app.protocol.commands import AdmitDevice, ChangeDevice, ForgetDevice, HandlerEntry
from app.protocol.events import DeviceChanged, DeviceReason, EventSink
from app.store import Store
from app.store.validation import MAX_DEVICES, is_device_name, is_group_name


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
        watcher: Watcher,
        hosts: LanHosts,
        neighbours: Callable[[], tuple[Neighbour, ...]],
        own: Callable[[], Collection[str]],
        apply_services: Callable[[], object],
        publish: EventSink,
    ) -> None:
        self._store = store
        self._network = network
        self._changes = changes
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
        mac = self._parse(command.mac)
        old = self._device(mac)
        name = old.name if command.name is UNSET else command.name or None
        group = old.group if command.group is UNSET else command.group or None
        address = old.address if command.address is UNSET else command.address
        _check_texts(name, group)
        if address is not None and address != old.address:
            check_reservation(
                mac,
                address,
                lan_services(self._store.settings.lan, self._network.links),
                devices=self._store.settings.devices,
                leases=await aiofiles.os.wrap(self._hosts.leases)(),
                neighbours=self._neighbours(),
            )
        new = replace(old, name=name, group=group, address=address)
        await self._put(new)
        changes: tuple[tuple[DeviceReason, bool], ...] = (
            ("renamed", name != old.name),
            ("group", group != old.group),
            ("address", address != old.address),
        )
        for reason, changed in changes:
            if changed:
                self._publish(DeviceChanged(mac, reason))
        if address is not None and address != old.address:
            return Done(
                f"the device gets {address} when it next asks for its address, at the latest when it reconnects"
            )
        return Done()

    async def _admit(self, command: AdmitDevice) -> Done:
        mac = self._parse(command.mac)
        old = self._device(mac)
        known = old in self._store.settings.devices
        if known and old.admitted:
            return Done()
        await self._put(replace(old, admitted=True))
        self._publish(DeviceChanged(mac, "admitted"))
        return Done()

    async def _forget(self, command: ForgetDevice) -> Done:
        mac = self._parse(command.mac)
        stored = any(d.mac == mac for d in self._store.settings.devices)
        if not stored and self._watcher.get(mac) is None:
            raise NotFoundError("There is no such device", field="mac")
        if stored:
            await self._put(None, mac)
        self._watcher.forget(mac)
        self._hosts.forget_host(mac)
        self._publish(DeviceChanged(mac, "forgotten"))
        return Done()

    # --- parts -------------------------------------------------------------------------------------------------------

    def _parse(self, text: str) -> str:
        """The MAC address of a device. Raises InvalidFieldError."""
        mac = mac_address.parse_device(text)
        if mac in self._own():
            raise InvalidFieldError(f"mac: {mac} is the gateway's own", field="mac")
        return mac

    def _device(self, mac: str) -> Device:
        """The device as it is stored, or as it would be."""
        settings = self._store.settings
        found = next((d for d in settings.devices if d.mac == mac), None)
        if found is not None:
            return found
        seen = self._watcher.get(mac)
        return Device(mac, own=False, admitted=not waits(settings, mac), first_seen=seen.first_seen if seen else None)

    async def _put(self, new: Device | None, mac: str = "") -> None:
        """Store ``new``, or no entry for ``mac``, and have the network follow."""
        mac = new.mac if new is not None else mac
        before = self._store.settings
        old = next((d for d in before.devices if d.mac == mac), None)
        if old is None and len(before.devices) >= MAX_DEVICES:
            message = f"there are already {MAX_DEVICES} devices that something was decided about; forget one first"
            raise ConflictError(message, code="too_many")
        after = self._store.update_settings(lambda s: with_device(s, mac, new))
        if _planned(before) != _planned(after):
            try:
                await self._changes.follow(also=(mac,))
            except KernelError:
                # Revert this device alone, and only if no other request has changed it since.
                self._store.update_settings(lambda s: with_device(s, mac, old) if _has(s, mac, new) else s)
                raise
        self._apply_services()


def with_device(settings: Settings, mac: str, device: Device | None) -> Settings:
    """``settings`` with ``device`` as the only entry for ``mac``, or with none (pure)."""
    others = tuple(d for d in settings.devices if d.mac != mac)
    return replace(settings, devices=(*others, device) if device is not None else others)


def _planned(settings: Settings) -> object:
    return admission.default_policy(settings), planned(settings, time.time()).devices


def _has(settings: Settings, mac: str, device: Device | None) -> bool:
    return device in settings.devices if device is not None else all(d.mac != mac for d in settings.devices)


def _check_texts(name: str | None, group: str | None) -> None:
    """Raises InvalidFieldError."""
    if not is_device_name(name):
        raise InvalidFieldError("name: 1 to 64 printable characters", field="name")
    if not is_group_name(group):
        raise InvalidFieldError("group: 1 to 64 printable characters, no /", field="group")
