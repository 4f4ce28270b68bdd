"""``surfshark``: user name and password give a token, to which keys are registered; they end after some days."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.keys import KeyPair
from app.model import Secret
from app.providers import relays
from app.providers.account_provider import SignInProvider
from app.providers.base import Capabilities, CredentialField
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyInUseError,
    KeyRevokedError,
    WrongCredentialsError,
)
from app.providers.http import LIST_LIMIT, LIST_TIMEOUT, ApiConfig, Response
from app.providers.relays import Collector, Guard, OtherEntryError, Relay, RelayList
from app.providers.serverlist import Fetched
from app.store.accounts import Account

WHO = "Surfshark"

ADDRESSES = (ipaddress.ip_interface("10.14.0.2/16"),)
DNS = (ipaddress.ip_address("162.252.172.57"), ipaddress.ip_address("149.154.159.92"))


class _Coordinates(Struct, frozen=True):
    latitude: float | None = None
    longitude: float | None = None


class _Cluster(Struct, frozen=True):
    connectionName: str  # noqa: N815 - as the provider writes it
    country: str
    location: str
    pubKey: str | None = None  # noqa: N815
    countryCode: str = ""  # noqa: N815
    load: float | None = None
    tags: list[str] = []
    coordinates: _Coordinates | None = None


class _Login(Struct, frozen=True):
    token: str


class _Key(Struct, frozen=True):
    expiresAt: str | None = None  # noqa: N815
    id: str | None = None


class _Plan(Struct, frozen=True):
    expiresAt: str | None = None  # noqa: N815


class _TokenEndedError(WrongCredentialsError):
    """The token is no longer good: sign in for another."""


_TAGS = {"p2p", "physical", "virtual"}


def parse(data: bytes, guard: Guard) -> RelayList:  # noqa: ARG001 - the list has names, not addresses
    """``GET /v4/server/clusters/generic``. Raises BadAnswerError."""
    collector = Collector()

    def make(cluster: _Cluster) -> Relay:
        if not cluster.pubKey:
            raise OtherEntryError("it does not speak WireGuard")
        place = cluster.coordinates or _Coordinates()
        return Relay(
            hostname=relays.hostname(cluster.connectionName),
            public_key=relays.public_key(cluster.pubKey),
            country=relays.words(cluster.country, "country"),
            city=relays.words(cluster.location, "location"),
            country_code=relays.country_code(cluster.countryCode),
            endpoint_name=relays.dns_name(cluster.connectionName),
            load=relays.percent(cluster.load),
            features=tuple(tag for tag in cluster.tags if tag in _TAGS),
            latitude=relays.degrees(place.latitude, 90),
            longitude=relays.degrees(place.longitude, 180),
        )

    collector.each(relays.decode_list(data, list[msgspec.Raw], WHO), "clusters", _Cluster, make)
    return collector.finish(WHO)


class SurfsharkProvider(SignInProvider):
    name = "surfshark"
    title = "Surfshark"
    capabilities = Capabilities(sign_in=True, key_rotation=True)
    credentials = (
        CredentialField("username", "E-mail address", secret=False),
        CredentialField("password", "Password"),
    )
    apis = {"surfshark": ApiConfig("https://api.surfshark.com")}

    async def _register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        account = await self._logged_in(credentials)
        now = self._env.now()
        account = replace(
            account,
            private_key=pair.private_key,
            addresses=ADDRESSES,
            dns=DNS,
            key_created=now,
            device_id=pair.public_key,
            checked=now,
        )
        account = await self._with_plan(account)
        return await self._with_key(account, pair.public_key)

    async def _logged_in(self, credentials: dict[str, Secret]) -> Account:
        body = {"username": credentials["username"].reveal(), "password": credentials["password"].reveal()}
        answer = await self._api().request("POST", "/v1/auth/login", json=body)
        if answer.status in {400, 401, 403}:
            raise WrongCredentialsError("Surfshark does not accept this address and password", field="password")
        login: _Login = _read(answer, _Login)
        return Account(credentials=credentials, token=Secret(login.token))

    async def _with_plan(self, account: Account) -> Account:
        answer = await self._ask(account, "GET", "/v1/payment/subscriptions/current")
        plan: _Plan = answer.json(_Plan, WHO) if answer.ok else _Plan()
        expires = _moment(plan.expiresAt) if plan.expiresAt else account.expires
        if 0 < expires <= self._env.now():
            raise AccountExpiredError("This Surfshark subscription has run out", expires=expires)
        return replace(account, expires=expires)

    async def _with_key(self, account: Account, public_key: str) -> Account:
        answer = await self._ask(account, "POST", "/v1/account/users/public-keys", {"pubKey": public_key})
        if answer.status == 409:  # ours, where the answer to an earlier attempt was lost; or somebody else's
            answer = await self._validate(account, public_key)
            if not answer.ok:
                raise KeyInUseError("This key is registered with Surfshark already")
        key: _Key = _read(answer, _Key)
        extra = {**account.extra, "key_id": Secret(key.id)} if key.id else account.extra
        return replace(account, key_expires=_moment(key.expiresAt) if key.expiresAt else 0.0, extra=extra)

    async def _check(self, account: Account) -> Account:
        try:
            account = await self._with_plan(account)
        except _TokenEndedError:
            account = await self._with_plan(await self._renewed(account))
        if account.private_key is None:
            raise KeyRevokedError("The key for Surfshark was lost; sign in again")
        answer = await self._validate(account, keys.public_key(account.private_key))
        if answer.status in {400, 404}:
            raise KeyRevokedError("Surfshark no longer knows this gateway's key; sign in again")
        key: _Key = _read(answer, _Key)
        return replace(account, key_expires=_moment(key.expiresAt) if key.expiresAt else account.key_expires)

    async def _validate(self, account: Account, public_key: str) -> Response:
        """Also what gives a key new days."""
        return await self._ask(account, "POST", "/v1/account/users/public-keys/validate", {"pubKey": public_key})

    async def _replace_key(self, account: Account, pair: KeyPair) -> Account:
        """The old key is not ended by this: it works until its days are over."""
        try:
            account = await self._with_key(account, pair.public_key)
        except _TokenEndedError:
            account = await self._with_key(await self._renewed(account), pair.public_key)
        return replace(account, device_id=pair.public_key)

    async def _renewed(self, account: Account) -> Account:
        """A token lasts for some days; the password is kept for the next one."""
        account = replace(account, token=(await self._logged_in(account.credentials)).token)
        self._keep(account)
        return account

    async def _forget(self, account: Account) -> None:
        """No request is known that ends a key: Surfshark does so by itself some days after its last registration."""

    async def _ask(self, account: Account, method: str, path: str, json: object = None) -> Response:
        """Raises _TokenEndedError."""
        answer = await self._api().request(method, path, json=json, bearer=account.token)
        if answer.status == 401:
            raise _TokenEndedError("Surfshark no longer accepts this sign-in; sign in again", field="password")
        return answer

    async def _fetch(self, etag: str | None) -> Fetched | None:
        answer = await self._api().request(
            "GET", "/v4/server/clusters/generic", etag=etag, limit=LIST_LIMIT, timeout=LIST_TIMEOUT
        )
        return None if answer.status == 304 else Fetched(_read_body(answer), answer.headers.get("etag"))

    def _parse(self, fetched: Fetched, guard: Guard, old: RelayList | None) -> RelayList:  # noqa: ARG002
        return parse(fetched.body, guard)


def _read_body(answer: Response) -> bytes:
    if not answer.ok:
        raise BadAnswerError(f"{WHO} refused the request (HTTP {answer.status})")
    return answer.body


def _read(answer: Response, kind: Any) -> Any:
    _read_body(answer)
    return answer.json(kind, WHO)


def _moment(text: str) -> float:
    """RFC 3339 as Unix time. Raises BadAnswerError."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise BadAnswerError(f"{WHO} sent a date that is none") from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
