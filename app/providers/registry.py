"""The registry of providers: the built-in ones first, then those of other packages."""

from __future__ import annotations

import contextlib
import logging
import re
import ssl
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any

from app.addresses import Address
from app.errors import NotFoundError
from app.https.transport import Destination, Streams
from app.model import Peer, Server, StoredServer, TunnelConfig
from app.protocol.answers import ListOffer
from app.providers.account_provider import SignInProvider
from app.providers.airvpn import AirVpnProvider
from app.providers.azirevpn import AzireVpnProvider
from app.providers.base import AccountProvider, ConfirmsExit, Environment, Provider
from app.providers.custom import CustomProvider
from app.providers.file_only import WindscribeProvider
from app.providers.hideme import HideMeProvider
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
    WindscribeProvider,
    AirVpnProvider,
    HideMeProvider,
)


class _NoTransport:
    """Refuses every connection; for a registry without netd."""

    @contextlib.asynccontextmanager
    async def open_connection(self, to: Destination, tls: ssl.SSLContext) -> AsyncGenerator[Streams, None]:  # noqa: ARG002
        raise OSError("this environment has no connection to the Internet")
        yield  # makes this a generator


def offline() -> Environment:
    """An environment without connections, server lists and accounts."""
    return Environment(transport=_NoTransport(), accounts=Accounts(_NOWHERE), lists=_NOWHERE)


def _not_confirmed(_answer: Mapping[str, Any]) -> None:
    return None


class Registry:
    """Holds the providers by name."""

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
                log.warning("a package provides a second provider %s; it is ignored", provider.name)
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
        """The function by which provider ``name`` confirms an exit; without support for that, one that returns None."""
        provider = self._providers.get(name)
        return provider.confirms_exit if isinstance(provider, ConfirmsExit) else _not_confirmed

    def exit_addresses(self, name: str, hostname: str) -> tuple[Address, ...] | None:
        """The addresses of a server in the list of provider ``name``; None for a provider without a list."""
        provider = self._providers.get(name)
        return provider.exit_addresses(hostname) if isinstance(provider, SignInProvider) else None

    def _find_by_key(self, public_key: str) -> Server | None:
        """The server with this key in any provider's list; imported files rarely state a location."""
        for provider in self._providers.values():
            if isinstance(provider, SignInProvider) and (found := provider.by_key(public_key)) is not None:
                return found
        return None

    def listed_as(self, peer: Peer) -> str | None:
        """The server that ``peer`` is, as ``provider/hostname``, where several have its key and the address tells."""
        for provider in self._providers.values():
            if isinstance(provider, SignInProvider) and (found := provider.listed_as(peer)) is not None:
                return f"{provider.name}/{found}"
        return None

    async def _load_lists(self) -> None:
        """Read the lists that :meth:`_find_by_key` searches."""
        for provider in self._providers.values():
            if isinstance(provider, SignInProvider):
                await provider.list_status()

    async def find_offer(self, server: StoredServer, config: TunnelConfig) -> ListOffer | None:
        """The list that the key of ``server``, with the configuration ``config``, opens.

        It is that of the provider whose list has the server, otherwise of the one that the file looks like.
        """
        looks_like: ListOffer | None = None
        for provider in self._providers.values():
            if not isinstance(provider, SignInProvider) or (match := await provider.match_file(config)) is None:
                continue
            offer = ListOffer(provider.name, provider.title, server.name, match.servers, match.listed)
            if match.listed:
                return offer
            if server.service == provider.title:
                looks_like = offer
        return looks_like

    @property
    def all(self) -> tuple[Provider, ...]:
        return tuple(self._providers.values())


def _may_have_providers(place: str) -> bool:
    """Whether a package at ``place``, of those where modules are looked for, names a provider; also where unsure."""
    if Path(place).is_file():  # an archive of modules
        return True
    files = Path(place).glob("*-[Ii][Nn][Ff][Oo]/entry_points.txt")
    return any(ENTRY_POINTS.encode() in file.read_bytes() for file in files)


def _load_entry_points(environment: Environment) -> list[Provider]:
    """The providers of other packages. One that fails to load is logged and left out."""
    found: list[Provider] = []
    if not any(map(_may_have_providers, sys.path)):
        return found
    from importlib import metadata  # noqa: PLC0415 - a megabyte, and a gateway seldom has such a package

    for entry in metadata.entry_points(group=ENTRY_POINTS):
        try:
            provider: object = entry.load()(environment)
            if not isinstance(provider, Provider):
                raise TypeError("it is not a Provider")
            if provider.capabilities.has_account and not isinstance(provider, AccountProvider):
                raise TypeError("it has accounts but is not an AccountProvider")
            if provider.name != entry.name or not _NAME.fullmatch(provider.name):
                raise ValueError(f"its name is not {entry.name!r}")
        except Exception:
            log.exception("the provider %s of another package cannot be used", entry.name)
        else:
            found.append(provider)
    return found
