"""What an event means for the history of a device: what is another than before (pure)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app.model import ScheduleEntry
from app.policies import Source
from app.protocol.device_history import DeviceHappening
from app.protocol.events import DeviceReason

Happening = tuple[DeviceHappening, dict[str, Any]]  # the change, and the fields of its record
OF_GROUP = frozenset({"group", "group_schedule"})


class Known(Struct, frozen=True):
    """A device as its history has told of it."""

    policy: str
    source: Source
    own: str | None = None  # its own policy
    schedule: tuple[ScheduleEntry, ...] = ()
    name: str | None = None
    group: str | None = None
    address: str | None = None  # the fixed one
    allow: str | None = None  # what it may decide


# What an event of this reason tells of; the rest is told by events of its own.
_TOLD: dict[DeviceReason, tuple[str, ...]] = {
    "policy": ("policy", "source", "own", "schedule"),
    "renamed": ("name",),
    "group": ("group",),
    "address": ("address",),
    "self_service": ("allow",),
}


def after(reason: DeviceReason, before: Known, now: Known) -> Known:
    """``before`` with what an event of this reason has told."""
    return replace(before, **{field: getattr(now, field) for field in _TOLD.get(reason, ())})


def happened(reason: DeviceReason, before: Known, now: Known) -> list[Happening]:
    """What has happened, the first first; nothing where the device is as it was."""
    match reason:
        case "policy":
            return [*_decided(before, now), *_moved(before, now)]
        case "renamed" if before.name != now.name:
            return [("renamed", {"name": now.name, "before": before.name})]
        case "group" if before.group != now.group:
            return [("group", {"group": now.group, "before": before.group})]
        case "address" if before.address != now.address:
            return [("fixed_address", {"address": now.address, "before": before.address})]
        case "admitted":
            return [("admitted", {})]
        case "self_service":
            return [("self_service", {"allow": now.allow})]
        case _:
            return []


def _decided(before: Known, now: Known) -> list[Happening]:
    """What was decided about the device alone, where another policy in effect does not tell it."""
    found: list[Happening] = []
    if before.schedule != now.schedule:
        found.append(("schedule", {}))
    if before.own != now.own and before.policy == now.policy:
        found.append(("own_policy", {"policy": now.own, "before": before.own}))
    return found


def _moved(before: Known, now: Known) -> list[Happening]:
    """Another policy in effect. Where an exception begins or ends, its own record tells it."""
    if before.policy == now.policy or "exception" in {before.source, now.source}:
        return []
    group = now.group if now.source in OF_GROUP else None
    return [("policy", {"policy": now.policy, "before": before.policy, "cause": now.source, "group": group})]
