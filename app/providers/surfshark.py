"""``surfshark``: user name and password are exchanged for a token; registered keys expire after some days."""

from __future__ import annotations

from app.providers import surfshark_relays
from app.providers.account_parts import Parts, ProviderContext
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities, CredentialField
from app.providers.config import ApiConfig
from app.providers.dialling import DirectDialler
from app.providers.key_rotation import KeyRotation
from app.providers.surfshark_account import SurfsharkAccount


class SurfsharkProvider(SignInProvider):
    name = "surfshark"
    title = "Surfshark"
    capabilities = Capabilities(sign_in=True, key_rotation=True, file_key=True)
    credentials = (
        CredentialField("username", "E-mail address", secret=False),
        CredentialField("password", "Password"),
    )
    apis = {
        "surfshark": ApiConfig(
            "https://api.surfshark.com",
            alternatives=("https://ux.surfshark.com", "https://api.uymgg1.com", "https://ux.uymgg1.com"),
        )
    }
    source = surfshark_relays.SOURCE

    def make_parts(self, context: ProviderContext) -> Parts:
        account = SurfsharkAccount(context.session, context.client())
        return Parts(
            account=account,
            dialler=DirectDialler(context.servers, self.capabilities),
            rotation=KeyRotation(context.session, account.replace_key, account.remove_retired),
        )
