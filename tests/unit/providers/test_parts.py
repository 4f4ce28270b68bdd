"""The parts of a provider must match its capabilities."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from app.providers.account_parts import Parts, ProviderContext
from app.providers.key_rotation import KeyRotation
from app.providers.mullvad import MullvadProvider
from app.providers.nordvpn import NordVpnProvider
from tests.support.providers.world import World


class _HidesRotation(NordVpnProvider):
    def make_parts(self, context: ProviderContext) -> Parts:
        parts = super().make_parts(context)

        async def replace_key(account, _pair):
            return account

        return Parts(parts.account, parts.dialler, rotation=KeyRotation(context.session, replace_key))


class _PromisesRotation(NordVpnProvider):
    capabilities = replace(NordVpnProvider.capabilities, key_rotation=True)


class _PromisesDevices(NordVpnProvider):
    capabilities = replace(NordVpnProvider.capabilities, devices=True)


@pytest.mark.parametrize("kind", [_HidesRotation, _PromisesRotation, _PromisesDevices])
def test_capabilities_that_differ_from_the_parts_are_refused(world: World, kind: type[NordVpnProvider]) -> None:
    with pytest.raises(TypeError, match="nordvpn"):
        kind(world.environment())


class _Renamed(MullvadProvider):
    name = "renamed"
    title = "Renamed VPN"


async def test_derived_provider_keeps_the_apis(world: World) -> None:
    """Only the first of ``apis`` is its main one; none has to have the provider's name."""
    provider = _Renamed(world.environment())
    context = ProviderContext(world.environment(), "renamed", "Renamed VPN", provider.apis, provider.source)
    assert context.client() is context.client("mullvad")
    assert not (await provider.account()).signed_in
