"""The base class of providers with accounts, assembled from parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from ipaddress import ip_address
from typing import ClassVar

from msgspec.structs import replace

from app.addresses import Address
from app.errors import ConflictError, NotFoundError, NotImplementedYetError
from app.model import KeyExchange, Peer, ProviderSettings, Secret, Server, TunnelConfig
from app.providers.account_health import AccountHealth
from app.providers.account_parts import DeviceApi, Parts, ProviderContext
from app.providers.base import (
    AccountStatus,
    Capabilities,
    CredentialField,
    Due,
    Environment,
    ListStatus,
    ProviderDevice,
    Verdict,
    no_such_server,
)
from app.providers.client_keys import ClientKeys
from app.providers.config import ApiConfig
from app.providers.connection_options import check_options
from app.providers.errors import KeyFromFileError, NotSignedInError
from app.providers.file_account import FileAccount, FileMatch
from app.providers.server_list.source import ListSource
from app.providers.sign_in import SignIn
from app.store.accounts import Account


class SignInProvider(ABC):
    """Implements :class:`app.providers.base.AccountProvider` with the parts that :meth:`make_parts` gives."""

    name: ClassVar[str]
    title: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    credentials: ClassVar[tuple[CredentialField, ...]]  # the end of the first one is shown as the account
    apis: ClassVar[Mapping[str, ApiConfig]]  # the provider's own, by name; the main one first
    source: ClassVar[ListSource]
    shares_preshared_key: ClassVar[bool] = False  # a file's preshared key belongs to the account, not to one server

    def __init__(self, environment: Environment) -> None:
        context = ProviderContext(environment, self.name, self.title, self.apis, self.source)
        parts = self.make_parts(context)
        can = self.capabilities
        optional = (parts.rotation, parts.devices, parts.key_exchange)
        if (can.key_rotation, can.devices, can.post_quantum) != tuple(part is not None for part in optional):
            raise TypeError(f"{self.name}: the capabilities do not match the parts")
        self._session = context.session
        self._servers = context.servers
        self._dialler = parts.dialler
        self._rotation = parts.rotation
        self._devices = parts.devices
        self._file_account = FileAccount(context.session, context.servers, preshared=self.shares_preshared_key)
        self._key_exchange = parts.key_exchange
        self._health = AccountHealth(context.session, parts.account.check)
        self._sign_in = SignIn(context.session, self.credentials, parts.account, self._health, parts.devices)

    @abstractmethod
    def make_parts(self, context: ProviderContext) -> Parts:
        """The provider's own parts: account and dialler, and optionally key rotation and devices."""

    # --- Account -----------------------------------------------------------------------------------------------------

    async def sign_in(self, credentials: Mapping[str, Secret]) -> AccountStatus:
        given = self._sign_in.check_form(credentials)
        async with self._session.lock:
            await self._sign_in.sign_in(given)
        return await self.account()

    async def sign_out(self) -> tuple[str, ...]:
        async with self._session.lock:
            return await self._sign_in.sign_out()

    async def account(self, *, refresh: bool = False) -> AccountStatus:
        account = self._session.account
        if account is None:
            return AccountStatus(signed_in=False)
        if refresh and account.from_file is None:
            async with self._session.lock:
                account = await self._health.check(self._session.signed_in())
        shown = account.credentials.get(self.credentials[0].name) if self.credentials else None
        return self._health.status(account, shown, self._rotation.due_at(account) if self._rotation else None)

    async def use_file_key(self, name: str, config: TunnelConfig) -> AccountStatus:
        """Use the key of ``config``, the imported server ``name``, for every server of the provider's public list.

        Raises ConflictError where that is not known to work, and the errors of :meth:`refresh`; then nothing changes.
        """
        if not self.capabilities.file_key:
            raise ConflictError(
                f"{self.title}: the key of a file works with the file's own server only", field="provider"
            )
        async with self._session.lock:
            await self._file_account.use(name, config)
        return await self.account()

    async def match_file(self, config: TunnelConfig) -> FileMatch | None:
        """What is known here of ``config`` as a file of this provider; None where its key is no use or used already."""
        return await self._file_account.match(config) if self.capabilities.file_key else None

    async def diagnose(self) -> Verdict:
        async with self._session.lock:
            return await self._health.diagnose()

    def unproven_key(self, hostname: str) -> str | None:  # noqa: ARG002
        return self._session.unproven_key()

    def prove_key(self, public_key: str) -> None:
        account = self._session.account
        if account is not None and public_key == self._session.unproven_key():
            self._session.save(replace(account, unproven=False))

    # --- Devices and keys --------------------------------------------------------------------------------------------

    async def devices(self) -> tuple[ProviderDevice, ...]:
        async with self._session.lock:
            devices, account = await self._device_list()
            return await devices.devices(account)

    async def remove_device(self, device_id: str) -> None:
        async with self._session.lock:
            devices, account = await self._device_list()
            device = next((d for d in await devices.devices(account) if d.id == device_id), None)
            if device is None:
                raise NotFoundError(f"{self.title}: the account has no such device", field="device")
            if device.current:
                raise ConflictError("this is the gateway itself: sign out instead", field="device")
            await devices.remove_device(account, device_id)

    async def _device_list(self) -> tuple[DeviceApi, Account]:
        if self._devices is None:
            self._session.signed_in()
            raise NotImplementedYetError(f"{self.title} has no API for an account's devices")
        return self._devices, self._asked(await self._sign_in.account_for(self._devices))

    def _asked(self, account: Account) -> Account:
        """``account``, for a request to the provider. Raises KeyFromFileError."""
        if account.from_file is not None:
            raise KeyFromFileError(
                f'The key for {self.title} is that of the file "{account.from_file}": devices and keys of the account '
                f"are managed at {self.title}, or here after a sign-in",
                field="provider",
            )
        return account

    async def rotate_key(self, hostname: str | None = None) -> TunnelConfig | None:
        async with self._session.lock:
            account = self._session.signed_in()
            if self._rotation is None:
                raise NotImplementedYetError(f"{self.title} has no key rotation")
            await self._rotation.rotate(self._asked(account))
        return await self.tunnel(hostname) if hostname is not None else None

    async def settle(self) -> None:
        async with self._session.lock:
            await self._sign_in.forget_replaced()
            account = self._session.account
            if account is not None and self._rotation is not None:
                await self._rotation.settle(account)

    def due(self, now: float) -> frozenset[Due]:
        account = self._session.account
        if account is None:
            return frozenset()  # without an account the provider is never contacted in the background
        waiting = {
            Due.REFRESH: not self._servers.fresh(now),
            Due.ACCOUNT: self._health.is_due(account, now),
            Due.ROTATE: self._rotates(account, now),
            Due.SETTLE: account.replaced is not None or (self._rotation is not None and bool(account.retired)),
        }
        return frozenset(due for due, is_waiting in waiting.items() if is_waiting)

    def _rotates(self, account: Account, now: float) -> bool:
        return account.from_file is None and self._rotation is not None and now >= self._rotation.due_at(account)

    # --- Servers -----------------------------------------------------------------------------------------------------

    async def servers(self) -> tuple[Server, ...]:
        await self._servers.load()
        return self._servers.servers(signed_in=self._session.account is not None)

    def by_key(self, public_key: str) -> Server | None:
        """The server with this key in the stored list."""
        return self._servers.by_key(public_key)

    def listed_as(self, peer: Peer) -> str | None:
        """The server that ``peer`` is, where several have its key and the address tells."""
        return self._servers.among_sharing(peer)

    def client_keys(self, hostname: str) -> ClientKeys | None:
        """None also where the server's key is assigned when it is dialled."""
        own, relay = self._session.public_key(), self._servers.get(hostname)
        if own is None or relay is None or not relay.public_key:
            return None
        return ClientKeys(own, frozenset((relay.public_key,)))

    def exit_addresses(self, hostname: str) -> tuple[Address, ...]:
        """The addresses of a server in the stored list; an entry server lets nothing out."""
        relay = self._servers.get(hostname)
        return tuple(ip_address(a) for a in (relay.ipv4, relay.ipv6) if a) if relay is not None else ()

    async def refresh(self) -> ListStatus:
        async with self._session.lock:
            return await self._servers.refresh()

    async def list_status(self) -> ListStatus:
        await self._servers.load()
        return self._servers.status()

    async def tunnel(self, hostname: str) -> TunnelConfig:
        account = self._session.signed_in()  # first, because without an account there may be no list yet
        await self._servers.load()
        relay = self._servers.get(hostname)
        if relay is None:
            raise no_such_server(self.title)
        self._servers.check_addresses(relay)
        account, peer = await self._dialler.dial(relay, account, self._session.settings)
        if account.private_key is None or not account.addresses:
            raise NotSignedInError(f"The key for {self.title} was lost; sign in again", field="provider")
        if account.preshared_key is not None:
            peer = replace(peer, preshared_key=account.preshared_key)
        return TunnelConfig(
            private_key=account.private_key,
            addresses=account.addresses,
            peers=(peer,),
            dns=account.dns,
            key_exchange=self._wanted_key_exchange(),
        )

    def _wanted_key_exchange(self) -> KeyExchange | None:
        wish = self._session.settings.post_quantum
        if self._key_exchange is None or wish == "off":
            return None
        return KeyExchange(*self._key_exchange(), required=wish == "require")

    def check_settings(self, settings: ProviderSettings) -> None:
        check_options(settings, self.capabilities, self._servers, self.title)
