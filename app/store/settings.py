"""The file ``settings.json``: one versioned document that holds :class:`app.model.Settings`.

Its values are also validated at reading: another version, or an edit by hand, may have made a network that cannot be
planned. A part at fault is left out, and then nothing is connected: the gateway comes up blocked, and says why.
"""

from __future__ import annotations

from ipaddress import IPv4Address

import msgspec

from app import serialization
from app.errors import InvalidFieldError
from app.exit_settings import REMOVED, migrated, mirrored
from app.mac_address import is_canonical, is_device
from app.model import Device, ExitSettings, Settings
from app.overlaps import clashes, lan_claims, tunnel_claims
from app.store.documents import Decoded
from app.store.exit_rules import check_exit_settings
from app.store.planning import check_plan
from app.store.validation import (
    MAX_DEVICES,
    check_network,
    is_device_name,
    is_group_name,
    is_resolver,
    is_selector,
    is_target,
)

FILE = "settings.json"
VERSION = 1


class Document(msgspec.Struct, frozen=True):
    version: int
    settings: Settings


def encode(settings: Settings) -> bytes:
    return serialization.encode(Document(version=VERSION, settings=mirrored(settings)))


def decode(data: bytes) -> Decoded[Settings]:
    """The settings. Raises ValueError where the file is damaged; msgspec's errors are subclasses.

    Fields that a newer version added are passed over, so that a rollback to this version keeps the rest.
    """
    document: Document = serialization.decode(data, Document)
    settings, left_out = plannable(_present(document.settings))
    return Decoded(settings, document.version, left_out)


def _present(settings: Settings) -> Settings:
    """``settings`` as this version keeps them: what older versions look for elsewhere is in the exits' settings."""
    if not settings.exit_settings:
        return migrated(settings)
    mtu = msgspec.structs.replace(settings.mtu, exits={})
    return msgspec.structs.replace(settings, server_changes=(), mtu=mtu)


def plannable(settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """``settings`` with the default for each part that prevents planning a network, and the reasons (pure)."""
    settings, faults = _without_entries_at_fault(settings)
    for _ in Settings.__struct_fields__:  # each is at fault once at most
        try:
            check_network(settings)
            check_plan(settings)
        except InvalidFieldError as error:
            faults.append(error.message)
            settings = _without(settings, (error.field or "").partition(".")[0])
        else:
            return settings, tuple(faults)
    raise ValueError("no network can be planned from the defaults either")


def _without_entries_at_fault(settings: Settings) -> tuple[Settings, list[str]]:
    """``settings`` without single entries that an earlier version took, which would make each backup worthless."""
    fixed: set[IPv4Address] = set()
    devices = tuple(
        _usable(device, fixed)
        for device in settings.devices[:MAX_DEVICES]
        if is_device(device.mac) or not is_canonical(device.mac)  # no frame comes from a group's address
    )
    exits = set(settings.exits) - {REMOVED}
    desired, first = (
        {name: target for name, target in goals.items() if name in exits and is_target(target)}
        for goals in (settings.desired, settings.first_choice)
    )
    asked = {name: text for name, text in settings.asked.items() if name in exits and is_selector(text)}
    own = tuple(one for one in settings.exit_settings if one.name in exits and _is_good(one, settings))
    lan = lan_claims(settings.lan.networks)
    resolvers = tuple(
        a for a in settings.fallback_dns if is_resolver(a) and not clashes(tunnel_claims((), (), (a,)), lan)
    )
    repaired = msgspec.structs.replace(
        settings,
        devices=devices,
        desired=desired,
        first_choice=first,
        asked=asked,
        exit_settings=own,
        fallback_dns=resolvers or (Settings().fallback_dns if settings.fallback_dns else ()),
    )
    fields = ("devices", "desired", "first_choice", "asked", "exit_settings", "fallback_dns")
    changed = [name for name in fields if getattr(settings, name) != getattr(repaired, name)]
    return repaired, [f"{name}: entries that cannot be used" for name in changed]


def _is_good(one: ExitSettings, settings: Settings) -> bool:
    try:
        check_exit_settings(one, settings)
    except InvalidFieldError:
        return False
    return True


def _usable(device: Device, fixed: set[IPv4Address]) -> Device:
    """``device`` without what cannot be used; ``fixed`` are the addresses that others have, to which its own goes."""
    address = device.address if device.address not in fixed else None
    if address is not None:
        fixed.add(address)
    name = device.name if is_device_name(device.name) else None
    group = device.group if is_group_name(device.group) else None
    return msgspec.structs.replace(device, name=name, group=group, address=address)


def _without(settings: Settings, part: str) -> Settings:
    """``settings`` with the default for ``part``, which never opens more than before."""
    default = Settings()
    policy = (
        default.default_policy if part in {"devices", "groups"} else settings.default_policy
    )  # "direct" is for known devices
    changed = msgspec.structs.replace(settings, default_policy=policy, desired={}, first_choice={}, asked={})
    return msgspec.structs.replace(changed, **{part: getattr(default, part)})
