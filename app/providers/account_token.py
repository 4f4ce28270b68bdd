"""The access token of an account, which expires, and its renewal."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from app.errors import GatewayError
from app.providers.account_session import AccountSession
from app.providers.errors import TokenRefusedError
from app.store.accounts import Account

T = TypeVar("T")

MARGIN = 60.0  # seconds; a token that expires sooner counts as expired


class AccountToken:
    """Supplies requests with a valid token. ``renew`` returns the account with a new one, and may store it."""

    def __init__(
        self,
        session: AccountSession,
        renew: Callable[[Account], Awaitable[Account]],
        *,
        refused: type[GatewayError] = TokenRefusedError,
    ) -> None:
        self._session = session
        self._renew = renew
        self._refused = refused

    async def fresh(self, account: Account) -> Account:
        """``account`` with a token that has not expired by this gateway's clock."""
        expired = account.token_expires > 0 and account.token_expires - MARGIN <= self._session.now()
        return await self._renew(account) if account.token is None or expired else account

    async def use(self, account: Account, request: Callable[[Account], Awaitable[T]]) -> tuple[Account, T]:
        """The account with the token that was used, and the answer to ``request``. A refused token is renewed once."""
        account = await self.fresh(account)
        try:
            return account, await request(account)
        except self._refused:
            account = await self._renew(account)
            return account, await request(account)
