"""The part of the fake gateway for groups, schedules and exceptions: a state, and nothing that follows from it."""

from __future__ import annotations

import time
from typing import Any

from msgspec.structs import replace

from app.errors import NotFoundError
from app.model import Device, Group, PolicyException
from app.protocol.answers import Done
from app.protocol.commands import (
    ChangeException,
    Command,
    EndException,
    RemoveGroup,
    SetDevicePolicy,
    SetDeviceSchedule,
    SetGroup,
    StartException,
)
from app.protocol.status import Snapshot

COMMANDS = (
    ChangeException,
    EndException,
    RemoveGroup,
    SetDevicePolicy,
    SetDeviceSchedule,
    SetGroup,
    StartException,
)


def answer(command: Command[Any], state: Snapshot) -> tuple[object, Snapshot]:
    """The answer to one of ``COMMANDS``, and the state after it."""
    now = time.time()
    match command:
        case SetDevicePolicy(mac=mac, policy=policy, name=name):
            old = _device(state, mac)
            new = replace(old, policy=policy or old.policy, own=policy is not None, name=name or old.name)
            return Done(), _with_device(state, new)
        case SetDeviceSchedule(mac=mac, schedule=schedule):
            return Done(), _with_device(state, replace(_device(state, mac), schedule=schedule))
        case SetGroup(name=name, policy=policy, schedule=schedule):
            others = tuple(g for g in state.groups if g.name != name)
            return Done(), replace(state, groups=(*others, Group(name, policy, schedule)))
        case RemoveGroup(name=name):
            if name not in {g.name for g in state.groups}:
                raise NotFoundError(f"there is no group {name!r}", field="name")
            return Done(), replace(state, groups=tuple(g for g in state.groups if g.name != name))
        case StartException():
            number = max((e.id for e in state.exceptions), default=0) + 1
            seconds = command.seconds or (command.until or now) - now
            made = PolicyException(
                number, number, command.policy, now, now + seconds, seconds, command.by, command.mac, command.group,
                command.reason,
            )  # fmt: skip
            return made, replace(state, exceptions=(*state.exceptions, made))
        case ChangeException(id=number):
            seconds = command.seconds or (command.until or now) - now
            made = replace(_exception(state, number), until=now + seconds, deadline=seconds)
            return made, replace(state, exceptions=(*_others(state, number), made))
        case EndException(id=number):
            _exception(state, number)
            return Done(), replace(state, exceptions=_others(state, number))
        case _:
            raise AssertionError(command)


def _device(state: Snapshot, mac: str) -> Device:
    return next((d for d in state.devices if d.mac == mac), Device(mac, own=False))


def _with_device(state: Snapshot, device: Device) -> Snapshot:
    return replace(state, devices=(*(d for d in state.devices if d.mac != device.mac), device))


def _exception(state: Snapshot, number: int) -> PolicyException:
    found = next((e for e in state.exceptions if e.id == number), None)
    if found is None:
        raise NotFoundError(f"there is no open exception {number}", field="id")
    return found


def _others(state: Snapshot, number: int) -> tuple[PolicyException, ...]:
    return tuple(e for e in state.exceptions if e.id != number)
