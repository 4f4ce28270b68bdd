"""The interface of a provider: a new one is a class of this shape and a line in :mod:`app.providers.registry`.

Another package adds one through the entry point group ``vpn_gateway.providers``: the entry point's name is the
provider's, and it loads a callable that takes an :class:`Environment` and returns a :class:`Provider`. One that people
sign in to is best derived from :class:`app.providers.account_provider.SignInProvider`.
"""

from __future__ import annotations

import enum
import time
import unicodedata
from collections.abc import Callable, Mapping
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
    "ListStatus",
    "Provider",
    "ProviderDevice",
    "SkippedEntry",
    "Verdict",
    "find_server",
    "no_such_server",
]


class Verdict(enum.StrEnum):
    """What the provider says when a server does not answer."""

    HEALTHY = "healthy"  # account and key are good: the server is at fault
    ACCOUNT_EXPIRED = "account_expired"
    KEY_REVOKED = "key_revoked"
    SIGNED_OUT = "signed_out"  # the account itself is refused, or there is none here
    KEY_CHANGED = "key_changed"  # all is well, with another key than the tunnel had: a rotation's answer was lost
    UNKNOWN = "unknown"  # the provider could not be asked


class Due(enum.StrEnum):
    """Work that a provider has waiting; netd chooses the moment."""

    REFRESH = "refresh"  # the server list
    ACCOUNT = "account"  # expiry and the key's registration
    ROTATE = "rotate"  # the key is old
    SETTLE = "settle"  # devices of older keys can go, once the tunnel with the new one is up


@runtime_checkable
class Provider(Protocol):
    @property
    def name(self) -> str:
        """As in the API and in settings; lower case."""
        ...

    @property
    def title(self) -> str:
        """For people."""
        ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def servers(self) -> tuple[Server, ...]:
        """All servers, also those that cannot be connected yet (``missing`` says why). Never holds a secret."""
        ...

    async def tunnel(self, hostname: str) -> TunnelConfig:
        """All that is needed to connect to ``hostname``, secrets included: it stays within netd.

        No ``dns`` means the gateway's fallback resolvers, asked inside the tunnel. Raises NotFoundError (no such
        server), ConflictError (it lacks something), NotImplementedYetError (not in this version).
        """
        ...


@runtime_checkable
class AccountProvider(Provider, Protocol):
    """A provider that people sign in to. Every method may raise the errors of :mod:`app.providers.errors`."""

    @property
    def credentials(self) -> tuple[CredentialField, ...]:
        """The form to sign in with."""
        ...

    async def sign_in(self, credentials: Mapping[str, Secret]) -> AccountStatus:
        """Register this gateway and its key. Raises InvalidFieldError, WrongCredentialsError, TooManyDevicesError, ...

        On failure nothing has changed; after TooManyDevicesError :meth:`devices` and :meth:`remove_device` work with
        the credentials just given, so that people can make room and sign in again.
        """
        ...

    async def sign_out(self) -> tuple[str, ...]:
        """Remove device and key at the provider, and everything here. Returns what could not be removed there.

        Disconnect first: the tunnel's key stops working.
        """
        ...

    async def account(self, *, refresh: bool = False) -> AccountStatus:
        """What is known of the account; with ``refresh`` the provider is asked first."""
        ...

    async def refresh(self) -> ListStatus:
        """Fetch the server list. On failure the last good one stays."""
        ...

    async def list_status(self) -> ListStatus: ...

    async def devices(self) -> tuple[ProviderDevice, ...]: ...

    async def remove_device(self, device_id: str) -> None: ...

    async def rotate_key(self, hostname: str | None = None) -> TunnelConfig | None:
        """Register a fresh key, and return the configuration for ``hostname`` with it.

        Where the provider has room for a second device the old key works until :meth:`settle`: bring the new tunnel
        up, flip, then settle. Where not, the old key ends here, and what it has in use lasts for some seconds.
        """
        ...

    async def settle(self) -> None:
        """Remove devices of older keys at the provider. Idempotent; also after a restart."""
        ...

    async def diagnose(self) -> Verdict:
        """Ask the provider why a server may not answer. Never raises a GatewayError."""
        ...

    def due(self, now: float) -> frozenset[Due]:
        """What is waiting at ``now`` (Unix time)."""
        ...

    def check_settings(self, settings: ProviderSettings) -> None:
        """Raises InvalidFieldError where ``settings`` ask for what this provider does not have."""
        ...


@runtime_checkable
class ConfirmsExit(Protocol):
    """A provider that can tell from the exit check's answer whether the address seen is an exit of its own."""

    def confirms_exit(self, answer: Mapping[str, Any]) -> bool | None:
        """``answer`` is the JSON that ``exit_check_url`` gave; its values come from outside. None = it does not say."""
        ...


@dataclass(frozen=True)
class Environment:
    """What a provider is given: the transport, where things are kept, and what is set."""

    transport: Transport
    accounts: Accounts
    lists: Path  # directory of the last good server lists
    shipped: Path | None = None  # directory of lists that came with the image, in the same form
    settings: Callable[[str], ProviderSettings] = lambda _: ProviderSettings()  # by the provider's name
    own_networks: Callable[[], tuple[Network, ...]] = tuple  # our LAN: no server can be in it
    allowed_networks: tuple[Network, ...] = ()  # not on the Internet, and servers may be in them all the same (labs)
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
