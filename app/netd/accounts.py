"""The commands about providers, accounts and preferences; the rest of the work is in the modules they call."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, assert_never

import msgspec
from msgspec import UNSET

from app.errors import ConflictError
from app.model import Secret, Settings
from app.protocol.commands import (
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
from app.protocol.preferences import Preferences, PreferencesChange
from app.providers.base import find_server
from app.store.check import check_preferences

if TYPE_CHECKING:
    from app.netd.core import Core

MAX_FAVOURITES = 500
JUDGED = ("fallback_dns", "exit_check_url", "server_changes")  # of any other preference every value makes sense


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
    wanted = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
    check_preferences(**{name: value for name, value in wanted.items() if name in JUDGED})
    if wanted:
        core.store.update_settings(lambda s: msgspec.structs.replace(s, **wanted))
        core.events.publish("settings_change", {"changed": sorted(wanted)})
