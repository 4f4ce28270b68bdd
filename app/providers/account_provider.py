"""What all providers with accounts share: form, storage, list keeping, order of steps. A provider adds its protocol.

Steps are ordered so that a power cut loses nothing that matters: a rotation's key is on disk before the provider hears
of it, and what the provider gave is on disk before it is used.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from msgspec.structs import replace

from app import keys
from app.errors import ConflictError, GatewayError, NotFoundError, NotImplementedYetError
from app.keys import KeyPair
from app.model import Endpoint, Peer, ProviderSettings, Secret, Server, TunnelConfig
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
from app.providers.connection_options import check_options
from app.providers.credentials import check_credentials, masked, same_account
from app.providers.errors import (
    AccountExpiredError,
    KeyInUseError,
    KeyRevokedError,
    NotSignedInError,
    TooManyDevicesError,
    WrongCredentialsError,
)
from app.providers.http import Api, ApiConfig
from app.providers.relays import Guard, Relay, RelayList
from app.providers.serverlist import Fetched, ServerList
from app.store.accounts import Account
from app.wgconf import fields

log = logging.getLogger(__name__)

DAY = 86400.0
ACCOUNT_AGE = DAY
EXPIRY_MARGIN = 2 * DAY  # before a key of limited life ends

EVERYTHING = fields.networks("0.0.0.0/0, ::/0")


class SignInProvider(ABC):
    """Base of a provider with accounts; implements :class:`app.providers.base.AccountProvider`."""

    name: ClassVar[str]
    title: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    credentials: ClassVar[tuple[CredentialField, ...]]
    apis: ClassVar[Mapping[str, ApiConfig]]  # the provider's own, by name; the main one has the provider's name

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        self._servers = ServerList(environment, self.name, self.title)
        self._tried: dict[str, Secret] | None = None  # credentials that were right but found no room
        self._tried_account: Account | None = None  # signed in with them, to make room
        self._lock = asyncio.Lock()
        self._apis: dict[str, Api] = {}

    # --- What a provider supplies ------------------------------------------------------------------------------------

    @abstractmethod
    async def _register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        """Register ``pair`` with the account. Raises the errors of :mod:`app.providers.errors`."""

    @abstractmethod
    async def _check(self, account: Account) -> Account:
        """Ask the provider about the account: its expiry, and that our key is known.

        Raises AccountExpiredError, KeyRevokedError, WrongCredentialsError.
        """

    @abstractmethod
    async def _fetch(self, etag: str | None) -> Fetched | None:
        """The list; None where it is still the one of ``etag``."""

    @abstractmethod
    def _parse(self, fetched: Fetched, guard: Guard, old: RelayList | None) -> RelayList:
        """Pure; runs in a thread. Raises BadAnswerError."""

    @abstractmethod
    async def _forget(self, account: Account) -> None:
        """Remove our device or key at the provider, as far as it can be done."""

    async def _list_devices(self, account: Account) -> tuple[ProviderDevice, ...]:  # noqa: ARG002
        raise NotImplementedYetError(f"{self.title} does not tell its accounts' devices")

    async def _remove_device(self, account: Account, device_id: str) -> None:  # noqa: ARG002
        raise NotImplementedYetError(f"{self.title} cannot remove devices from here")

    async def _replace_key(self, account: Account, pair: KeyPair) -> Account:  # noqa: ARG002
        raise NotImplementedYetError(f"{self.title} has no key rotation")

    async def _settle(self, account: Account) -> Account:
        return replace(account, retired=())

    async def _peer(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:
        """The peer to dial, and the account with what this server gave (PIA gives addresses at connect time)."""
        host = relay.ipv4 or relay.endpoint_name or relay.ipv6
        if settings.ipv6_endpoint and self.capabilities.ipv6_endpoint:
            if relay.ipv6 is None:
                raise ConflictError(f"{relay.hostname} has no IPv6 address to dial", field="server")
            host = relay.ipv6
        assert host is not None
        port = relay.port or self._servers.port(settings)
        return account, Peer(public_key=relay.public_key, endpoint=Endpoint(host, port), allowed_ips=EVERYTHING)

    def _dns(self, account: Account, settings: ProviderSettings) -> Account:  # noqa: ARG002
        """``account`` with the resolvers to use."""
        return account

    async def _sign_in_token(self, credentials: dict[str, Secret]) -> Account:  # noqa: ARG002
        """An account good for :meth:`_list_devices` before anything is registered."""
        raise NotSignedInError(f"Sign in to {self.title} first", field="provider")

    async def _dismiss(self, tried: Account) -> None:  # noqa: B027 - nothing to do for most
        """``tried`` of :meth:`_sign_in_token` is of no more use."""

    # --- Account -----------------------------------------------------------------------------------------------------

    async def sign_in(self, credentials: Mapping[str, Secret]) -> AccountStatus:
        given = check_credentials(self.credentials, credentials, self.title)
        async with self._lock:
            old = self._env.accounts.get(self.name)
            if old is not None and same_account(self.credentials, old.credentials, given):
                again = await self._still_good(old)
                if again is not None:
                    return again
            try:
                new = await self._register_fresh(given)
            except TooManyDevicesError:
                self._tried, self._tried_account = given, None
                raise
            # A tunnel may be up with the account before: it ends when the tunnel has moved (settle).
            replaced = old if old is not None and old.device_id != new.device_id else None
            if replaced is not None:
                new = replace(new, replaced=replace(replaced, replaced=None))
            try:
                self._keep(new)
            except GatewayError:
                await self._forget_quietly(new)
                raise
            if replaced is not None and replaced.replaced is not None:
                await self._forget_quietly(replaced.replaced)
            if self._tried_account is not None:
                await self._dismiss(self._tried_account)
            self._tried = self._tried_account = None
            log.info("signed in to %s", self.title)
            return self._status(new)

    async def _register_fresh(self, given: dict[str, Secret]) -> Account:
        try:
            return await self._register(given, keys.generate())
        except KeyInUseError:  # one in 2^250, or a provider that heard of a request whose answer was lost
            return await self._register(given, keys.generate())

    async def _still_good(self, account: Account) -> AccountStatus | None:
        try:
            checked = await self._check(account)
        except (KeyRevokedError, WrongCredentialsError):
            return None
        self._keep(replace(checked, checked=self._env.now(), problem=None))
        return await self.account()

    async def sign_out(self) -> tuple[str, ...]:
        async with self._lock:
            self._tried = self._tried_account = None
            account = self._env.accounts.get(self.name)
            if account is None:
                return ()
            if account.replaced is not None:
                await self._forget_quietly(account.replaced)
            warnings: tuple[str, ...] = ()
            try:
                await self._forget(account)
            except GatewayError as error:
                told = f"{self.title} could not be told ({error.message})"
                warnings = (f"{told}; this gateway's device may still be on the account's list",)
            self._env.accounts.remove(self.name)
            log.info("signed out of %s", self.title)
            return warnings

    async def account(self, *, refresh: bool = False) -> AccountStatus:
        account = self._env.accounts.get(self.name)
        if account is None:
            return AccountStatus(signed_in=False)
        if refresh:
            async with self._lock:
                account = await self._checked_account(self._signed_in())
        return self._status(account)

    async def _checked_account(self, account: Account) -> Account:
        """Ask the provider; what it says of the account is remembered, what keeps it from answering is raised."""
        now = self._env.now()
        try:
            account = replace(await self._check(account), problem=None, checked=now)
        except (AccountExpiredError, KeyRevokedError, WrongCredentialsError) as error:
            latest = self._env.accounts.get(self.name) or account
            account = replace(latest, problem=error.code, checked=now)
            if isinstance(error, AccountExpiredError) and error.expires:
                account = replace(account, expires=error.expires)
        self._keep(account)
        return account

    async def devices(self) -> tuple[ProviderDevice, ...]:
        async with self._lock:
            return await self._list_devices(await self._account_or_tried())

    async def remove_device(self, device_id: str) -> None:
        async with self._lock:
            account = await self._account_or_tried()
            known = await self._list_devices(account)
            device = next((d for d in known if d.id == device_id), None)
            if device is None:
                raise NotFoundError(f"{self.title}: the account has no such device", field="device")
            if device.current:
                raise ConflictError("this is the gateway itself: sign out instead", field="device")
            await self._remove_device(account, device_id)

    async def rotate_key(self, hostname: str | None = None) -> TunnelConfig | None:
        async with self._lock:
            account = self._signed_in()
            if not self.capabilities.key_rotation:
                raise NotImplementedYetError(f"{self.title} has no key rotation")
            private = account.pending_key or keys.generate().private_key
            account = replace(account, pending_key=private)
            self._keep(account)
            try:
                new = await self._replace_key(account, KeyPair(private, keys.public_key(private)))
            except KeyInUseError:
                self._keep(replace(account, pending_key=None))  # another key next time
                raise
            self._keep(replace(new, private_key=private, pending_key=None, key_created=self._env.now()))
            log.info("%s: a new key is registered", self.title)
        return await self.tunnel(hostname) if hostname is not None else None

    async def settle(self) -> None:
        async with self._lock:
            account = self._env.accounts.get(self.name)
            if account is not None and account.replaced is not None:
                await self._forget_quietly(account.replaced)
                account = replace(account, replaced=None)
                self._keep(account)
            if account is not None and account.retired:
                self._keep(await self._settle(account))

    async def diagnose(self) -> Verdict:
        async with self._lock:
            account = self._env.accounts.get(self.name)
            if account is None:
                return Verdict.SIGNED_OUT
            try:
                checked = await self._checked_account(account)
            except GatewayError:
                return Verdict.UNKNOWN
        problem = checked.problem
        if problem is None and checked.private_key != account.private_key:
            return Verdict.KEY_CHANGED
        return {
            None: Verdict.WELL,
            AccountExpiredError.code: Verdict.ACCOUNT_EXPIRED,
            KeyRevokedError.code: Verdict.KEY_REVOKED,
        }.get(problem, Verdict.SIGNED_OUT)

    def due(self, now: float) -> frozenset[Due]:
        account = self._env.accounts.get(self.name)
        found: set[Due] = set()
        if account is not None:  # a provider that nobody signed in to is never contacted by itself
            if not self._servers.fresh(now):
                found.add(Due.REFRESH)
            # A clock that was wrong when something was written must not put things off for years.
            if not 0 <= now - account.checked < ACCOUNT_AGE:
                found.add(Due.ACCOUNT)
            if self.capabilities.key_rotation and now >= self._rotates(account):
                found.add(Due.ROTATE)
            if account.retired or account.replaced is not None:
                found.add(Due.SETTLE)
        return frozenset(found)

    def _rotates(self, account: Account) -> float:
        by_age = account.key_created + self._settings.rotate_days * DAY
        return min(by_age, account.key_expires - EXPIRY_MARGIN) if account.key_expires else by_age

    # --- Servers -----------------------------------------------------------------------------------------------------

    async def servers(self) -> tuple[Server, ...]:
        return self._servers.servers(signed_in=self._env.accounts.get(self.name) is not None)

    def by_key(self, public_key: str) -> Server | None:
        """The server with this key in the list that is here."""
        return self._servers.by_key(public_key)

    async def refresh(self) -> ListStatus:
        async with self._lock:
            return await self._servers.refresh(self._fetch, self._parse)

    async def list_status(self) -> ListStatus:
        return self._servers.status()

    async def tunnel(self, hostname: str) -> TunnelConfig:
        account = self._signed_in()  # before the server: without an account there may be no list to find it in
        relay = self._servers.get(hostname)
        if relay is None:
            raise no_such_server(self.title)
        self._servers.usable(relay)
        settings = self._settings
        account, peer = await self._peer(relay, account, settings)
        account = self._dns(account, settings)
        if account.private_key is None or not account.addresses:
            raise NotSignedInError(f"The key for {self.title} was lost; sign in again", field="provider")
        return TunnelConfig(
            private_key=account.private_key, addresses=account.addresses, peers=(peer,), dns=account.dns
        )

    def check_settings(self, settings: ProviderSettings) -> None:
        check_options(settings, self.capabilities, self._servers, self.title)

    # --- Parts -------------------------------------------------------------------------------------------------------

    def _api(self, name: str | None = None) -> Api:
        name = name or self.name
        if name not in self._apis:
            self._apis[name] = Api(self._env.outgoing, self._env.apis.get(name) or self.apis[name], self.title)
        return self._apis[name]

    @property
    def _settings(self) -> ProviderSettings:
        return self._env.settings(self.name)

    def _keep(self, account: Account) -> None:
        self._env.accounts.put(self.name, account)

    def _signed_in(self) -> Account:
        account = self._env.accounts.get(self.name)
        if account is None:
            raise NotSignedInError(f"Sign in to {self.title} first, or import one of its .conf files", field="provider")
        return account

    async def _account_or_tried(self) -> Account:
        if self._tried is None:
            return self._signed_in()
        if self._tried_account is None:
            self._tried_account = await self._sign_in_token(self._tried)
        return self._tried_account

    async def _forget_quietly(self, account: Account) -> None:
        try:
            await self._forget(account)
        except GatewayError as error:
            log.warning("%s: an older device could not be removed: %s", self.title, error.message)

    def _status(self, account: Account) -> AccountStatus:
        now = self._env.now()
        expired = 0 < account.expires <= now
        return AccountStatus(
            signed_in=True,
            account=masked(account.credentials.get(self.credentials[0].name)),
            expires=account.expires or None,
            days_left=max(0, int((account.expires - now) // DAY)) if account.expires else None,
            device=account.device_name,
            max_devices=account.max_devices or None,
            key_created=account.key_created or None,
            key_rotates=self._rotates(account) if self.capabilities.key_rotation else None,
            problem=account.problem or (AccountExpiredError.code if expired else None),
        )
