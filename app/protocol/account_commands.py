"""The commands about a provider's account: sign-in, devices, keys, server list."""

from __future__ import annotations

from app.model import ProviderSettings
from app.protocol.accounts import AccountStatus, ListStatus, ProviderDevice, ProviderInfo
from app.protocol.answers import Done
from app.protocol.command import Command


class DescribeProvider(Command[ProviderInfo], frozen=True, tag="describe_provider"):
    """Get all that is known of ``provider``. Raises NotFoundError."""

    during_bulk = True

    provider: str


class SignIn(Command[AccountStatus], frozen=True, tag="sign_in"):
    """Register this gateway with the account. On failure nothing has changed.

    Raises InvalidFieldError (names the form's field), ConflictError (``too_many_devices``, ``account_expired``, ...),
    UnavailableError (``provider_unavailable``).
    """

    provider: str
    credentials: dict[str, str]

    def __repr__(self) -> str:
        return f"SignIn({self.provider!r}, ***)"


class SignOut(Command[Done], frozen=True, tag="sign_out"):
    """Disconnect what uses the account; remove device and key there and here. ``warnings`` name what is left."""

    provider: str


class UseFileKey(Command[AccountStatus], frozen=True, tag="use_file_key"):
    """Use the key of the imported server ``server`` for every server of ``provider``'s public list.

    Nobody is signed in by that. The file's server must be in the list, which is fetched if need be; on failure nothing
    has changed. Raises NotFoundError, ConflictError (``signed_in``, ``not_its_file``, ...), UnavailableError.
    """

    provider: str
    server: str


class GetAccount(Command[AccountStatus], frozen=True, tag="get_account"):
    """Get the state of the account; with ``refresh``, after asking the provider."""

    during_bulk = True

    provider: str
    refresh: bool = False


class ListProviderDevices(Command[tuple[ProviderDevice, ...]], frozen=True, tag="list_provider_devices"):
    """The account's devices, as the provider has them."""

    during_bulk = True

    provider: str


class RemoveProviderDevice(Command[Done], frozen=True, tag="remove_provider_device"):
    provider: str
    device: str


class RefreshServers(Command[ListStatus], frozen=True, tag="refresh_servers"):
    """Fetch the provider's server list. On failure the last good one stays."""

    provider: str


class RotateKey(Command[AccountStatus], frozen=True, tag="rotate_key"):
    """Register a fresh key and move the tunnel over to it, make before break."""

    provider: str


class ConfigureProvider(Command[Done], frozen=True, tag="configure_provider"):
    """Change how to connect through ``provider``, from the next connection on. Raises InvalidFieldError."""

    provider: str
    settings: ProviderSettings
