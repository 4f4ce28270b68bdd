"""The policy of all devices: the default, and whether new ones wait for their admission."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import aiofiles.os
from msgspec.structs import replace

from app import admission
from app.exit_changes import with_preferences
from app.model import Device, Lease, SeenDevice, Settings
from app.netd.device_checks import check_exit
from app.netd.policies.changes import PolicyChanges
from app.netd.protocols import KnownExits, OwnerPassword
from app.policies import planned
from app.policy_text import parse_policy
from app.store import Store
from app.store.validation import MAX_DEVICES


class PolicyOfAll:
    """The writer of these settings. ``seen`` are the devices that were here, ``leases`` those of DHCP."""

    def __init__(
        self,
        *,
        store: Store,
        changes: PolicyChanges,
        exits: KnownExits,
        seen: Callable[[], tuple[SeenDevice, ...]],
        leases: Callable[[], Iterable[Lease]],
        check_owner: OwnerPassword,
    ) -> None:
        self._store = store
        self._changes = changes
        self._exits = exits
        self._seen = seen
        self._leases = leases
        self._check_owner = check_owner

    async def change(self, wanted: dict[str, Any], password: str | None = None) -> None:
        """Store ``wanted`` settings, these and others, and have the network follow.

        Raises InvalidFieldError, NotFoundError, KernelError, or what checking the password raises.
        """
        wanted = self._checked(wanted)
        leases = tuple(await aiofiles.os.wrap(self._leases)()) if "new_device_policy" in wanted else ()
        settings = self._store.settings
        if self._changes.let_out(self._admitting(settings, with_preferences(settings, wanted), leases)):
            await self._check_owner(password)
        before = self._store.settings
        after = self._store.update_settings(lambda s: self._admitting(s, with_preferences(s, wanted), leases))
        if self._changes.planned(before) == self._changes.planned(after):
            return
        await self._changes.follow(
            also=self._moved(before, after),
            undo=lambda: self._store.update_settings(lambda s: _taken_back(s, before, after)),
        )

    def _checked(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """``wanted`` with the policy as such. Raises InvalidFieldError, NotFoundError."""
        text = wanted.get("default_policy")
        if text is None:
            return wanted
        policy = parse_policy(text, "default_policy")
        check_exit(policy, self._exits, "default_policy")
        return {**wanted, "default_policy": policy}

    def _admitting(self, before: Settings, after: Settings, leases: Iterable[Lease]) -> Settings:
        """``after`` with the devices that were here before as admitted ones, where new ones wait from now on."""
        if before.new_device_policy == after.new_device_policy or after.new_device_policy != "wait":
            return after
        listed = {device.mac for device in after.devices}
        latest_first = sorted(self._seen(), key=lambda device: -device.last_seen)
        known: dict[str, float | None] = dict.fromkeys(lease.mac for lease in leases)
        known |= {device.mac: device.first_seen for device in latest_first}
        new = [Device(mac, own=False, first_seen=first) for mac, first in known.items() if mac not in listed]
        return replace(after, devices=(*after.devices, *new[: MAX_DEVICES - len(after.devices)]))

    def _moved(self, before: Settings, after: Settings) -> list[str]:
        """The devices that are here and whose policy has changed."""
        old, new = _policies(before), _policies(after)
        here = [device.mac for device in self._seen() if device.online]
        return [mac for mac in here if old(mac) != new(mac)]


def _policies(settings: Settings) -> Callable[[str], admission.PlannedPolicy]:
    single, everybody = dict(planned(settings, time.time()).devices), admission.default_policy(settings)
    return lambda mac: single.get(mac, everybody)


def _taken_back(now: Settings, before: Settings, after: Settings) -> Settings:
    """``now`` without the change from ``before`` to ``after``, but for what others have changed since."""
    admitted = [device for device in after.devices if device not in before.devices]
    old: dict[str, Any] = {
        name: getattr(before, name)
        for name in Settings.__struct_fields__
        if getattr(before, name) != getattr(after, name) == getattr(now, name)
    }
    return replace(now, **{**old, "devices": tuple(device for device in now.devices if device not in admitted)})
