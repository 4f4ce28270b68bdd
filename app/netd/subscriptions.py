"""Accounts at providers: sign in and out, devices, keys. What nobody asks for is in :mod:`app.netd.upkeep`."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from app.errors import ConflictError, GatewayError
from app.model import ProviderSettings, Secret
from app.netd.machines import on_provider
from app.protocol.accounts import AccountStatus, ListStatus, ProviderDevice, ProviderInfo
from app.protocol.events import ServersChanged
from app.providers.base import AccountProvider
from app.tunnel.states import Connected

if TYPE_CHECKING:
    from app.netd.core import Core

log = logging.getLogger(__name__)


class Subscriptions:
    """Every method raises NotFoundError (``provider``), and ConflictError (``no_accounts``) where there are none."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get(self, name: str) -> AccountProvider:
        provider = self._core.registry.get(name)
        if not isinstance(provider, AccountProvider) or not provider.capabilities.sign_in:
            raise ConflictError(f"{provider.title} has no accounts to sign in to", field="provider", code="no_accounts")
        return provider

    async def info(self, name: str) -> ProviderInfo:
        core = self._core
        provider = core.registry.get(name)
        shown = ProviderInfo(name, provider.title, core.settings.provider == name, provider.capabilities)
        if not isinstance(provider, AccountProvider) or not provider.capabilities.sign_in:
            return shown
        return msgspec.structs.replace(
            shown,
            credentials=provider.credentials,
            account=await provider.account(),
            list=await provider.list_status(),
            settings=core.settings.provider_settings.get(name, ProviderSettings()),
        )

    # --- what people ask for -----------------------------------------------------------------------------------------

    async def sign_in(self, name: str, credentials: Mapping[str, Secret]) -> AccountStatus:
        """Raises what :meth:`AccountProvider.sign_in` raises; then nothing has changed, and a tunnel goes on."""
        provider = self.get(name)
        status = await provider.sign_in(credentials)
        self._changed(name)
        with contextlib.suppress(GatewayError):  # the list can be fetched later; signed in we are
            await provider.refresh()
        # A tunnel that could not follow keeps the account it came up with; :mod:`app.netd.upkeep` tries again.
        with contextlib.suppress(GatewayError):
            await self._renew(name)
            await provider.settle()
        return status

    async def sign_out(self, name: str) -> tuple[str, ...]:
        """Take down what uses the account, then end it there and here; returns what could not be ended there."""
        core = self._core
        provider = self.get(name)
        for machine in on_provider(core.machines.values(), name):
            await core.want(machine.name, None)
            await machine.disconnect()
        warnings = await provider.sign_out()
        self._changed(name)
        return warnings

    async def account(self, name: str, *, refresh: bool) -> AccountStatus:
        status = await self.get(name).account(refresh=refresh)
        if refresh:
            self._core.failover.forget_verdict(name)
        return status

    async def devices(self, name: str) -> tuple[ProviderDevice, ...]:
        return await self.get(name).devices()

    async def remove_device(self, name: str, device_id: str) -> None:
        await self.get(name).remove_device(device_id)

    async def refresh(self, name: str) -> ListStatus:
        status = await self.get(name).refresh()
        if status.changed:
            self._core.events.publish(ServersChanged(name, servers=status.servers))
        return status

    async def rotate(self, name: str) -> AccountStatus:
        """A fresh key, without a pause: the tunnel with the new one is up before the old one ends."""
        provider = self.get(name)
        await provider.rotate_key()
        await self._renew(name)
        await provider.settle()
        return await provider.account()

    async def configure(self, name: str, settings: ProviderSettings) -> None:
        """Takes effect at the next connection. Raises InvalidFieldError for what the provider does not have."""
        self.get(name).check_settings(settings)
        self._core.store.update_settings(
            lambda s: msgspec.structs.replace(s, provider_settings={**s.provider_settings, name: settings})
        )

    def _changed(self, name: str) -> None:
        self._core.failover.forget_verdict(name)
        self._core.events.publish(ServersChanged(name))

    async def _renew(self, name: str) -> None:
        """Tunnels of this provider go over to its present key. Raises GatewayError; the old ones are still up then."""
        for machine in on_provider(self._core.machines.values(), name):
            if isinstance(machine.state, Connected):
                self._core.records.because(machine.name, "key_changed")
                try:
                    await machine.renew()
                finally:  # of a switch that was made it is taken already; no other move has this cause
                    self._core.records.because(machine.name, None)
            elif machine.goal is not None:
                machine.resume(machine.goal)  # it may have waited for this very account
