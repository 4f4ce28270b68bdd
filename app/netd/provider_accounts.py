"""The commands for provider accounts: sign in and out, devices, keys.

Periodic work is in :mod:`app.netd.maintenance`.
"""

from __future__ import annotations

import contextlib
from typing import Protocol

import msgspec

from app.errors import ConflictError, GatewayError, NotFoundError
from app.model import ProviderSettings, Secret
from app.netd.file_keys import FileKeys
from app.netd.protocols import ProviderLookup
from app.protocol.accounts import AccountStatus, ListStatus, ProviderDevice, ProviderInfo
from app.protocol.answers import Done
from app.protocol.commands import (
    ConfigureProvider,
    DescribeProvider,
    GetAccount,
    HandlerEntry,
    ListProviderDevices,
    RefreshServers,
    RemoveProviderDevice,
    RotateKey,
    SignIn,
    SignOut,
    UseFileKey,
)
from app.protocol.events import EventSink, ServersChanged
from app.providers.base import AccountProvider, TakesFileKey
from app.store import Store


class ProviderExits(Protocol):
    """What is used of :class:`app.netd.exits.Exits`."""

    def using(self, provider: str) -> list[str]: ...

    async def disconnect(self, exit_name: str) -> None: ...

    async def renew(self, provider: str) -> bool: ...


class Verdicts(Protocol):
    """What is used of :class:`app.netd.failover.Failover`."""

    def forget_verdict(self, provider: str) -> None: ...

    def account_changed(self, provider: str) -> None: ...


class ProviderAccounts:
    """The handlers. Each raises NotFoundError (``provider``), and ConflictError for a provider without accounts."""

    def __init__(
        self,
        *,
        providers: ProviderLookup,
        exits: ProviderExits,
        verdicts: Verdicts,
        store: Store,
        file_keys: FileKeys,
        publish: EventSink,
    ) -> None:
        self._providers = providers
        self._exits = exits
        self._verdicts = verdicts
        self._store = store
        self._file_keys = file_keys
        self._publish = publish

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (
            DescribeProvider.handled_by(self._describe),
            SignIn.handled_by(self._sign_in),
            SignOut.handled_by(self._sign_out),
            UseFileKey.handled_by(self._use_file_key),
            GetAccount.handled_by(self._account),
            ListProviderDevices.handled_by(self._devices),
            RemoveProviderDevice.handled_by(self._remove_device),
            RefreshServers.handled_by(self._refresh),
            RotateKey.handled_by(self._rotate),
            ConfigureProvider.handled_by(self._configure),
        )

    async def _describe(self, command: DescribeProvider) -> ProviderInfo:
        name, settings = command.provider, self._store.settings
        provider = self._providers.get(name)
        shown = ProviderInfo(name, provider.title, settings.provider == name, provider.capabilities)
        if not isinstance(provider, AccountProvider) or not provider.capabilities.has_account:
            return shown
        account = await provider.account()
        return msgspec.structs.replace(
            shown,
            credentials=provider.credentials,
            account=account,
            key_files=() if account.signed_in else await self._file_keys.files_for(name),
            list=await provider.list_status(),
            settings=settings.provider_settings.get(name, ProviderSettings()),
        )

    async def _sign_in(self, command: SignIn) -> AccountStatus:
        """Sign in. Raises what :meth:`AccountProvider.sign_in` raises; then account and tunnels are as before."""
        provider = self._get(command.provider)
        status = await provider.sign_in({name: Secret(value) for name, value in command.credentials.items()})
        self._changed(command.provider)
        with contextlib.suppress(GatewayError):  # the sign-in has succeeded; the list can be fetched later
            await provider.refresh()
        # A tunnel that cannot be renewed keeps the old account; :mod:`app.netd.maintenance` tries again.
        with contextlib.suppress(GatewayError):
            if await self._exits.renew(command.provider):
                await provider.settle()
        return status

    async def _use_file_key(self, command: UseFileKey) -> AccountStatus:
        """Use the key of an imported file. Raises what :meth:`TakesFileKey.use_file_key` raises."""
        provider = self._get(command.provider)
        if not isinstance(provider, TakesFileKey):
            raise ConflictError(
                f"{provider.title}: the key of a file works with the file's own server only", field="provider"
            )
        try:
            config = self._file_keys.config(command.server)
        except NotFoundError as error:
            raise NotFoundError(error.message, field="server") from None
        status = await provider.use_file_key(command.server, config)
        self._changed(command.provider)
        # A tunnel with the key of an earlier file moves to this one; if it cannot, it keeps its own.
        with contextlib.suppress(GatewayError):
            await self._exits.renew(command.provider)
        return status

    async def _sign_out(self, command: SignOut) -> Done:
        """Disconnect the exits that use the account, then sign out. Warns of what the provider could not remove."""
        provider = self._get(command.provider)
        for exit_name in self._exits.using(command.provider):
            await self._exits.disconnect(exit_name)
        warnings = await provider.sign_out()
        self._changed(command.provider)
        return Done(warnings=warnings)

    async def _account(self, command: GetAccount) -> AccountStatus:
        status = await self._get(command.provider).account(refresh=command.refresh)
        if command.refresh:
            self._verdicts.forget_verdict(command.provider)
        return status

    async def _devices(self, command: ListProviderDevices) -> tuple[ProviderDevice, ...]:
        return await self._get(command.provider).devices()

    async def _remove_device(self, command: RemoveProviderDevice) -> Done:
        await self._get(command.provider).remove_device(command.device)
        return Done()

    async def _refresh(self, command: RefreshServers) -> ListStatus:
        status = await self._get(command.provider).refresh()
        if status.changed:
            self._publish(ServersChanged(command.provider, servers=status.servers))
        return status

    async def _rotate(self, command: RotateKey) -> AccountStatus:
        """Rotate the key make-before-break: the tunnel with the new key is up before the old one ends."""
        provider = self._get(command.provider)
        await provider.rotate_key()
        if await self._exits.renew(command.provider):
            await provider.settle()
        return await provider.account()

    async def _configure(self, command: ConfigureProvider) -> Done:
        """Store the provider's settings for the next connection. Raises InvalidFieldError for unsupported ones."""
        name, settings = command.provider, command.settings
        provider = self._get(name)
        await provider.list_status()  # loads the list in a thread; ``check_settings`` needs it
        provider.check_settings(settings)
        self._store.update_settings(
            lambda s: msgspec.structs.replace(s, provider_settings={**s.provider_settings, name: settings})
        )
        return Done()

    def _get(self, name: str) -> AccountProvider:
        provider = self._providers.get(name)
        if not isinstance(provider, AccountProvider) or not provider.capabilities.has_account:
            raise ConflictError(f"{provider.title} has no accounts to sign in to", field="provider", code="no_accounts")
        return provider

    def _changed(self, name: str) -> None:
        self._verdicts.account_changed(name)
        self._publish(ServersChanged(name))
