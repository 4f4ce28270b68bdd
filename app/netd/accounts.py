"""The commands about providers, accounts and preferences; the rest of the work is in the modules they call."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, assert_never
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET

from app.errors import ConflictError, InvalidFieldError
from app.gateway import (
    AccountAnswer,
    AccountCommand,
    ChangePreferences,
    ConfigureProvider,
    DescribeProvider,
    Done,
    GetAccount,
    GetPreferences,
    ListAnswer,
    ListProviderDevices,
    PreferencesAnswer,
    ProviderAnswer,
    ProviderDevices,
    RefreshServers,
    RemoveProviderDevice,
    Result,
    RotateKey,
    SetFavourite,
    SignIn,
    SignOut,
)
from app.model import Secret, Settings
from app.preferences import Preferences, PreferencesChange
from app.providers.base import find_server

if TYPE_CHECKING:
    from app.netd.core import Core

MAX_FAVOURITES = 500


async def run(core: Core, command: AccountCommand) -> Result:
    """Carry out ``command``. Raises GatewayError; then nothing was changed."""
    subscriptions = core.subscriptions
    match command:
        case DescribeProvider(provider=name):
            return ProviderAnswer(await subscriptions.info(name))
        case SignIn(provider=name, credentials=given):
            return AccountAnswer(await subscriptions.sign_in(name, {k: Secret(v) for k, v in given.items()}))
        case SignOut(provider=name):
            return Done(warnings=await subscriptions.sign_out(name))
        case GetAccount(provider=name, refresh=refresh):
            return AccountAnswer(await subscriptions.account(name, refresh=refresh))
        case ListProviderDevices(provider=name):
            return ProviderDevices(await subscriptions.devices(name))
        case RemoveProviderDevice(provider=name, device=device):
            await subscriptions.remove_device(name, device)
            return Done()
        case RefreshServers(provider=name):
            return ListAnswer(await subscriptions.refresh(name))
        case RotateKey(provider=name):
            return AccountAnswer(await subscriptions.rotate(name))
        case ConfigureProvider(provider=name, settings=settings):
            await subscriptions.configure(name, settings)
            return Done()
        case SetFavourite():
            return await _favourite(core, command)
        case GetPreferences():
            return PreferencesAnswer(preferences(core))
        case ChangePreferences(change=change):
            await _change(core, change)
            return PreferencesAnswer(preferences(core))
        case _:
            assert_never(command)


async def _favourite(core: Core, command: SetFavourite) -> Done:
    name = f"{command.provider}/{unicodedata.normalize('NFC', command.server)}"
    if command.favourite:
        await find_server(core.registry.get(command.provider), command.server)

    def change(settings: Settings) -> Settings:
        others = tuple(f for f in settings.favourites if f != name)
        if command.favourite and len(others) >= MAX_FAVOURITES:
            raise ConflictError(f"there are already {MAX_FAVOURITES} favourites", code="too_many")
        return msgspec.structs.replace(settings, favourites=(*others, name) if command.favourite else others)

    before = core.settings.favourites
    if core.store.update_settings(change).favourites != before:
        core.events.publish("server_update", {"provider": command.provider, "favourite": command.server})
    return Done()


def preferences(core: Core) -> Preferences:
    settings = core.settings
    return Preferences(
        failover=settings.failover,
        connect_at_boot=settings.connect_at_boot,
        server_changes=settings.server_changes,
        measure_latency=settings.measure_latency,
        fallback_dns=settings.fallback_dns,
        exit_check_url=settings.exit_check_url,
        favourites=settings.favourites,
        recent=settings.recent,
    )


async def _change(core: Core, change: PreferencesChange) -> None:
    """Raises InvalidFieldError."""
    if isinstance(change.exit_check_url, str):
        _check_url(change.exit_check_url)
    if change.server_changes is not UNSET:
        for number, entry in enumerate(change.server_changes):
            if not entry.days:
                raise InvalidFieldError(
                    f"server_changes[{number}].days: name at least one day", field=f"server_changes[{number}].days"
                )
            if not entry.select.strip():
                raise InvalidFieldError(
                    f"server_changes[{number}].select: a server, a place, fastest or random",
                    field=f"server_changes[{number}].select",
                )
    wanted = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
    if wanted:
        core.store.update_settings(lambda s: msgspec.structs.replace(s, **wanted))
        core.events.publish("settings_change", {"changed": sorted(wanted)})


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        valid = parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InvalidFieldError("exit_check_url: an https address, or null for never", field="exit_check_url")
