"""``azirevpn``: user name and password are exchanged for a token; servers are dialled by DNS name."""

from __future__ import annotations

from app.providers import azirevpn_relays
from app.providers.account_parts import Parts, ProviderContext
from app.providers.account_provider import SignInProvider
from app.providers.azirevpn_account import AzireVpnAccount
from app.providers.base import Capabilities, CredentialField
from app.providers.config import ApiConfig
from app.providers.dialling import DirectDialler
from app.providers.key_rotation import KeyRotation


class AzireVpnProvider(SignInProvider):
    name = "azirevpn"
    title = "AzireVPN"
    capabilities = Capabilities(sign_in=True, devices=True, key_rotation=True, file_key=True)
    credentials = (
        CredentialField("username", "User name", secret=False),
        CredentialField("password", "Password"),
    )
    apis = {"azirevpn": ApiConfig("https://api.azirevpn.com")}
    source = azirevpn_relays.SOURCE

    def make_parts(self, context: ProviderContext) -> Parts:
        account = AzireVpnAccount(context.session, context.client())
        return Parts(
            account=account,
            dialler=DirectDialler(context.servers, self.capabilities),
            rotation=KeyRotation(context.session, account.replace_key),
            devices=account,
        )
