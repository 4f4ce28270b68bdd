"""Accounts at hide.me: a token, which replaces the password."""

from __future__ import annotations

import ipaddress

from msgspec.structs import replace

from app.errors import GatewayError
from app.keys import KeyPair
from app.model import Secret
from app.providers.account_session import AccountSession
from app.providers.errors import NotSignedInError, TokenRefusedError, WrongCredentialsError
from app.providers.hideme_api import HideMeTokens
from app.providers.hideme_sessions import HideMeSessions
from app.store.accounts import Account


class HideMeAccount:
    """An :class:`app.providers.account_parts.AccountApi`. hide.me does not tell when an account expires."""

    def __init__(self, session: AccountSession, tokens: HideMeTokens, sessions: HideMeSessions) -> None:
        self._session = session
        self._tokens = tokens
        self._sessions = sessions

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        token = await self._tokens.log_in(credentials["username"], credentials["password"])
        now = self._session.now()
        return Account(
            credentials={"username": credentials["username"]},
            private_key=pair.private_key,
            key_created=now,
            device_id=pair.public_key,
            checked=now,
            token=token,
            # A placeholder until the first server assigns an address (the dummy address of RFC 6890).
            addresses=(ipaddress.ip_interface("192.0.0.8/32"),),
        )

    async def check(self, account: Account) -> Account:
        """Renew the token: no other request tells whether hide.me still accepts it."""
        if account.token is None:
            raise NotSignedInError("The token for hide.me was lost; sign in again", field="provider")
        try:
            return replace(account, token=await self._tokens.renew(account.token))
        except TokenRefusedError:
            raise token_refused() from None

    async def forget(self, account: Account) -> None:
        """End the sessions; the token cannot be ended."""
        await self._sessions.end_all(account)


def token_refused() -> GatewayError:
    return WrongCredentialsError("hide.me no longer accepts this sign-in; sign in again", field="password")
