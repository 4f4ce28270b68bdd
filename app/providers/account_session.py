"""The stored account of one provider, which one task at a time may change."""

from __future__ import annotations

import asyncio

from app.model import ProviderSettings
from app.providers.base import Environment
from app.providers.errors import NotSignedInError
from app.store.accounts import Account

DAY = 86400.0  # seconds


class AccountSession:
    """Reads and writes the signed-in account. A task that changes it holds ``lock``."""

    def __init__(self, environment: Environment, name: str, title: str) -> None:
        self.title = title
        self.first_step = f"Sign in to {title} first, or import one of its .conf files"  # where there is no account
        self.lock = asyncio.Lock()
        self._name = name
        self._env = environment

    def now(self) -> float:
        """Unix time."""
        return self._env.now()

    @property
    def settings(self) -> ProviderSettings:
        return self._env.settings(self._name)

    @property
    def account(self) -> Account | None:
        """The signed-in account, if there is one."""
        return self._env.accounts.get(self._name)

    def signed_in(self) -> Account:
        """The signed-in account. Raises NotSignedInError."""
        account = self.account
        if account is None:
            raise NotSignedInError(self.first_step, field="provider")
        return account

    def save(self, account: Account) -> None:
        """Write ``account`` to disk before returning. Raises UnavailableError."""
        self._env.accounts.put(self._name, account)

    def remove(self) -> None:
        """Remove the account from disk. Raises UnavailableError."""
        self._env.accounts.remove(self._name)
