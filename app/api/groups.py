"""Groups of devices, and schedules of groups and devices."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct
from quart import Blueprint

from app import mac_address
from app.api.auth.body import Code, Confirmation, PasswordText, RedactedStruct
from app.api.auth.confirmation import submit_confirmed
from app.api.context import snapshot
from app.api.device_body import ScheduleBody, schedule_bodies
from app.api.devices import MacText
from app.api.operation import Success, operation
from app.model import DirectPolicy
from app.policy_text import parse_policy, policy_text
from app.protocol.commands import RemoveGroup, SetDeviceSchedule, SetGroup
from app.protocol.preferences import PolicyText
from app.protocol.status import Snapshot

blueprint = Blueprint("groups", __name__)

GroupName = Annotated[str, Meta(min_length=1, max_length=64)]
Schedule = Annotated[tuple[ScheduleBody, ...], Meta(max_length=50)]


class GroupBody(Struct, frozen=True):
    name: str
    policy: str | None  # None = the default policy
    schedule: tuple[ScheduleBody, ...]
    devices: tuple[str, ...]  # the MAC addresses of its members


class GroupsBody(Struct, frozen=True):
    groups: tuple[GroupBody, ...]
    time_zone: str  # of the schedules


class SetGroupBody(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    policy: PolicyText | None = None  # None = the default policy
    schedule: Schedule = ()
    password: PasswordText | None = None  # the admin password, where something is ``direct``
    code: Code | None = None  # and this where there is a second factor


class ScheduleChange(RedactedStruct, frozen=True, forbid_unknown_fields=True):
    schedule: Schedule
    password: PasswordText | None = None  # the admin password, where something is ``direct``
    code: Code | None = None  # and this where there is a second factor


def group_bodies(now: Snapshot) -> tuple[GroupBody, ...]:
    """The groups with settings, then those that devices name."""
    groups = {group.name: group for group in now.groups}
    members: dict[str, list[str]] = {name: [] for name in groups}
    for device in now.devices:
        if device.group is not None:
            members.setdefault(device.group, []).append(device.mac)
    return tuple(
        GroupBody(
            name,
            policy_text(group.policy) if (group := groups.get(name)) and group.policy is not None else None,
            schedule_bodies(group.schedule if group else ()),
            tuple(sorted(macs)),
        )
        for name, macs in members.items()
    )


def opens(command: SetGroup | SetDeviceSchedule) -> bool:
    """Whether the command has anything to do with letting out in the clear."""
    policies = [entry.policy for entry in command.schedule]
    if isinstance(command, SetGroup):
        policies += [command.policy] if command.policy is not None else []
    return any(isinstance(policy, DirectPolicy) for policy in policies)


@operation(blueprint, "GET", "/api/groups")
async def list_groups() -> GroupsBody:
    """The groups of devices, with their policies, schedules and members."""
    now = await snapshot()
    return GroupsBody(group_bodies(now), now.time_zone)


@operation(blueprint, "PUT", "/api/groups/<name>")
async def set_group(name: GroupName, body: SetGroupBody) -> Success:
    """Give a group a policy and a schedule; it is made where there is none of this name.

    It counts for the devices of the group that have no policy of their own; its schedule counts for all of them. Where
    a policy is ``direct``, the password is asked for again.
    """
    policy = parse_policy(body.policy) if body.policy is not None else None
    command = SetGroup(name, policy, tuple(entry.entry() for entry in body.schedule))
    return await _submit(command, body.password, body.code)


@operation(blueprint, "DELETE", "/api/groups/<name>")
async def remove_group(name: GroupName, body: Confirmation | None) -> Success:
    """Remove a group. Its devices stay, in no group; an exception of the group ends.

    Where one of them then leaves in the clear, the password is asked for again.
    """
    given = body or Confirmation()
    done = await submit_confirmed(RemoveGroup(name), given.password, given.code)
    return Success(True, done.message, done.warnings)


@operation(blueprint, "PUT", "/api/devices/<mac>/schedule")
async def set_device_schedule(mac: MacText, body: ScheduleChange) -> Success:
    """Give one device a schedule of its own, which counts before that of its group; an empty one takes it away.

    The first entry that holds counts; where none does, the device's standing policy. A change takes effect at once,
    also for open connections of this device. Where a policy is ``direct``, the password is asked for again.
    """
    command = SetDeviceSchedule(mac_address.parse_device(mac), tuple(entry.entry() for entry in body.schedule))
    return await _submit(command, body.password, body.code)


async def _submit(command: SetGroup | SetDeviceSchedule, password: str | None, code: str | None) -> Success:
    done = await submit_confirmed(command, password, code, needed=opens(command))
    return Success(True, done.message, done.warnings)
