"""The command that sets a device's policy. If the kernel refuses the plan, only this change is reverted."""

from __future__ import annotations

from typing import Protocol

import msgspec

from app import mac_address
from app.errors import ConflictError, KernelError
from app.model import Device, DirectPolicy, Settings, VpnPolicy
from app.netd.protocols import DeviceNetwork, OwnerPassword
from app.protocol.answers import Done
from app.protocol.commands import HandlerEntry, SetDevicePolicy
from app.protocol.events import DeviceChanged, EventSink
from app.store import Store
from app.store.validation import MAX_DEVICES, check_device


class KnownExits(Protocol):
    def get(self, name: str) -> object:
        """Raises NotFoundError."""
        ...


class DevicePolicies:
    """The handler of SetDevicePolicy."""

    def __init__(
        self,
        *,
        store: Store,
        network: DeviceNetwork,
        exits: KnownExits,
        publish: EventSink,
        check_owner: OwnerPassword,
    ) -> None:
        self._store = store
        self._network = network
        self._exits = exits
        self._publish = publish
        self._check_owner = check_owner

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (SetDevicePolicy.handled_by(self._set),)

    async def _set(self, command: SetDevicePolicy) -> Done:
        mac = mac_address.parse_device(command.mac)
        if isinstance(command.policy, VpnPolicy):
            self._exits.get(command.policy.exit)
        if isinstance(command.policy, DirectPolicy) and not self._is_direct(mac):
            await self._check_owner(command.password)
        devices = self._store.settings.devices
        old = next((d for d in devices if d.mac == mac), None)
        if old is None and len(devices) >= MAX_DEVICES:
            raise ConflictError(f"there are already {MAX_DEVICES} devices with a policy of their own", code="too_many")
        name = command.name if command.name is not None else (old.name if old else None)
        new = Device(mac, command.policy, name or None)  # an empty name removes it
        check_device(new)
        self._store.update_settings(lambda s: with_device(s, mac, new))
        try:
            await self._network.replan()
        except KernelError:
            # Revert this device alone, and only if no other request has changed its policy since.
            self._store.update_settings(lambda s: with_device(s, mac, old) if new in s.devices else s)
            raise
        await self._network.forget_device(mac)
        self._publish(DeviceChanged(mac, "policy"))
        return Done()

    def _is_direct(self, mac: str) -> bool:
        return any(d.mac == mac and isinstance(d.policy, DirectPolicy) for d in self._store.settings.devices)


def with_device(settings: Settings, mac: str, device: Device | None) -> Settings:
    """``settings`` with ``device`` as the only entry for ``mac``, or with none (pure)."""
    others = tuple(d for d in settings.devices if d.mac != mac)
    return msgspec.structs.replace(settings, devices=(*others, device) if device is not None else others)
