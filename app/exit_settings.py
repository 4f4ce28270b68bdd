"""The exits of the settings: their numbers, what each is set to, and how they are made, renamed and removed (pure).

An exit's number, from which its mark, table and interfaces follow, is the place of its name in ``Settings.exits``. It
never changes: an exit that is removed leaves an empty name, and the next one that is made takes its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from msgspec import Struct
from msgspec.structs import replace

from app.model import (
    DEFAULT_EXIT,
    BlockedPolicy,
    Device,
    DirectPolicy,
    ExitSettings,
    MtuSettings,
    Policy,
    SelfService,
    Settings,
    VpnPolicy,
)

REMOVED = ""  # the name at the place of an exit that was removed

_BY_EXIT = ("desired", "first_choice", "asked", "places")  # what the gateway keeps about each exit


def numbered(settings: Settings) -> Iterator[tuple[int, str]]:
    """The exits with their numbers."""
    return ((index, name) for index, name in enumerate(settings.exits) if name != REMOVED)


def exit_names(settings: Settings) -> tuple[str, ...]:
    """The names of the exits, by number."""
    return tuple(name for _, name in numbered(settings))


def exit_settings(settings: Settings, name: str) -> ExitSettings:
    """The settings of the exit ``name``; those of an older version count where there are no others."""
    found = next((one for one in settings.exit_settings if one.name == name), None) or ExitSettings(name)
    if found.mtu is None and name in settings.mtu.exits:
        found = replace(found, mtu=settings.mtu.exits[name])
    if not found.server_changes and name == DEFAULT_EXIT and settings.server_changes:
        found = replace(found, server_changes=settings.server_changes)
    return found


def all_exit_settings(settings: Settings) -> tuple[ExitSettings, ...]:
    """The settings of every exit, by number."""
    return tuple(exit_settings(settings, name) for name in exit_names(settings))


# --- Older versions --------------------------------------------------------------------------------------------------


def migrated(settings: Settings) -> Settings:
    """``settings`` with what older versions kept elsewhere, MTU and changes of server, in its exit's settings."""
    if not settings.server_changes and not settings.mtu.exits:
        return settings
    moved = [exit_settings(settings, name) for name in exit_names(settings)]
    unknown = {name: mtu for name, mtu in settings.mtu.exits.items() if name not in settings.exits}  # judged elsewhere
    return replace(
        settings,
        exit_settings=tuple(one for one in moved if one != ExitSettings(one.name)),
        server_changes=(),
        mtu=replace(settings.mtu, exits=unknown),
    )


def mirrored(settings: Settings) -> Settings:
    """``settings`` with the MTU and the changes of server also where older versions look for them."""
    known = {one.name: one for one in settings.exit_settings}
    mtus = {name: one.mtu for name, one in known.items() if one.mtu is not None}
    changes = known[DEFAULT_EXIT].server_changes if DEFAULT_EXIT in known else ()
    return replace(
        settings,
        server_changes=settings.server_changes or changes,
        mtu=MtuSettings({**mtus, **settings.mtu.exits}, settings.mtu.providers),
    )


# --- Changes ---------------------------------------------------------------------------------------------------------


def with_exit(settings: Settings, new: ExitSettings) -> Settings:
    """``settings`` with a new exit at the first free number."""
    names = list(settings.exits)
    if REMOVED in names:
        names[names.index(REMOVED)] = new.name
    else:
        names.append(new.name)
    return with_exit_settings(replace(settings, exits=tuple(names)), new)


def with_exit_settings(settings: Settings, changed: ExitSettings) -> Settings:
    """``settings`` in which the exit of that name is set to ``changed``."""
    settings = migrated(settings)
    others = tuple(one for one in settings.exit_settings if one.name != changed.name)
    kept = () if changed == ExitSettings(changed.name) else (changed,)
    return replace(settings, exit_settings=others + kept)


def renamed(settings: Settings, old: str, new: str) -> Settings:
    """``settings`` in which the exit ``old`` is called ``new``, and whatever named it follows."""
    settings = migrated(settings)

    def follow(policy: Policy) -> Policy:
        return VpnPolicy(new) if policy == VpnPolicy(old) else policy

    moved: dict[str, Any] = {
        field: {new if name == old else name: value for name, value in getattr(settings, field).items()}
        for field in _BY_EXIT
    }
    return replace(
        _with_offers(with_policies(settings, follow), lambda name: new if name == old else name),
        exits=tuple(new if name == old else name for name in settings.exits),
        exit_settings=tuple(replace(one, name=new) if one.name == old else one for one in settings.exit_settings),
        **moved,
    )


def without_exit(settings: Settings, name: str, then: Policy) -> Settings:
    """``settings`` without the exit ``name``; every policy that named it becomes ``then``."""
    settings = migrated(settings)

    def follow(policy: Policy) -> Policy:
        return then if policy == VpnPolicy(name) else policy

    names = [REMOVED if one == name else one for one in settings.exits]
    while names[-1] == REMOVED:
        names.pop()
    kept: dict[str, Any] = {
        field: {key: value for key, value in getattr(settings, field).items() if key != name} for field in _BY_EXIT
    }
    return replace(
        _with_offers(with_policies(settings, follow), lambda one: None if one == name else one),
        exits=tuple(names),
        exit_settings=tuple(one for one in settings.exit_settings if one.name != name),
        **kept,
    )


def _with_offers(settings: Settings, change: Callable[[str], str | None]) -> Settings:
    """``settings`` with the exits that devices may choose, or have chosen, as ``change`` has them; None = without."""

    def offered(service: SelfService) -> SelfService:
        if service.exits is None:
            return service
        return replace(service, exits=tuple(new for name in service.exits if (new := change(name)) is not None))

    chosen = ((mac, change(name)) for mac, name in settings.chosen_exits.items())
    return replace(
        settings,
        self_service=offered(settings.self_service),
        device_self_service={mac: offered(service) for mac, service in settings.device_self_service.items()},
        chosen_exits={mac: name for mac, name in chosen if name is not None},
    )


def restored(settings: Settings, before: Settings, name: str) -> Settings:
    """``settings`` with the exit ``name`` as it was in ``before``, which a removal took away; other changes stay."""
    index = before.exits.index(name)
    names = list(settings.exits) + [REMOVED] * (index + 1 - len(settings.exits))
    if names[index] != REMOVED or name in names:
        return settings
    names[index] = name
    users = {device.mac: device for device in before.devices if mentions(device, name)}
    kept: dict[str, Any] = {
        field: getattr(settings, field) | {k: v for k, v in getattr(before, field).items() if k == name}
        for field in _BY_EXIT
    }
    kept["chosen_exits"] = settings.chosen_exits | {k: v for k, v in before.chosen_exits.items() if v == name}
    kept["device_self_service"] = settings.device_self_service | {
        mac: service for mac, service in before.device_self_service.items() if name in (service.exits or ())
    }
    if name in (before.self_service.exits or ()):
        kept["self_service"] = before.self_service
    for field in ("default_policy", "groups"):  # whole
        if field in Settings.__struct_fields__ and mentions(getattr(before, field), name):
            kept[field] = getattr(before, field)
    return replace(
        settings,
        exits=tuple(names),
        exit_settings=settings.exit_settings + tuple(one for one in before.exit_settings if one.name == name),
        devices=tuple(users.get(device.mac, device) for device in settings.devices),
        **kept,
    )


# --- Who uses an exit ------------------------------------------------------------------------------------------------


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
    def default_policy(self) -> Policy: ...


def users_of(settings: Policies, name: str) -> Users:
    """The devices and groups whose policy, at any time, is the exit ``name``."""
    return Users(
        devices=tuple(device.mac for device in settings.devices if _uses(device, name)),
        groups=tuple(group.name for group in getattr(settings, "groups", ()) if mentions(group, name)),
        default_policy=mentions(settings.default_policy, name),
    )


def _uses(device: Device, name: str) -> bool:
    """Whether a policy of the device itself, at any time, is the exit."""
    own = getattr(device, "own", True)  # False = it follows its group, or the default
    fields = (field for field in device.__struct_fields__ if field != "policy" or own)
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


def with_preferences(settings: Settings, wanted: dict[str, Any]) -> Settings:
    """``settings`` with the fields in ``wanted``. What belongs to an exit is kept with its other settings."""
    own = {one.name: one for one in all_exit_settings(settings)}
    if "mtu" in wanted:
        mtu: MtuSettings = wanted["mtu"]
        own = {name: replace(one, mtu=mtu.exits.get(name)) for name, one in own.items()}
        wanted = {**wanted, "mtu": replace(mtu, exits={})}
    if "server_changes" in wanted:
        changes = wanted["server_changes"]
        own[DEFAULT_EXIT] = replace(own[DEFAULT_EXIT], server_changes=changes)
        wanted = {**wanted, "server_changes": ()}
    kept = tuple(one for one in own.values() if one != ExitSettings(one.name))
    return replace(settings, **wanted, exit_settings=kept)
