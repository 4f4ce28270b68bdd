"""The parts of a provider with accounts; a provider supplies those that it has."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from app.addresses import Address
from app.keys import KeyPair
from app.model import Peer, ProviderSettings, Secret
from app.providers.account_session import AccountSession
from app.providers.base import Environment, ProviderDevice
from app.providers.client import ProviderClient
from app.providers.config import ApiConfig
from app.providers.key_rotation import KeyRotation
from app.providers.server_list.relay import API_ADDRESSES, Relay
from app.providers.server_list.servers import ServerList
from app.providers.server_list.source import ListSource
from app.store.accounts import Account


class AccountApi(Protocol):
    """A provider's API for an account. Raises the errors of :mod:`app.providers.errors`."""

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        """Register ``pair`` with the account."""
        ...

    async def check(self, account: Account) -> Account:
        """Ask the provider about the account: its expiry, and that the gateway's key is known.

        Raises AccountExpiredError, KeyRevokedError, WrongCredentialsError.
        """
        ...

    async def forget(self, account: Account) -> None:
        """Remove the gateway's device or key at the provider, as far as its API allows."""
        ...


class DeviceApi(Protocol):
    """A provider's API for the devices of an account."""

    async def devices(self, account: Account) -> tuple[ProviderDevice, ...]: ...

    async def remove_device(self, account: Account, device_id: str) -> None: ...

    async def open(self, credentials: dict[str, Secret]) -> Account:
        """An account that can list and remove devices before this gateway is registered, to make room for it."""
        ...

    async def close(self, account: Account) -> None:
        """End the account of :meth:`open`. Never raises a GatewayError."""
        ...


class Dialler(Protocol):
    """Finds the WireGuard peer for a server."""

    async def dial(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:
        """The peer to dial, and the account with the addresses and resolvers for this server.

        Raises ConflictError, and the errors of :mod:`app.providers.errors` where it asks the provider.
        """
        ...


@dataclass(frozen=True)
class Parts:
    """The parts of one provider; those with a default are None where the provider does not support them.

    ``key_exchange`` answers the address and port, inside the tunnel, where each server speaks the protocol of
    :mod:`app.ephemeral_peer`.
    """

    account: AccountApi
    dialler: Dialler
    rotation: KeyRotation | None = None
    devices: DeviceApi | None = None
    key_exchange: Callable[[], tuple[Address, int]] | None = None


class ProviderContext:
    """Holds what the parts of one provider have in common: the session, the API clients and the server list."""

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
        """The location of the API ``name``: that of ``providers.toml``, otherwise the provider's own.

        Another location has certificates for the same name, unless it says otherwise.
        """
        own, given = self._apis[name], self.environment.apis.get(name)
        return own if given is None else replace(given, certificate=given.certificate or own.certificate)

    def client(self, name: str | None = None) -> ProviderClient:
        """The shared client of the API ``name``, None = the main one; a shared client obeys the rate limit."""
        name = name or next(iter(self._apis))
        if name not in self._clients:
            known = self._known_addresses if name == next(iter(self._apis)) else tuple
            self._clients[name] = ProviderClient(self.environment.transport, self.api(name), self.title, known)
        return self._clients[name]

    def _known_addresses(self) -> tuple[Address, ...]:
        """The addresses of the main API by the last list, for when its name cannot be looked up."""
        return tuple(map(ipaddress.ip_address, self.servers.general.get(API_ADDRESSES, "").split()))
