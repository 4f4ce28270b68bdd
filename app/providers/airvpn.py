"""``airvpn``: an API key gives the keys of one of the account's devices, which work at every server."""

from __future__ import annotations

from app.model import Peer, ProviderSettings
from app.providers import airvpn_relays
from app.providers.account_parts import Parts, ProviderContext
from app.providers.account_provider import SignInProvider
from app.providers.airvpn_account import PRESHARED_KEY, SERVER_KEY, AirVpnAccount
from app.providers.airvpn_api import AirVpnApi
from app.providers.airvpn_config import complete_peer
from app.providers.base import Capabilities, CredentialField
from app.providers.config import ApiConfig
from app.providers.dialling import DirectDialler
from app.providers.server_list.relay import Relay
from app.store.accounts import Account


class AirVpnProvider(SignInProvider):
    name = "airvpn"
    title = "AirVPN"
    capabilities = Capabilities(sign_in=True, choose_port=True, ipv6_endpoint=True, file_key=True)
    credentials = (
        CredentialField(
            "api_key",
            "API key",
            help="made in AirVPN's Client Area, under API: 64 letters and digits",
            pattern=r"[A-Za-z0-9]{32,128}",
        ),
        CredentialField(
            "device",
            "Device",
            secret=False,
            optional=True,
            help="the name of one of the account's devices, for this gateway alone; left empty: Default",
            longest=64,
        ),
    )
    apis = {"airvpn": ApiConfig("https://airvpn.org")}
    source = airvpn_relays.SOURCE
    shares_preshared_key = True

    def make_parts(self, context: ProviderContext) -> Parts:
        return Parts(
            account=AirVpnAccount(context.session, AirVpnApi(context.client())),
            dialler=_AirVpnDialler(DirectDialler(context.servers, self.capabilities)),
        )


class _AirVpnDialler:
    """Dials the server itself, with the device's preshared key."""

    def __init__(self, direct: DirectDialler) -> None:
        self._direct = direct

    async def dial(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:
        account, peer = await self._direct.dial(relay, account, settings)
        server_key = account.extra.get(SERVER_KEY)
        preshared_key = account.extra.get(PRESHARED_KEY)
        known = server_key.reveal() if server_key is not None else relay.public_key
        return account, complete_peer(peer, preshared_key, account.addresses, known)
