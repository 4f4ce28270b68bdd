"""``hideme`` (hide.me): a token, and a session that each server opens just before it is dialled."""

from __future__ import annotations

from collections.abc import Collection

from app.providers import hideme_relays
from app.providers.account_parts import Parts, ProviderContext
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities, CredentialField
from app.providers.config import ApiConfig
from app.providers.hideme_account import HideMeAccount
from app.providers.hideme_api import CERTIFICATE, HideMeServers, HideMeTokens
from app.providers.hideme_dialling import HideMeDialler
from app.providers.hideme_sessions import HideMeSessions


class HideMeProvider(SignInProvider):
    """An :class:`app.providers.base.HoldsSessions`."""

    name = "hideme"
    title = "hide.me"
    capabilities = Capabilities(sign_in=True)
    credentials = (
        CredentialField("username", "User name", secret=False, help="at most 64 characters", longest=64),
        CredentialField("password", "Password", help="at most 64 characters", longest=64),
    )
    apis = {
        "hideme": ApiConfig("https://any.hideservers.net/v1", certificate=CERTIFICATE),
        "hideme-list": ApiConfig("https://api.hide.me"),
        # Each server has its own name; only the port, the path and the authority are used.
        "hideme-server": ApiConfig("https://server.invalid/v1", certificate=CERTIFICATE),
    }
    source = hideme_relays.SOURCE

    def make_parts(self, context: ProviderContext) -> Parts:
        servers = HideMeServers(context.api("hideme-server"), context.environment.transport)
        tokens = HideMeTokens(context.client())
        self._sessions = HideMeSessions(context.session, servers)
        return Parts(
            account=HideMeAccount(context.session, tokens, self._sessions),
            dialler=HideMeDialler(context.session, servers, self._sessions),
        )

    async def end_sessions(self, used: Collection[str]) -> None:
        await self._sessions.end_unused(used)
