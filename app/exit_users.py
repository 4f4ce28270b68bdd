"""Who uses an exit: the policies that name it, wherever in the settings they stand (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from app.model import BlockedPolicy, Device, DirectPolicy, Group, Policy, Settings, VpnPolicy


class Users(Struct, frozen=True):
    """Whatever names an exit in the settings."""

    devices: tuple[str, ...] = ()  # MAC addresses
    groups: tuple[str, ...] = ()
    default_policy: bool = False  # it is that of devices without one of their own

    def __bool__(self) -> bool:
        return bool(self.devices or self.groups or self.default_policy)


class Policies(Protocol):
    """What is used of the settings, and of the snapshot that shows them."""

    @property
    def devices(self) -> tuple[Device, ...]: ...

    @property
    def groups(self) -> tuple[Group, ...]: ...

    @property
    def default_policy(self) -> Policy: ...


def users_of(settings: Policies, name: str) -> Users:
    """The devices and groups whose policy, at any time, is the exit ``name``."""
    return Users(
        devices=tuple(device.mac for device in settings.devices if _uses(device, name)),
        groups=tuple(group.name for group in settings.groups if mentions(group, name)),
        default_policy=mentions(settings.default_policy, name),
    )


def _uses(device: Device, name: str) -> bool:
    """Whether a policy of the device itself, at any time, is the exit."""
    fields = (field for field in device.__struct_fields__ if field != "policy" or device.own)
    return any(mentions(getattr(device, field), name) for field in fields)


def mentions(value: object, name: str) -> bool:
    """Whether a policy anywhere in ``value`` is the exit ``name``."""
    found = False

    def look(policy: Policy) -> Policy:
        nonlocal found
        found = found or policy == VpnPolicy(name)
        return policy

    _mapped(value, look)
    return found


def with_policies(settings: Settings, change: Callable[[Policy], Policy]) -> Settings:
    """``settings`` with ``change`` of every policy in them, wherever it stands: a device, a group, a schedule."""
    return _mapped(settings, change)


def _mapped(value: Any, change: Callable[[Policy], Policy]) -> Any:
    """``value`` itself where nothing in it changes."""
    if isinstance(value, VpnPolicy | DirectPolicy | BlockedPolicy):
        return change(value)
    if isinstance(value, tuple):
        items = tuple(_mapped(item, change) for item in value)
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        changed = {name: new for name, old in fields.items() if (new := _mapped(old, change)) is not old}
        return replace(value, **changed) if changed else value
    return value
