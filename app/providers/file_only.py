"""Providers that are used with the key of one of their files alone; none of them has a sign-in here.

``windscribe``: its sign-in needs a captcha and a secret of its app.
"""

from __future__ import annotations

from typing import NoReturn

from app.errors import NotImplementedYetError
from app.keys import KeyPair
from app.model import Secret
from app.providers import windscribe_list
from app.providers.account_parts import Parts, ProviderContext
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities
from app.providers.config import ApiConfig
from app.providers.dialling import DirectDialler
from app.store.accounts import Account


class FileOnlyProvider(SignInProvider):
    """A provider without a sign-in; a subclass declares the list, and what its servers can do."""

    credentials = ()

    def make_parts(self, context: ProviderContext) -> Parts:
        context.session.first_step = f"Import one of {self.title}'s .conf files, and use its key for all servers"
        return Parts(_NoAccount(self.title), DirectDialler(context.servers, self.capabilities))


class _NoAccount:
    """An :class:`app.providers.account_parts.AccountApi` of a provider that has none."""

    def __init__(self, title: str) -> None:
        self._title = title

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:  # noqa: ARG002
        self._refuse()

    async def check(self, account: Account) -> Account:  # noqa: ARG002
        self._refuse()

    async def forget(self, account: Account) -> None:  # noqa: ARG002
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise NotImplementedYetError(
            f"There is no sign-in to {self._title} here: import one of its .conf files, and use its key for all servers"
        )


class WindscribeProvider(FileOnlyProvider):
    name = "windscribe"
    title = "Windscribe"
    capabilities = Capabilities(choose_port=True, file_key=True)
    apis = {"windscribe": ApiConfig("https://assets.windscribe.com")}
    source = windscribe_list.SOURCE
    shares_preshared_key = True
