"""The settings with an exit made, changed, renamed or removed, and whatever names it following (pure)."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from app.exit_settings import REMOVED, all_exit_settings, migrated
from app.exit_users import mentions, with_policies
from app.model import DEFAULT_EXIT, ExitSettings, MtuSettings, Policy, Settings, VpnPolicy
from app.self_service import with_exit_renamed, with_exit_restored

_BY_EXIT = ("desired", "first_choice", "asked", "places")  # what the gateway keeps about each exit


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
        with_policies(with_exit_renamed(settings, old, new), follow),
        exits=tuple(new if name == old else name for name in settings.exits),
        exit_settings=tuple(replace(one, name=new) if one.name == old else one for one in settings.exit_settings),
        **moved,
    )


def without_exit(settings: Settings, name: str, then: Policy) -> Settings:
    """``settings`` without the exit ``name``; every policy that named it becomes ``then``, no device chooses it now."""
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
        with_policies(with_exit_renamed(settings, name, None), follow),
        exits=tuple(names),
        exit_settings=tuple(one for one in settings.exit_settings if one.name != name),
        **kept,
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
    for field in ("default_policy", "groups"):  # whole
        if mentions(getattr(before, field), name):
            kept[field] = getattr(before, field)
    return replace(
        with_exit_restored(settings, before, name),
        exits=tuple(names),
        exit_settings=settings.exit_settings + tuple(one for one in before.exit_settings if one.name == name),
        devices=tuple(users.get(device.mac, device) for device in settings.devices),
        **kept,
    )


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
