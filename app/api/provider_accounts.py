"""A provider in full: its capabilities, the account there, its devices, key and settings."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, structs
from quart import Blueprint

from app.api.auth import principal
from app.api.context import gateway
from app.api.operation import Success, operation
from app.model import ProviderSettings
from app.protocol.accounts import AccountStatus, ListStatus, ProviderDevice, ProviderInfo
from app.protocol.commands import (
    ConfigureProvider,
    DescribeProvider,
    GetAccount,
    ListProviderDevices,
    RefreshServers,
    RemoveProviderDevice,
    RotateKey,
    SignIn,
    SignOut,
    UseFileKey,
)

blueprint = Blueprint("subscriptions", __name__)

# Statuses of requests to a provider, besides the common ones: no accounts or signed out, bad answer, away.
PROVIDER_ERRORS = (404, 409, 422, 501, 502, 503)

Name = Annotated[str, Meta(min_length=1, max_length=64, examples=["mullvad"])]
Ident = Annotated[str, Meta(min_length=1, max_length=255, examples=["d-2"])]
Credential = Annotated[str, Meta(max_length=16_384)]


class SignInBody(Struct, frozen=True, forbid_unknown_fields=True):
    """The sign-in form; ``credentials`` are the fields that ``GET /api/providers/{name}`` lists."""

    credentials: Annotated[dict[Annotated[str, Meta(max_length=64)], Credential], Meta(max_length=16)]

    def __repr__(self) -> str:
        return "SignInBody(***)"


class FileKeyBody(Struct, frozen=True, forbid_unknown_fields=True):
    server: Annotated[str, Meta(min_length=1, max_length=255, examples=["berlin"])]  # an imported one


class AccountQuery(Struct, frozen=True, forbid_unknown_fields=True):
    refresh: bool = False  # ask the provider first


class AccountBody(Struct, frozen=True):
    success: bool
    account: AccountStatus


class ProviderDevicesBody(Struct, frozen=True):
    devices: tuple[ProviderDevice, ...]


class ListBody(Struct, frozen=True):
    success: bool
    list: ListStatus


def _for_anybody(info: ProviderInfo) -> ProviderInfo:
    """``info`` as the present client may see it: without the account's details while there is no password."""
    found = principal()
    if info.account is None or found is None or found.kind != "open":
        return info
    account = AccountStatus(info.account.signed_in, problem=info.account.problem)
    return structs.replace(info, account=account)


@operation(blueprint, "GET", "/api/providers/<name>", errors=(404,))
async def describe_provider(name: Name) -> ProviderInfo:
    """Describe a provider: its capabilities, the form to sign in with, and the state of the account."""
    return _for_anybody(await gateway().submit(DescribeProvider(name)))


@operation(blueprint, "POST", "/api/providers/<name>/login", limit="connection", errors=PROVIDER_ERRORS)
async def sign_in(name: Name, body: SignInBody) -> AccountBody:
    """Sign in, register this gateway's key, fetch the servers. On failure nothing has changed.

    After ``too_many_devices`` the account's devices can be listed and removed; then sign in again.
    """
    return AccountBody(True, await gateway().submit(SignIn(name, dict(body.credentials))))


@operation(blueprint, "POST", "/api/providers/<name>/use-key", limit="connection", errors=PROVIDER_ERRORS)
async def use_file_key(name: Name, body: FileKeyBody) -> AccountBody:
    """Use the key of an imported file for all of its provider's servers, without a sign-in (``opens`` of an import).

    The file's server must be in the provider's public list, which is fetched if need be. On failure nothing changes.
    """
    return AccountBody(True, await gateway().submit(UseFileKey(name, body.server)))


@operation(blueprint, "POST", "/api/providers/<name>/logout", limit="connection", errors=PROVIDER_ERRORS)
async def sign_out(name: Name) -> Success:
    """Sign out: disconnect, remove device and key at the provider, and everything of the account here."""
    result = await gateway().submit(SignOut(name))
    return Success(True, result.message, result.warnings)


@operation(blueprint, "GET", "/api/providers/<name>/account", errors=PROVIDER_ERRORS, needs_owner=True)
async def account(name: Name, query: AccountQuery) -> AccountBody:
    """Get the account: masked number, days left, this device, the key's age."""
    return AccountBody(True, await gateway().submit(GetAccount(name, query.refresh)))


@operation(blueprint, "GET", "/api/providers/<name>/devices", errors=PROVIDER_ERRORS, needs_owner=True)
async def provider_devices(name: Name) -> ProviderDevicesBody:
    """List the account's devices, as the provider has them."""
    return ProviderDevicesBody(await gateway().submit(ListProviderDevices(name)))


@operation(blueprint, "DELETE", "/api/providers/<name>/devices/<device>", errors=PROVIDER_ERRORS)
async def remove_provider_device(name: Name, device: Ident) -> Success:
    """Remove a device of the account at the provider."""
    await gateway().submit(RemoveProviderDevice(name, device))
    return Success(True)


@operation(blueprint, "POST", "/api/providers/<name>/refresh", limit="connection", errors=PROVIDER_ERRORS)
async def refresh_servers(name: Name) -> ListBody:
    """Fetch the server list; the answer lists each entry that is not offered, with the reason."""
    return ListBody(True, await gateway().submit(RefreshServers(name)))


@operation(blueprint, "POST", "/api/providers/<name>/rotate-key", limit="connection", errors=PROVIDER_ERRORS)
async def rotate_key(name: Name) -> AccountBody:
    """Register a fresh key and move the tunnel over to it, make before break."""
    return AccountBody(True, await gateway().submit(RotateKey(name)))


@operation(blueprint, "PUT", "/api/providers/<name>/settings", errors=PROVIDER_ERRORS)
async def configure_provider(name: Name, body: ProviderSettings) -> Success:
    """Change how to connect through this provider, from the next connection on."""
    await gateway().submit(ConfigureProvider(name, body))
    return Success(True)
