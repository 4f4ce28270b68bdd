"""Accounts at Surfshark: a token and the keys registered with it, which all expire after some days."""

from __future__ import annotations

import contextlib
import ipaddress
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.keys import KeyPair
from app.model import Secret
from app.providers.account_session import AccountSession
from app.providers.account_token import AccountToken
from app.providers.client import Errors, ProviderClient, raises
from app.providers.decode import parse_timestamp
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyInUseError,
    KeyRevokedError,
    RefusedError,
    WrongCredentialsError,
)
from app.store.accounts import Account

TITLE = "Surfshark"

ADDRESSES = (ipaddress.ip_interface("10.14.0.2/16"),)
DNS = (ipaddress.ip_address("162.252.172.57"), ipaddress.ip_address("149.154.159.92"))


class _Login(Struct, frozen=True):
    token: str
    renewToken: str | None = None  # noqa: N815


class _Key(Struct, frozen=True):
    expiresAt: str | None = None  # noqa: N815
    id: str | None = None


class _Plan(Struct, frozen=True):
    expiresAt: str | None = None  # noqa: N815


class _TokenEndedError(WrongCredentialsError):
    """The token has expired and must be renewed by signing in."""


_NOT_ACCEPTED = raises(WrongCredentialsError, "Surfshark does not accept this address and password", field="password")
_TOKEN_ENDED = raises(_TokenEndedError, "Surfshark no longer accepts this sign-in; sign in again", field="password")
_KEY_UNKNOWN = raises(KeyRevokedError, "Surfshark no longer knows this gateway's key; sign in again")

LOGIN_ERRORS = Errors(dict.fromkeys((400, 401, 403), _NOT_ACCEPTED))
PLAN_ERRORS = Errors({401: _TOKEN_ENDED})
RENEW_ERRORS = Errors(dict.fromkeys((400, 401, 403, 404), _TOKEN_ENDED))
DELETE_ERRORS = Errors({401: _TOKEN_ENDED, 404: _KEY_UNKNOWN})
REGISTER_ERRORS = Errors(
    {401: _TOKEN_ENDED, 409: raises(KeyInUseError, "This key is registered with Surfshark already")}
)
VALIDATE_ERRORS = Errors({401: _TOKEN_ENDED, 400: _KEY_UNKNOWN, 404: _KEY_UNKNOWN})

_KEY_ID, _RENEW_TOKEN = "key_id", "renew_token"  # of an account's extra values
KEYS_PATH = "/v1/account/users/public-keys"


class SurfsharkAccount:
    """An :class:`app.providers.account_parts.AccountApi`."""

    def __init__(self, session: AccountSession, client: ProviderClient) -> None:
        self._session = session
        self._client = client
        self._token = AccountToken(session, self._renew, refused=_TokenEndedError)

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        now = self._session.now()
        account = replace(
            await self._log_in(credentials),
            private_key=pair.private_key,
            addresses=ADDRESSES,
            dns=DNS,
            key_created=now,
            device_id=pair.public_key,
            checked=now,
        )
        return await self._with_key(await self._with_plan(account), pair.public_key)

    async def check(self, account: Account) -> Account:
        _, account = await self._token.use(account, self._with_plan)
        if account.private_key is None:
            raise KeyRevokedError("The key for Surfshark was lost; sign in again")
        key = await self._validate(account, keys.public_key(account.private_key))
        return replace(
            account, key_expires=parse_timestamp(key.expiresAt, TITLE) if key.expiresAt else account.key_expires
        )

    async def replace_key(self, account: Account, pair: KeyPair) -> Account:
        """Register another key; the old one stays valid until it is removed or expires."""
        old = account.extra.get(_KEY_ID)
        _, account = await self._token.use(account, lambda with_token: self._with_key(with_token, pair.public_key))
        new = account.extra.get(_KEY_ID)
        retired = account.retired if old is None or old == new else (*account.retired, old.reveal())
        return replace(account, device_id=pair.public_key, retired=retired)

    async def remove_retired(self, account: Account) -> Account:
        for key_id in account.retired:
            await self._remove_key(account, key_id)
        return replace(account, retired=())

    async def forget(self, account: Account) -> None:
        """Remove the key, and those of rotations under way; the token ends on its own."""
        key_id = account.extra.get(_KEY_ID)
        for found in (*account.retired, *((key_id.reveal(),) if key_id is not None else ())):
            await self._remove_key(account, found)

    async def _remove_key(self, account: Account, key_id: str) -> None:
        path = f"{KEYS_PATH}/{quote(key_id, safe='')}"
        with contextlib.suppress(KeyRevokedError):
            await self._token.use(
                account, lambda a: self._client.request("DELETE", path, errors=DELETE_ERRORS, bearer=a.token)
            )

    async def _log_in(self, credentials: dict[str, Secret]) -> Account:
        body = {"username": credentials["username"].reveal(), "password": credentials["password"].reveal()}
        login = await self._client.read(_Login, "POST", "/v1/auth/login", errors=LOGIN_ERRORS, json=body)
        return _with_login(Account(credentials=credentials), login)

    async def _renew(self, account: Account) -> Account:
        """Renew the token by its own means; the password is sent only where Surfshark refuses that."""
        renewal = account.extra.get(_RENEW_TOKEN)
        login: _Login | None = None
        if renewal is not None:
            with contextlib.suppress(_TokenEndedError, BadAnswerError):
                login = await self._client.read(_Login, "POST", "/v1/auth/renew", errors=RENEW_ERRORS, bearer=renewal)
        if login is None:
            again = await self._log_in(account.credentials)
            account = replace(account, token=again.token, extra={**account.extra, **again.extra})
        else:
            account = _with_login(account, login)
        current = self._session.account
        if current is not None and current.device_id == account.device_id:  # not that of an account being removed
            self._session.save(account)
        return account

    async def _with_plan(self, account: Account) -> Account:
        path = "/v1/payment/subscriptions/current"
        try:
            plan = await self._client.read(_Plan, "GET", path, errors=PLAN_ERRORS, bearer=account.token)
        except RefusedError:
            plan = _Plan()
        expires = parse_timestamp(plan.expiresAt, TITLE) if plan.expiresAt else account.expires
        if 0 < expires <= self._session.now():
            raise AccountExpiredError("This Surfshark subscription has expired", expires=expires)
        return replace(account, expires=expires)

    async def _with_key(self, account: Account, public_key: str) -> Account:
        body = {"pubKey": public_key}
        try:
            key = await self._client.read(
                _Key, "POST", KEYS_PATH, errors=REGISTER_ERRORS, json=body, bearer=account.token
            )
        except KeyInUseError as in_use:  # either an earlier attempt's lost answer, or another account's key
            try:
                key = await self._validate(account, public_key)
            except (RefusedError, KeyRevokedError):
                raise in_use from None
        extra = {**account.extra, _KEY_ID: Secret(key.id)} if key.id else account.extra
        return replace(
            account, key_expires=parse_timestamp(key.expiresAt, TITLE) if key.expiresAt else 0.0, extra=extra
        )

    async def _validate(self, account: Account, public_key: str) -> _Key:
        """Validate the key, which also extends its expiry. Raises KeyRevokedError where Surfshark does not know it."""
        body = {"pubKey": public_key}
        path = f"{KEYS_PATH}/validate"
        return await self._client.read(_Key, "POST", path, errors=VALIDATE_ERRORS, json=body, bearer=account.token)


def _with_login(account: Account, login: _Login) -> Account:
    renewal = {_RENEW_TOKEN: Secret(login.renewToken)} if login.renewToken else {}
    return replace(account, token=Secret(login.token), extra={**account.extra, **renewal})
