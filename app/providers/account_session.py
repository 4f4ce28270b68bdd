"""The stored account of one provider, which one task at a time may change."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from app import keys
from app.model import ProviderSettings, Secret
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
        self._public: tuple[Secret, str] | None = None  # the last private key and its public one

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
        present = self.account
        if present is not None and not present.unproven and present.private_key == account.private_key:
            account = replace(account, unproven=False)  # its key was proven while the provider was being asked
        self._env.accounts.put(self._name, account)

    def unproven_key(self) -> str | None:
        """The account's public key, as long as no server has ever answered it."""
        account = self.account
        return self.public_key() if account is not None and account.unproven else None

    def public_key(self) -> str | None:
        """The account's public key, if it has a key."""
        account = self.account
        if account is None or account.private_key is None:
            return None
        if self._public is None or self._public[0] != account.private_key:
            self._public = (account.private_key, keys.public_key(account.private_key))
        return self._public[1]

    def remove(self) -> None:
        """Remove the account from disk. Raises UnavailableError."""
        self._env.accounts.remove(self._name)
