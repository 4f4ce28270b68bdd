"""The command that sets a device's policy. If the kernel refuses the plan, only this change is reverted."""

from __future__ import annotations

from msgspec.structs import replace

from app.admission import waits
from app.model import BlockedPolicy, Device, Settings
from app.netd.device_checks import OwnAddresses, check_exit, check_room, device_address
from app.netd.devices.commands import with_device
from app.netd.policies.changes import PolicyChanges
from app.netd.protocols import KnownExits, OwnerPassword
from app.protocol.answers import Done
from app.protocol.commands import HandlerEntry, SetDevicePolicy
from app.protocol.events import DeviceChanged, EventSink
from app.store import Store
from app.store.validation import check_device


class DevicePolicies:
    """The handler of SetDevicePolicy."""

    def __init__(
        self,
        *,
        store: Store,
        changes: PolicyChanges,
        exits: KnownExits,
        check_owner: OwnerPassword,
        publish: EventSink,
        own: OwnAddresses = frozenset,
    ) -> None:
        """``own`` are the gateway's own MAC addresses."""
        self._store = store
        self._changes = changes
        self._exits = exits
        self._check_owner = check_owner
        self._publish = publish
        self._own = own

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (SetDevicePolicy.handled_by(self._set),)

    async def _set(self, command: SetDevicePolicy) -> Done:
        mac = device_address(command.mac, self._own)
        check_exit(command.policy, self._exits)
        settings = self._store.settings
        check_room(settings, mac)
        check_device(_changed(settings, mac, command))
        if self._changes.let_out(with_device(settings, mac, _changed(settings, mac, command))):
            await self._check_owner(command.password)
        # The device as it is now: another request may have changed it meanwhile.
        settings = self._store.settings
        old, waited = next((d for d in settings.devices if d.mac == mac), None), waits(settings, mac)
        new = _changed(settings, mac, command)
        self._store.update_settings(lambda s: with_device(s, mac, new))
        # Revert this device alone, and only if no other request has changed its policy since.
        await self._changes.follow(
            also=(mac,),
            undo=lambda: self._store.update_settings(lambda s: with_device(s, mac, old) if new in s.devices else s),
        )
        if waited and new.admitted:
            self._publish(DeviceChanged(mac, "admitted"))
        if new.name != (old.name if old is not None else None):
            self._publish(DeviceChanged(mac, "renamed"))
        return Done()


def _changed(settings: Settings, mac: str, command: SetDevicePolicy) -> Device:
    """The device with the policy and name of ``command``."""
    old = next((d for d in settings.devices if d.mac == mac), None)
    base = old or Device(mac, admitted=not waits(settings, mac))
    name = command.name if command.name is not None else base.name
    # To give a waiting device a policy is to admit it, unless nothing is opened by that.
    admitted = base.admitted or not isinstance(command.policy, BlockedPolicy)
    # An empty name removes it.
    new = replace(base, own=command.policy is not None, name=name or None, admitted=admitted)
    return new if command.policy is None else replace(new, policy=command.policy)
