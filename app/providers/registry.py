"""The registry lists the providers: those of the gateway first, then those of other packages."""

from __future__ import annotations

import contextlib
import logging
import re
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from app.errors import NotFoundError
from app.https.transport import Destination, Streams
from app.model import Server
from app.providers.account_provider import SignInProvider
from app.providers.azirevpn import AzireVpnProvider
from app.providers.base import AccountProvider, ConfirmsExit, Environment, Provider
from app.providers.custom import CustomProvider
from app.providers.imported import ImportedProvider
from app.providers.ivpn import IvpnProvider
from app.providers.mullvad import MullvadProvider
from app.providers.nordvpn import NordVpnProvider
from app.providers.pia import PiaProvider
from app.providers.surfshark import SurfsharkProvider
from app.store import Store
from app.store.accounts import Accounts

log = logging.getLogger(__name__)

ENTRY_POINTS = "vpn_gateway.providers"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_NOWHERE = Path("/nonexistent")

WITH_ACCOUNT: tuple[Callable[[Environment], Provider], ...] = (
    IvpnProvider,
    NordVpnProvider,
    AzireVpnProvider,
    SurfsharkProvider,
    PiaProvider,
)


class _NoTransport:
    """Stands in for netd's connections where there is no netd."""

    @contextlib.asynccontextmanager
    async def open_connection(self, to: Destination, tls: ssl.SSLContext) -> AsyncGenerator[Streams, None]:  # noqa: ARG002
        raise OSError("nothing here may connect to the Internet")
        yield  # what makes this a generator


def offline() -> Environment:
    """An environment in which lists are empty and nobody is signed in."""
    return Environment(transport=_NoTransport(), accounts=Accounts(_NOWHERE), lists=_NOWHERE)


def _not_confirmed(_answer: Mapping[str, Any]) -> None:
    return None


class Registry:
    def __init__(self, store: Store, environment: Environment | None = None) -> None:
        environment = environment or offline()
        ours: tuple[Provider, ...] = (
            MullvadProvider(environment),
            CustomProvider(store),
            ImportedProvider(store, self._find_by_key, self._load_lists),
            *(make(environment) for make in WITH_ACCOUNT),
        )
        self._providers = {provider.name: provider for provider in ours}
        for provider in _load_entry_points(environment):
            if provider.name in self._providers:
                log.warning("a package offers a second provider %s: it is left out", provider.name)
            else:
                self._providers[provider.name] = provider

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._providers)

    def get(self, name: str) -> Provider:
        """Raises NotFoundError (``provider``)."""
        provider = self._providers.get(name)
        if provider is None:
            raise NotFoundError(f"There is no such provider; there are {', '.join(self.names)}", field="provider")
        return provider

    def exit_confirmation(self, name: str) -> Callable[[Mapping[str, Any]], bool | None]:
        """How the provider ``name`` confirms an exit; one that cannot, or that is gone, says nothing."""
        provider = self._providers.get(name)
        return provider.confirms_exit if isinstance(provider, ConfirmsExit) else _not_confirmed

    def _find_by_key(self, public_key: str) -> Server | None:
        """The server with this key in any provider's list: imported files seldom tell where their server is."""
        for provider in self._providers.values():
            if isinstance(provider, SignInProvider) and (found := provider.by_key(public_key)) is not None:
                return found
        return None

    async def _load_lists(self) -> None:
        """Read the lists that :meth:`_find_by_key` looks into."""
        for provider in self._providers.values():
            if isinstance(provider, SignInProvider):
                await provider.list_status()

    @property
    def all(self) -> tuple[Provider, ...]:
        return tuple(self._providers.values())


def _load_entry_points(environment: Environment) -> list[Provider]:
    """A package that fails to load is told in the log and costs no more than its own provider."""
    found: list[Provider] = []
    for entry in metadata.entry_points(group=ENTRY_POINTS):
        try:
            provider: object = entry.load()(environment)
            if not isinstance(provider, Provider):
                raise TypeError("it is no provider")
            if provider.capabilities.sign_in and not isinstance(provider, AccountProvider):
                raise TypeError("it has accounts, and not all that a provider with accounts has")
            if provider.name != entry.name or not _NAME.fullmatch(provider.name):
                raise ValueError(f"its name is not {entry.name!r}")
        except Exception:
            log.exception("the provider %s of another package cannot be used", entry.name)
        else:
            found.append(provider)
    return found
