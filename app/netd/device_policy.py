"""The command that sets a device's policy. If the kernel refuses the plan, only this change is reverted."""

from __future__ import annotations

from collections.abc import Callable, Collection

from msgspec.structs import replace

from app import mac_address
from app.admission import waits
from app.errors import ConflictError, InvalidFieldError
from app.model import BlockedPolicy, Device, Settings, VpnPolicy
from app.netd.devices.commands import with_device
from app.netd.policies.changes import PolicyChanges
from app.netd.protocols import KnownExits, OwnerPassword
from app.protocol.answers import Done
from app.protocol.commands import HandlerEntry, SetDevicePolicy
from app.store import Store
from app.store.validation import MAX_DEVICES, check_device


class DevicePolicies:
    """The handler of SetDevicePolicy."""

    def __init__(
        self,
        *,
        store: Store,
        changes: PolicyChanges,
        exits: KnownExits,
        check_owner: OwnerPassword,
        own: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        """``own`` are the gateway's own MAC addresses."""
        self._store = store
        self._changes = changes
        self._exits = exits
        self._check_owner = check_owner
        self._own = own

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (SetDevicePolicy.handled_by(self._set),)

    async def _set(self, command: SetDevicePolicy) -> Done:
        mac = mac_address.parse_device(command.mac)
        if mac in self._own():
            raise InvalidFieldError(f"mac: {mac} is the gateway's own", field="mac")
        if isinstance(command.policy, VpnPolicy):
            self._exits.get(command.policy.exit)
        settings = self._store.settings
        if all(d.mac != mac for d in settings.devices) and len(settings.devices) >= MAX_DEVICES:
            raise ConflictError(f"there are already {MAX_DEVICES} devices with a policy of their own", code="too_many")
        check_device(_changed(settings, mac, command))
        if self._changes.let_out(with_device(settings, mac, _changed(settings, mac, command))):
            await self._check_owner(command.password)
        # The device as it is now: another request may have changed it meanwhile.
        settings = self._store.settings
        old = next((d for d in settings.devices if d.mac == mac), None)
        new = _changed(settings, mac, command)
        self._store.update_settings(lambda s: with_device(s, mac, new))
        # Revert this device alone, and only if no other request has changed its policy since.
        await self._changes.follow(
            also=(mac,),
            undo=lambda: self._store.update_settings(lambda s: with_device(s, mac, old) if new in s.devices else s),
        )
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
