"""The parts that a provider with accounts is made of. A provider gives the ones that it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from app.keys import KeyPair
from app.model import Peer, ProviderSettings, Secret
from app.providers.account_session import AccountSession
from app.providers.base import Environment, ProviderDevice
from app.providers.client import ProviderClient
from app.providers.config import ApiConfig
from app.providers.key_rotation import KeyRotation
from app.providers.server_list.relay import Relay
from app.providers.server_list.servers import ServerList
from app.providers.server_list.source import ListSource
from app.store.accounts import Account


class AccountApi(Protocol):
    """What a provider's API does with an account. Raises the errors of :mod:`app.providers.errors`."""

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        """Register ``pair`` with the account."""
        ...

    async def check(self, account: Account) -> Account:
        """Ask the provider about the account: its expiry, and that the gateway's key is known.

        Raises AccountExpiredError, KeyRevokedError, WrongCredentialsError.
        """
        ...

    async def forget(self, account: Account) -> None:
        """Remove the gateway's device or key at the provider, as far as it can be done."""
        ...


class DeviceApi(Protocol):
    """The devices of an account, for providers that list them."""

    async def devices(self, account: Account) -> tuple[ProviderDevice, ...]: ...

    async def remove_device(self, account: Account, device_id: str) -> None: ...

    async def open(self, credentials: dict[str, Secret]) -> Account:
        """An account that is good for :meth:`devices` before anything is registered: people make room with it."""
        ...

    async def close(self, account: Account) -> None:
        """The account of :meth:`open` is not needed any more. Never raises a GatewayError."""
        ...


class Dialler(Protocol):
    """How a server is dialled with an account."""

    async def dial(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:
        """The peer to dial, and the account with the addresses and resolvers for this server.

        Raises ConflictError, and the errors of :mod:`app.providers.errors` where the provider has to be asked.
        """
        ...


@dataclass(frozen=True)
class Parts:
    """``rotation`` and ``devices`` are None for a provider that does not have them."""

    account: AccountApi
    dialler: Dialler
    rotation: KeyRotation | None = None
    devices: DeviceApi | None = None


class ProviderContext:
    """Holds what the parts of one provider are made from."""

    def __init__(
        self, environment: Environment, name: str, title: str, apis: Mapping[str, ApiConfig], source: ListSource
    ) -> None:
        self.environment = environment
        self.title = title
        self.session = AccountSession(environment, name, title)
        self._apis = apis
        self._clients: dict[str, ProviderClient] = {}
        self.servers = ServerList(environment, name, title, source, self.client(source.api))

    def api(self, name: str) -> ApiConfig:
        """Where the API ``name`` is: as ``providers.toml`` has it, or as the provider does."""
        return self.environment.apis.get(name) or self._apis[name]

    def client(self, name: str | None = None) -> ProviderClient:
        """The client of the API ``name``, None = the provider's main one. One for all: it keeps to rate limits."""
        name = name or next(iter(self._apis))
        if name not in self._clients:
            self._clients[name] = ProviderClient(self.environment.transport, self.api(name), self.title)
        return self._clients[name]
