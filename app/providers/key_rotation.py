"""Key rotation registers a new key and later removes the devices of older keys, once nothing uses them.

The new key is on disk before it is sent, so that a power cut or a lost answer loses no registered key.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from app import keys
from app.keys import KeyPair
from app.providers.account_session import DAY, AccountSession
from app.providers.errors import KeyInUseError
from app.store.accounts import Account

log = logging.getLogger(__name__)

EXPIRY_MARGIN = 2 * DAY  # seconds before the expiry of a key


async def nothing_to_remove(account: Account) -> Account:
    return replace(account, retired=())


class KeyRotation:
    """Rotates keys by ``replace_key``, which registers a key and returns the account with it, or raises KeyInUseError.

    ``remove_retired`` removes the devices of older keys, where the provider has a device for each key.
    """

    def __init__(
        self,
        session: AccountSession,
        replace_key: Callable[[Account, KeyPair], Awaitable[Account]],
        remove_retired: Callable[[Account], Awaitable[Account]] = nothing_to_remove,
    ) -> None:
        self._session = session
        self._replace_key = replace_key
        self._remove_retired = remove_retired

    def due_at(self, account: Account) -> float:
        """When the key of ``account`` must be replaced (Unix time)."""
        by_age = account.key_created + self._session.settings.rotate_days * DAY
        return min(by_age, account.key_expires - EXPIRY_MARGIN) if account.key_expires else by_age

    async def rotate(self, account: Account) -> None:
        """Register and store a new key for ``account``; the caller holds the session's lock."""
        session = self._session
        private = account.pending_key or keys.generate().private_key
        account = replace(account, pending_key=private)
        session.save(account)
        try:
            new = await self._replace_key(account, KeyPair(private, keys.public_key(private)))
        except KeyInUseError:
            session.save(replace(account, pending_key=None))  # the next attempt generates another key
            raise
        session.save(replace(new, private_key=private, pending_key=None, key_created=session.now()))
        log.info("%s: a new key is registered", session.title)

    async def settle(self, account: Account) -> None:
        """Remove the devices of older keys; the caller holds the session's lock. Idempotent."""
        if account.retired:
            self._session.save(await self._remove_retired(account))
