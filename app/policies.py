"""Policies: what each device may do at a moment, and which part of that must end in the kernel (pure).

The strongest of these counts: the device waits to be admitted; an exception of the device, then of its group; the
schedule of the device, then of its group; the device's own policy, its group's, the default. Where one of these last
three is the VPN, a device that may do so chooses among the exits (:mod:`app.self_service`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Group,
    Policy,
    PolicyException,
    ScheduleEntry,
    Settings,
    WaitingPolicy,
)
from app.schedules import entry_at, local_time
from app.self_service import with_choice

Source = Literal["waiting", "exception", "schedule", "group_schedule", "choice", "own", "group", "default"]


class Effective(Struct, frozen=True):
    """The policy of a device at a moment, and where it comes from."""

    policy: Policy
    source: Source
    exception: PolicyException | None = None


class PlannedException(Struct, frozen=True):
    """An exception as it is put into the kernel, which ends it at ``deadline`` (CLOCK_BOOTTIME) by itself."""

    slot: int
    policy: Policy
    macs: tuple[str, ...]
    deadline: float


class PlannedPolicies(Struct, frozen=True):
    """What the plan is made of: standing policies, and exceptions that open more than these."""

    devices: tuple[tuple[str, Policy | WaitingPolicy], ...]
    exceptions: tuple[PlannedException, ...] = ()


def openness(policy: Policy) -> int:
    """How much a policy opens: 0 blocked, 1 the VPN, 2 in the clear."""
    return 2 if isinstance(policy, DirectPolicy) else 0 if isinstance(policy, BlockedPolicy) else 1


def effective(settings: Settings, mac: str, now: float, exceptions: Iterable[PolicyException] = ()) -> Effective:
    """The policy of the device ``mac`` at the Unix time ``now``."""
    return _Week(settings, now).effective(mac, exceptions)


def effective_all(
    settings: Settings, now: float, exceptions: Sequence[PolicyException] = (), macs: Iterable[str] = ()
) -> dict[str, Effective]:
    """The policies of all devices with settings or an exception of their own, and of ``macs``, at ``now``."""
    week = _Week(settings, now)
    return {mac: week.effective(mac, exceptions) for mac in dict.fromkeys((*_macs(settings, exceptions), *macs))}


def planned(settings: Settings, now: float, exceptions: Sequence[PolicyException] = ()) -> PlannedPolicies:
    """The policies as the kernel gets them: what an exception opens is apart, so that it ends without netd.

    What an exception closes is in the standing policy, and stays closed until netd opens it again.
    """
    week = _Week(settings, now)
    devices: list[tuple[str, Policy | WaitingPolicy]] = []
    everybody_waits = settings.new_device_policy == "wait"  # then the default is no device's that was admitted
    opened: dict[int, list[str]] = {}
    for mac in _macs(settings, exceptions):
        without = week.effective(mac)
        if without.source == "waiting":
            if not everybody_waits:
                devices.append((mac, WaitingPolicy()))
            continue
        standing = without.policy
        present = week.exceptions(mac, exceptions)
        for exception in reversed(present):  # from the weakest on, all that close something
            if openness(exception.policy) < openness(standing):
                standing = exception.policy
        if present and openness(present[0].policy) >= openness(standing) and present[0].policy != standing:
            opened.setdefault(present[0].slot, []).append(mac)
        if everybody_waits or without.source != "default" or standing != without.policy:  # the others need no entry
            devices.append((mac, standing))
    kept = tuple(
        PlannedException(e.slot, e.policy, tuple(sorted(opened[e.slot])), e.deadline)
        for e in sorted(exceptions, key=lambda e: e.slot)
        if e.slot in opened
    )
    return PlannedPolicies(tuple(devices), kept)


def _macs(settings: Settings, exceptions: Iterable[PolicyException]) -> Iterable[str]:
    of_exceptions = (e.mac for e in exceptions if e.mac is not None)
    return dict.fromkeys((*(d.mac for d in settings.devices), *settings.chosen_exits, *of_exceptions))


class _Week:
    """The settings at one moment, prepared for many devices."""

    def __init__(self, settings: Settings, now: float) -> None:
        self._now = now
        self._settings = settings
        self._local = local_time(now, settings.time_zone)
        self._default = settings.default_policy
        self._devices = {device.mac: device for device in settings.devices}
        self._groups = {group.name: group for group in settings.groups}
        self._of_groups = {group.name: entry_at(group.schedule, self._local) for group in settings.groups}

    def exceptions(self, mac: str, exceptions: Iterable[PolicyException]) -> list[PolicyException]:
        """Those of the device and its group that are open, the strongest first; a device that waits has none."""
        device = self._devices.get(mac)
        if self._waits(device):
            return []
        group = device.group if device is not None else None
        mine = (e for e in exceptions if e.until > self._now and (e.mac == mac or (group and e.group == group)))
        return sorted(mine, key=lambda e: (e.mac is None, -e.started, -e.id))

    def _waits(self, device: Device | None) -> bool:
        return self._settings.new_device_policy == "wait" if device is None else not device.admitted

    def effective(self, mac: str, exceptions: Iterable[PolicyException] = ()) -> Effective:
        device = self._devices.get(mac)
        if self._waits(device):
            return Effective(BlockedPolicy(), "waiting")
        exception = next(iter(self.exceptions(mac, exceptions)), None)
        if exception is not None:
            return Effective(exception.policy, "exception", exception)
        return self._standing(mac, device)

    def _standing(self, mac: str, device: Device | None) -> Effective:
        if device is None:
            return self._with_choice(mac, Effective(self._default, "default"))
        group: Group | None = self._groups.get(device.group) if device.group else None
        if entry := entry_at(device.schedule, self._local):
            return Effective(entry.policy, "schedule")
        entry: ScheduleEntry | None = self._of_groups.get(device.group) if device.group else None
        if entry:
            return Effective(entry.policy, "group_schedule")
        if device.own:
            return self._with_choice(mac, Effective(device.policy, "own"))
        if group is not None and group.policy is not None:
            return self._with_choice(mac, Effective(group.policy, "group"))
        return self._with_choice(mac, Effective(self._default, "default"))

    def _with_choice(self, mac: str, admins: Effective) -> Effective:
        policy = with_choice(self._settings, mac, admins.policy)
        return admins if policy == admins.policy else Effective(policy, "choice")
