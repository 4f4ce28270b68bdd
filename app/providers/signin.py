"""What all providers with accounts share: form, storage, list keeping, order of steps. A provider adds its protocol.

Steps are ordered so that a power cut loses nothing that matters: a rotation's key is on disk before the provider hears
of it, and what the provider gave is on disk before it is used.
"""

from __future__ import annotations

import asyncio
import logging
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.errors import ConflictError, GatewayError, InvalidFieldError, NotFoundError, NotImplementedYetError
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
from app.providers.errors import (
    AccountExpiredError,
    KeyInUseError,
    KeyRevokedError,
    NotSignedInError,
    ProviderDownError,
    TooManyDevicesError,
    WrongCredentialsError,
)
from app.providers.http import Api, ApiConfig
from app.providers.lists import KeptList
from app.providers.relays import DEFAULT_PORT, BadEntryError, Guard, Relay, RelayList, as_server
from app.store.accounts import Account
from app.wgconf import fields

log = logging.getLogger(__name__)

DAY = 86400.0
LIST_AGE = 6 * 3600.0  # seconds after which a list is fetched again (with its ETag: mostly nothing comes)
ACCOUNT_AGE = DAY
EXPIRY_MARGIN = 2 * DAY  # before a key of limited life ends
SHOWN = 4  # last characters of an account that are shown again

EVERYTHING = fields.networks("0.0.0.0/0, ::/0")


class Fetched(Struct, frozen=True):
    """A list as it came. ``more`` holds answers beside the main one, by a name of the provider's choice."""

    body: bytes
    etag: str | None = None
    more: dict[str, bytes] = {}


class SignInProvider(ABC):
    """Base of a provider with accounts; implements :class:`app.providers.base.AccountProvider`."""

    name: ClassVar[str]
    title: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    credentials: ClassVar[tuple[CredentialField, ...]]
    apis: ClassVar[Mapping[str, ApiConfig]]  # the provider's own, by name; the main one has the provider's name

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        self._kept = KeptList(environment.lists, environment.shipped, self.name)
        self._list: RelayList | None = None
        self._source = "none"
        self._relays: dict[str, Relay] = {}
        self._keys: dict[str, Relay] | None = None
        self._shown: tuple[bool, tuple[Server, ...]] | None = None
        self._loaded = False
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
        port = relay.port or self._port(settings)
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
        given = self._checked(credentials)
        async with self._lock:
            old = self._env.accounts.get(self.name)
            if old is not None and self._same_account(old, given):
                again = await self._still_good(old)
                if again is not None:
                    return again
            try:
                new = await self._register_fresh(given)
            except TooManyDevicesError:
                self._tried, self._tried_account = given, None
                raise
            try:
                self._keep(new)
            except GatewayError:
                await self._forget_quietly(new)
                raise
            if self._tried_account is not None:
                await self._dismiss(self._tried_account)
            self._tried = self._tried_account = None
            if old is not None and old.device_id != new.device_id:
                await self._forget_quietly(old)
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

    def _same_account(self, account: Account, given: dict[str, Secret]) -> bool:
        asked = {f.name for f in self.credentials if not f.optional}
        return all(account.credentials.get(name) == given.get(name) for name in asked)

    async def sign_out(self) -> tuple[str, ...]:
        async with self._lock:
            self._tried = self._tried_account = None
            account = self._env.accounts.get(self.name)
            if account is None:
                return ()
            warnings: tuple[str, ...] = ()
            try:
                await self._forget(account)
            except GatewayError as error:
                told = f"{self.title} could not be told ({error.message})"
                warnings = (f"{told}; this gateway's device may still be on the account's list",)
            self._env.accounts.remove(self.name)
            self._shown = None
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
            if account is not None and account.retired:
                self._keep(await self._settle(account))

    async def diagnose(self) -> Verdict:
        async with self._lock:
            account = self._env.accounts.get(self.name)
            if account is None:
                return Verdict.SIGNED_OUT
            try:
                problem = (await self._checked_account(account)).problem
            except GatewayError:
                return Verdict.UNKNOWN
        return {
            None: Verdict.WELL,
            AccountExpiredError.code: Verdict.ACCOUNT_EXPIRED,
            KeyRevokedError.code: Verdict.KEY_REVOKED,
        }.get(problem, Verdict.SIGNED_OUT)

    def due(self, now: float) -> frozenset[Due]:
        self._load()
        account = self._env.accounts.get(self.name)
        found: set[Due] = set()
        if (account is not None or self._list is not None) and not self._fresh(now):
            found.add(Due.REFRESH)
        if account is not None:
            # A clock that was wrong when something was written must not put things off for years.
            if not 0 <= now - account.checked < ACCOUNT_AGE:
                found.add(Due.ACCOUNT)
            if self.capabilities.key_rotation and now >= self._rotates(account):
                found.add(Due.ROTATE)
            if account.retired:
                found.add(Due.SETTLE)
        return frozenset(found)

    def _fresh(self, now: float) -> bool:
        return self._list is not None and self._source != "shipped" and 0 <= now - self._list.fetched < LIST_AGE

    def _rotates(self, account: Account) -> float:
        by_age = account.key_created + self._settings.rotate_days * DAY
        return min(by_age, account.key_expires - EXPIRY_MARGIN) if account.key_expires else by_age

    # --- Servers -----------------------------------------------------------------------------------------------------

    async def servers(self) -> tuple[Server, ...]:
        self._load()
        signed_in = self._env.accounts.get(self.name) is not None
        if self._shown is None or self._shown[0] != signed_in:
            missing = () if signed_in else ("account",)
            self._shown = (signed_in, tuple(as_server(r, self.name, missing=missing) for r in self._relays.values()))
        return self._shown[1]

    def by_key(self, public_key: str) -> Server | None:
        """The server with this key in the list that is here; None also where several share it."""
        self._load()
        if self._keys is None:
            often = Counter(relay.public_key for relay in self._relays.values())
            self._keys = {r.public_key: r for r in self._relays.values() if r.public_key and often[r.public_key] == 1}
        relay = self._keys.get(public_key)
        return as_server(relay, self.name) if relay is not None else None

    async def refresh(self) -> ListStatus:
        async with self._lock:
            self._load()
            old = self._list if self._source != "shipped" else None
            fetched = await self._fetch(old.etag if old is not None else None)
            now = self._env.now()
            if fetched is None and old is not None:
                new = replace(old, fetched=now)
            elif fetched is None:
                raise ProviderDownError(f"{self.title} sent no list although there is none here")
            else:
                guard = self._guard()
                new = await asyncio.to_thread(self._parse, fetched, guard, old)
                new = replace(new, etag=fetched.etag, fetched=now)
            try:
                await asyncio.to_thread(self._kept.save, new)
            except OSError as error:  # it can be used all the same, until the next start
                log.warning("%s: the server list cannot be kept: %s", self.title, error.strerror)
            changed = old is None or new.relays != old.relays
            self._use(new, "provider")
            return replace(await self.list_status(), changed=changed)

    async def list_status(self) -> ListStatus:
        self._load()
        if self._list is None:
            return ListStatus("none")
        return ListStatus(
            self._source, len(self._list.relays), fetched=self._list.fetched or None, skipped=self._list.skipped
        )

    async def tunnel(self, hostname: str) -> TunnelConfig:
        account = self._signed_in()  # before the server: without an account there may be no list to find it in
        self._load()
        relay = self._relays.get(hostname)
        if relay is None:
            raise no_such_server(self.title)
        self._guard_relay(relay)
        settings = self._settings
        account, peer = await self._peer(relay, account, settings)
        account = self._dns(account, settings)
        if account.private_key is None or not account.addresses:
            raise NotSignedInError(f"The key for {self.title} was lost; sign in again", field="provider")
        return TunnelConfig(
            private_key=account.private_key, addresses=account.addresses, peers=(peer,), dns=account.dns
        )

    def check_settings(self, settings: ProviderSettings) -> None:
        can = self.capabilities
        self._load()
        if settings.port is not None and not can.choose_port:
            raise InvalidFieldError(f"port: {self.title} has one port only", field="port")
        ranges = self._port_ranges()
        if settings.port is not None and not any(low <= settings.port <= high for low, high in ranges):
            known = ", ".join(str(low) if low == high else f"{low} to {high}" for low, high in ranges)
            raise InvalidFieldError(f"port: {self.title}'s servers listen on {known}", field="port")
        if settings.ipv6_endpoint and not can.ipv6_endpoint:
            raise InvalidFieldError(f"ipv6_endpoint: {self.title} tells no IPv6 addresses", field="ipv6_endpoint")
        unknown = set(settings.content_blocking) - set(can.content_blocking)
        if unknown:
            known = ", ".join(can.content_blocking) or "nothing"
            raise InvalidFieldError(
                f"content_blocking: {self.title}'s resolvers can block {known}", field="content_blocking"
            )
        entry = settings.multihop_entry
        if entry is not None and not can.multihop:
            raise InvalidFieldError(f"multihop_entry: {self.title} has no multihop here", field="multihop_entry")
        if entry is not None and entry not in self._relays:
            raise InvalidFieldError("multihop_entry: there is no such server", field="multihop_entry")

    # --- Parts -------------------------------------------------------------------------------------------------------

    def _api(self, name: str | None = None) -> Api:
        name = name or self.name
        if name not in self._apis:
            self._apis[name] = Api(self._env.outgoing, self._env.apis.get(name) or self.apis[name], self.title)
        return self._apis[name]

    @property
    def _settings(self) -> ProviderSettings:
        return self._env.settings(self.name)

    def _port_ranges(self) -> tuple[tuple[int, int], ...]:
        return (self._list.port_ranges if self._list else ()) or ((DEFAULT_PORT, DEFAULT_PORT),)

    def _port(self, settings: ProviderSettings) -> int:
        """The port wanted where the list still has it, else the usual one, else the first there is."""
        ranges = self._port_ranges()
        for port in (settings.port, DEFAULT_PORT):
            if port is not None and any(low <= port <= high for low, high in ranges):
                return port
        return ranges[0][0]

    def _load(self) -> None:
        if not self._loaded:
            self._loaded = True
            found, source = self._kept.load()
            if found is not None:
                self._use(found, source)

    def _use(self, relays: RelayList, source: str) -> None:
        self._list, self._source = relays, source
        self._relays = {relay.hostname: relay for relay in relays.relays}
        self._keys = None
        self._shown = None

    def _guard(self) -> Guard:
        return Guard(self._env.own_networks(), self._env.allowed_networks)

    def _guard_relay(self, relay: Relay) -> None:
        """Judge the address again: a kept list may be older than the LAN's network. Raises ConflictError."""
        guard = self._guard()
        try:
            for text, version in ((relay.ipv4, 4), (relay.ipv6, 6)):
                if text is not None:
                    guard.address(text, version, "its address")
        except BadEntryError as error:
            raise ConflictError(f"{relay.hostname} cannot be used: {error}", field="server") from None

    def _relay(self, hostname: str, field: str) -> Relay:
        relay = self._relays.get(hostname)
        if relay is None:
            raise ConflictError(f"{self.title}: there is no server {hostname!r} any more", field=field)
        self._guard_relay(relay)
        return relay

    def _keep(self, account: Account) -> None:
        self._env.accounts.put(self.name, account)
        self._shown = None

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

    def _checked(self, credentials: Mapping[str, Secret]) -> dict[str, Secret]:
        """The form's values without blanks around them. Raises InvalidFieldError; no value is shown."""
        form = {f.name: f for f in self.credentials}
        for name in credentials:
            if name not in form:
                raise InvalidFieldError(f"{self.title} asks for {', '.join(form)}", field="credentials")
        given: dict[str, Secret] = {}
        for entry in self.credentials:
            value = credentials.get(entry.name, Secret("")).reveal().strip()
            if not value:
                if not entry.optional:
                    raise InvalidFieldError(f"{entry.label}: it is needed", field=entry.name)
                continue
            if entry.pattern is not None:
                value = "".join(value.split())
            fits = entry.pattern is None or re.fullmatch(entry.pattern, value)
            if len(value) > entry.longest or not value.isprintable() or not fits:
                raise InvalidFieldError(f"{entry.label}: {entry.help or 'it cannot be used'}", field=entry.name)
            given[entry.name] = Secret(value)
        return given

    def _status(self, account: Account) -> AccountStatus:
        now = self._env.now()
        main = account.credentials.get(self.credentials[0].name)
        shown = main.reveal()[-SHOWN:] if main is not None and len(main.reveal()) > 2 * SHOWN else ""
        expired = 0 < account.expires <= now
        return AccountStatus(
            signed_in=True,
            account=f"•••• {shown}".strip(),
            expires=account.expires or None,
            days_left=max(0, int((account.expires - now) // DAY)) if account.expires else None,
            device=account.device_name,
            max_devices=account.max_devices or None,
            key_created=account.key_created or None,
            key_rotates=self._rotates(account) if self.capabilities.key_rotation else None,
            problem=account.problem or (AccountExpiredError.code if expired else None),
        )
