"""The providers, and which of them is current."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint

from app.api.context import gateway, snapshot
from app.api.operation import operation
from app.protocol.commands import SelectProvider

blueprint = Blueprint("providers", __name__)

# Names that title() gets wrong.
_SHOWN_AS = {
    "ivpn": "IVPN",
    "nordvpn": "NordVPN",
    "azirevpn": "AzireVPN",
    "airvpn": "AirVPN",
    "pia": "PIA",
    "hideme": "hide.me",
}


def shown_as(provider: str) -> str:
    return _SHOWN_AS.get(provider, provider.title())


class ProvidersBody(Struct, frozen=True):
    providers: tuple[str, ...]
    current: str


class ProviderSwitched(Struct, frozen=True):
    success: bool
    provider: str


@operation(blueprint, "GET", "/api/providers")
async def list_providers() -> ProvidersBody:
    """List the providers."""
    return ProvidersBody(await gateway().providers(), (await snapshot()).provider)


@operation(blueprint, "POST", "/api/provider/<provider>", needs_owner=False)
async def select_provider(provider: str) -> ProviderSwitched:
    """Make a provider the current one; a running tunnel is left alone."""
    await gateway().submit(SelectProvider(provider))
    return ProviderSwitched(True, provider)
