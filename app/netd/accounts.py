"""The commands about providers, accounts and preferences; the rest of the work is in the modules they call."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from app.errors import ConflictError
from app.model import Secret, Settings
from app.protocol.accounts import AccountStatus, ListStatus, ProviderDevice, ProviderInfo
from app.protocol.answers import Done
from app.protocol.commands import (
    ChangePreferences,
    ConfigureProvider,
    DescribeProvider,
    GetAccount,
    GetPreferences,
    HandlerEntry,
    ListProviderDevices,
    RefreshServers,
    RemoveProviderDevice,
    RotateKey,
    SetFavourite,
    SignIn,
    SignOut,
)
from app.protocol.events import ServersChanged, SettingsChanged
from app.protocol.preferences import Preferences
from app.providers.base import find_server
from app.store.validation import check_preferences

if TYPE_CHECKING:
    from app.netd.core import Core

MAX_FAVOURITES = 500
JUDGED = ("fallback_dns", "exit_check_url", "server_changes")  # of any other preference every value makes sense


class Accounts:
    """Every method carries out the command that it takes. Raises GatewayError; then nothing was changed."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (
            DescribeProvider.handled_by(self._describe),
            SignIn.handled_by(self._sign_in),
            SignOut.handled_by(self._sign_out),
            GetAccount.handled_by(self._account),
            ListProviderDevices.handled_by(self._devices),
            RemoveProviderDevice.handled_by(self._remove_device),
            RefreshServers.handled_by(self._refresh),
            RotateKey.handled_by(self._rotate),
            ConfigureProvider.handled_by(self._configure),
            SetFavourite.handled_by(self._favourite),
            GetPreferences.handled_by(self._preferences),
            ChangePreferences.handled_by(self._change),
        )

    async def _describe(self, command: DescribeProvider) -> ProviderInfo:
        return await self._core.subscriptions.info(command.provider)

    async def _sign_in(self, command: SignIn) -> AccountStatus:
        credentials = {name: Secret(value) for name, value in command.credentials.items()}
        return await self._core.subscriptions.sign_in(command.provider, credentials)

    async def _sign_out(self, command: SignOut) -> Done:
        return Done(warnings=await self._core.subscriptions.sign_out(command.provider))

    async def _account(self, command: GetAccount) -> AccountStatus:
        return await self._core.subscriptions.account(command.provider, refresh=command.refresh)

    async def _devices(self, command: ListProviderDevices) -> tuple[ProviderDevice, ...]:
        return await self._core.subscriptions.devices(command.provider)

    async def _remove_device(self, command: RemoveProviderDevice) -> Done:
        await self._core.subscriptions.remove_device(command.provider, command.device)
        return Done()

    async def _refresh(self, command: RefreshServers) -> ListStatus:
        return await self._core.subscriptions.refresh(command.provider)

    async def _rotate(self, command: RotateKey) -> AccountStatus:
        return await self._core.subscriptions.rotate(command.provider)

    async def _configure(self, command: ConfigureProvider) -> Done:
        await self._core.subscriptions.configure(command.provider, command.settings)
        return Done()

    async def _favourite(self, command: SetFavourite) -> Done:
        core = self._core
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
            core.events.publish(ServersChanged(command.provider, favourite=command.server))
        return Done()

    async def _preferences(self, _command: GetPreferences) -> Preferences:
        return preferences(self._core.settings)

    async def _change(self, command: ChangePreferences) -> Preferences:
        """Raises InvalidFieldError."""
        core, change = self._core, command.change
        wanted = {name: value for name in change.__struct_fields__ if (value := getattr(change, name)) is not UNSET}
        check_preferences(**{name: value for name, value in wanted.items() if name in JUDGED})
        if wanted:
            core.store.update_settings(lambda s: msgspec.structs.replace(s, **wanted))
            core.events.publish(SettingsChanged(tuple(sorted(wanted))))
        return preferences(core.settings)


def preferences(settings: Settings) -> Preferences:
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
