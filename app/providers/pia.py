"""``pia`` (Private Internet Access): a token, and a key that is registered with each server just before it is dialled.

The servers' certificates are issued by PIA's own authority, whose certificate is fetched from PIA and recognized by its
fingerprint, unless the user enters it or ``providers.toml`` names the file.
"""

from __future__ import annotations

from app.providers import pia_relays
from app.providers.account_parts import Parts, ProviderContext
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities, CredentialField
from app.providers.config import ApiConfig
from app.providers.pia_account import PiaAccount
from app.providers.pia_authority import PiaAuthority
from app.providers.pia_dialling import PiaDialler


class PiaProvider(SignInProvider):
    name = "pia"
    title = "Private Internet Access"
    capabilities = Capabilities(sign_in=True)
    credentials = (
        CredentialField("username", "User name", help="p and seven digits", pattern=r"[PpXx][0-9]{7}"),
        CredentialField("password", "Password"),
        CredentialField(
            "ca_certificate",
            "PIA's certificate authority",
            secret=False,
            optional=True,
            help="left empty, it is fetched from PIA and checked; else the text of PIA's file ca.rsa.4096.crt",
            pattern=r"-----BEGINCERTIFICATE-----[A-Za-z0-9+/=]{64,8000}-----ENDCERTIFICATE-----",
            longest=8192,
        ),
    )
    apis = {
        "pia": ApiConfig(
            "https://www.privateinternetaccess.com",
            alternatives=("https://apiv2.privateinternetaccess.com", "https://apiv2.piaproxy.net"),
        ),
        "pia-list": ApiConfig("https://serverlist.piaservers.net"),
        "pia-mirror": ApiConfig("https://raw.githubusercontent.com"),  # of PIA's own repository, for the authority
        # Each server has its own name and address; only the port and the authority are used.
        "pia-server": ApiConfig(f"https://server.invalid:{pia_relays.ADD_KEY_PORT}"),
    }
    source = pia_relays.SOURCE

    def make_parts(self, context: ProviderContext) -> Parts:
        server_api = context.api("pia-server")
        authority = PiaAuthority(server_api, context.client(), context.client("pia-mirror"))
        account = PiaAccount(context.session, context.client(), authority)
        dialler = PiaDialler(context.session, account.token, authority, server_api, context.environment.transport)
        return Parts(account=account, dialler=dialler)
