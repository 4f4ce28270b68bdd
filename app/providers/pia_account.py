"""Accounts at PIA: a token, which is used until PIA refuses it, because new ones are limited."""

from __future__ import annotations

import contextlib
import ipaddress

from msgspec import Struct
from msgspec.structs import replace

from app.keys import KeyPair
from app.model import Secret
from app.providers.account_session import AccountSession
from app.providers.account_token import AccountToken
from app.providers.client import Errors, ProviderClient, raises
from app.providers.errors import AccountExpiredError, TokenRefusedError, WrongCredentialsError
from app.providers.pia_authority import PiaAuthority
from app.store.accounts import Account

_NOT_ACCEPTED = raises(WrongCredentialsError, "PIA does not accept this user name and password", field="password")
_TOKEN_REFUSED = raises(TokenRefusedError, "PIA refused its own token")
_EXPIRED = raises(AccountExpiredError, "This PIA subscription has expired; renew it")

LOGIN_ERRORS = Errors({**dict.fromkeys((400, 401, 403), _NOT_ACCEPTED), 402: _EXPIRED})
ERRORS = Errors({**dict.fromkeys((401, 403), _TOKEN_REFUSED), 402: _EXPIRED})


class _Token(Struct, frozen=True):
    token: str


class _Subscription(Struct, frozen=True):
    expiration_time: float = 0.0  # Unix time
    expired: bool = False


class PiaAccount:
    """An :class:`app.providers.account_parts.AccountApi`."""

    def __init__(self, session: AccountSession, client: ProviderClient, authority: PiaAuthority) -> None:
        self._session = session
        self._client = client
        self._authority = authority
        self.token = AccountToken(session, self._renew)

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        now = self._session.now()
        account = Account(
            credentials=await self._authority.complete(credentials),
            private_key=pair.private_key,
            key_created=now,
            device_id="account",
            checked=now,
            # A placeholder until the first server assigns an address (the dummy address of RFC 6890).
            addresses=(ipaddress.ip_interface("192.0.0.8/32"),),
        )
        return await self.check(replace(account, token=await self._log_in(account)))

    async def check(self, account: Account) -> Account:
        account, found = await self.token.use(account, self._subscription)
        if found.expired or 0 < found.expiration_time <= self._session.now():
            raise AccountExpiredError("This PIA subscription has expired; renew it", expires=found.expiration_time)
        return replace(account, expires=found.expiration_time)

    async def forget(self, account: Account) -> None:
        """End the token; servers drop unused keys on their own."""
        with contextlib.suppress(TokenRefusedError):
            await self._client.request(
                "POST", "/api/client/v2/expire_token", errors=ERRORS, bearer=account.token, scheme="Token"
            )

    async def _subscription(self, account: Account) -> _Subscription:
        path = "/api/client/v2/account"
        return await self._client.read(_Subscription, "GET", path, errors=ERRORS, bearer=account.token, scheme="Token")

    async def _log_in(self, account: Account) -> Secret:
        form = {name: account.credentials[name].reveal() for name in ("username", "password")}
        form["username"] = form["username"].lower()
        token = await self._client.read(_Token, "POST", "/api/client/v2/token", errors=LOGIN_ERRORS, form=form)
        return Secret(token.token)

    async def _renew(self, account: Account) -> Account:
        account = replace(account, token=await self._log_in(account), token_expires=0.0)
        if self._session.account is not None and self._session.account.device_id == account.device_id:
            self._session.save(account)
        return account
