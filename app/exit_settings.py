"""The exits of the settings: their numbers, and what each is set to (pure).

An exit's number, from which its mark, table and interfaces follow, is the place of its name in ``Settings.exits``. It
never changes: an exit that is removed leaves an empty name, and the next one that is made takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from app.model import DEFAULT_EXIT, ExitSettings, MtuSettings, Settings

REMOVED = ""  # the name at the place of an exit that was removed


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
