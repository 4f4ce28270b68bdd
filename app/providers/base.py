"""The interface of a provider; a new one is a class that implements it and a line in :mod:`app.providers.registry`.

Another package adds one through the entry point group ``vpn_gateway.providers``: the entry point's name is the
provider's, and it loads a callable that takes an :class:`Environment` and returns a :class:`Provider`. A provider with
accounts is best derived from :class:`app.providers.account_provider.SignInProvider`.
"""

from __future__ import annotations

import enum
import time
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from app.addresses import Network
from app.errors import NotFoundError
from app.https.transport import Transport
from app.model import ProviderSettings, Secret, Server, TunnelConfig
from app.protocol.accounts import (
    AccountStatus,
    Capabilities,
    CredentialField,
    ListStatus,
    ProviderDevice,
    SkippedEntry,
)
from app.providers.config import ApiConfig
from app.store.accounts import Accounts

__all__ = [
    "AccountProvider",
    "AccountStatus",
    "Capabilities",
    "ConfirmsExit",
    "CredentialField",
    "Due",
    "Environment",
    "HoldsSessions",
    "ListStatus",
    "Provider",
    "ProviderDevice",
    "SkippedEntry",
    "TakesFileKey",
    "Verdict",
    "find_server",
    "no_such_server",
]


class Verdict(enum.StrEnum):
    """The provider's verdict on the account when a server does not answer."""

    HEALTHY = "healthy"  # account and key are valid, so the server is at fault
    ACCOUNT_EXPIRED = "account_expired"
    KEY_REVOKED = "key_revoked"
    SIGNED_OUT = "signed_out"  # the account is refused, or none is signed in
    KEY_CHANGED = "key_changed"  # valid with another key than the tunnel's, after the answer to a rotation was lost
    UNKNOWN = "unknown"  # the provider could not be asked


class Due(enum.StrEnum):
    """The work that is due for a provider; netd chooses the moment."""

    REFRESH = "refresh"  # the server list
    ACCOUNT = "account"  # expiry and the key's registration
    ROTATE = "rotate"  # the key is old
    SETTLE = "settle"  # remove the devices of older keys, once the tunnel with the new key is up


@runtime_checkable
class Provider(Protocol):
    """A source of servers."""

    @property
    def name(self) -> str:
        """The name in the API and in settings, in lower case."""
        ...

    @property
    def title(self) -> str:
        """The name for users."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def servers(self) -> tuple[Server, ...]:
        """All servers, including those that cannot be connected yet (``missing`` says why). None holds a secret."""
        ...

    async def tunnel(self, hostname: str) -> TunnelConfig:
        """The configuration of a tunnel to ``hostname``; it contains secrets and stays within netd.

        Without ``dns`` the gateway's fallback resolvers are used, inside the tunnel. Raises NotFoundError (no such
        server), ConflictError (the server is incomplete), NotImplementedYetError (not in this version).
        """
        ...


@runtime_checkable
class AccountProvider(Provider, Protocol):
    """A provider with accounts. Every method may raise the errors of :mod:`app.providers.errors`."""

    @property
    def credentials(self) -> tuple[CredentialField, ...]:
        """The fields of the sign-in form."""
        ...

    async def sign_in(self, credentials: Mapping[str, Secret]) -> AccountStatus:
        """Register this gateway and its key. Raises InvalidFieldError, WrongCredentialsError, TooManyDevicesError, ...

        A failure changes nothing. After TooManyDevicesError, :meth:`devices` and :meth:`remove_device` work with these
        credentials, so that the user can remove a device and sign in again.
        """
        ...

    async def sign_out(self) -> tuple[str, ...]:
        """Remove the device at the provider and the account here. Returns warnings about what stays at the provider.

        Disconnect first, because the tunnel's key stops working.
        """
        ...

    async def account(self, *, refresh: bool = False) -> AccountStatus:
        """The status of the account; with ``refresh`` the provider is asked first."""
        ...

    async def refresh(self) -> ListStatus:
        """Fetch the server list. On failure the last valid one stays."""
        ...

    async def list_status(self) -> ListStatus: ...

    async def devices(self) -> tuple[ProviderDevice, ...]: ...

    async def remove_device(self, device_id: str) -> None: ...

    async def rotate_key(self, hostname: str | None = None) -> TunnelConfig | None:
        """Register a fresh key, and return the configuration for ``hostname`` with it.

        Where the account has room for a second device, the old key works until :meth:`settle`: bring the new tunnel
        up, switch to it, then settle. Otherwise the old key ends now, and its tunnel lasts for some seconds.
        """
        ...

    async def settle(self) -> None:
        """Remove the devices of older keys at the provider. Idempotent, and works after a restart."""
        ...

    async def diagnose(self) -> Verdict:
        """Ask the provider for its verdict on the account. Never raises a GatewayError."""
        ...

    def due(self, now: float) -> frozenset[Due]:
        """The work that is due at ``now`` (Unix time)."""
        ...

    def check_settings(self, settings: ProviderSettings) -> None:
        """Raises InvalidFieldError where ``settings`` ask for something that the provider does not support."""
        ...


@runtime_checkable
class TakesFileKey(Protocol):
    """A provider with accounts that can do with the key of one of its .conf files."""

    async def use_file_key(self, name: str, config: TunnelConfig) -> AccountStatus:
        """Use the key of ``config``, the imported server ``name``, for every server of the provider's public list.

        Raises ConflictError where that is not known to work, and the errors of :meth:`AccountProvider.refresh`; then
        nothing has changed.
        """
        ...


@runtime_checkable
class ConfirmsExit(Protocol):
    """A provider that can tell from the exit check's answer whether the exit address is one of its own."""

    def confirms_exit(self, answer: Mapping[str, Any]) -> bool | None:
        """Whether ``answer``, untrusted JSON from ``exit_check_url``, confirms the exit; None = it does not say."""
        ...


@runtime_checkable
class HoldsSessions(Protocol):
    """A provider that counts a session at a server against the account's limit until it is ended or times out."""

    async def end_sessions(self, used: Collection[str]) -> None:
        """End the sessions at servers other than ``used`` (their host names). Never raises a GatewayError."""
        ...


@dataclass(frozen=True)
class Environment:
    """The environment of a provider: the transport, the storage and the settings."""

    transport: Transport
    accounts: Accounts
    lists: Path  # directory of the last valid server lists
    shipped: Path | None = None  # directory of the lists in the image, in the same format
    settings: Callable[[str], ProviderSettings] = lambda _: ProviderSettings()  # by the provider's name
    own_networks: Callable[[], tuple[Network, ...]] = tuple  # the LAN, which cannot contain a server
    allowed_networks: tuple[Network, ...] = ()  # private networks that may contain servers (labs)
    apis: Mapping[str, ApiConfig] = field(
        default_factory=dict[str, ApiConfig]
    )  # by name, in place of the provider's own
    now: Callable[[], float] = time.time


async def find_server(provider: Provider, hostname: str) -> Server:
    """The server ``hostname`` of ``provider``. Raises NotFoundError (``server``)."""
    name = unicodedata.normalize("NFC", hostname)
    for server in await provider.servers():
        if server.hostname == name:
            return server
    raise no_such_server(provider.title)


def no_such_server(title: str) -> NotFoundError:
    return NotFoundError(f"{title}: there is no such server", field="server")
