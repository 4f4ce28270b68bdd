"""The sessions of an account at hide.me's servers: stored with the account, so that a restart can end them."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Protocol

import msgspec
from msgspec.structs import replace

from app import serialization
from app.errors import GatewayError
from app.model import Secret
from app.providers.account_session import AccountSession
from app.providers.hideme_api import Session
from app.providers.hideme_relays import TITLE
from app.store.accounts import Account

log = logging.getLogger(__name__)

STARTING = 180.0  # seconds in which a new session may not be in use yet
MAX_SESSIONS = 16
_EXTRA = "sessions"  # of an account's extra values


def sessions_of(account: Account) -> tuple[Session, ...]:
    stored = account.extra.get(_EXTRA)
    if stored is None:
        return ()
    try:
        return serialization.decode(stored.reveal(), tuple[Session, ...])
    except (msgspec.DecodeError, ValueError):
        return ()


def with_sessions(account: Account, sessions: tuple[Session, ...]) -> Account:
    text = serialization.encode(sessions[-MAX_SESSIONS:], secrets=True).decode()
    return replace(account, extra={**account.extra, _EXTRA: Secret(text)})


class SessionApi(Protocol):
    """What is used of :class:`app.providers.hideme_api.HideMeServers`."""

    async def disconnect(self, session: Session) -> None: ...


class HideMeSessions:
    """Ends sessions. Each is tried once: what cannot be ended times out at hide.me."""

    def __init__(self, session: AccountSession, servers: SessionApi) -> None:
        self._session = session
        self._servers = servers
        self.ended = 0  # sessions, since the start

    async def end_unused(self, used: Collection[str]) -> None:
        """End the sessions at servers other than ``used``. Never raises a GatewayError."""
        async with self._session.lock:
            account = self._session.account
            if account is None:
                return
            now = self._session.now()
            sessions = sessions_of(account)
            kept = tuple(s for s in sessions if s.host in used or 0 <= now - s.started < STARTING)
            if kept == sessions:
                return
            try:
                self._session.save(with_sessions(account, kept))
            except GatewayError as error:
                log.warning("%s: the end of a session cannot be stored: %s", TITLE, error.message)
                return
            for session in sessions:
                if session not in kept:
                    await self._end_quietly(session)

    async def end_all(self, account: Account) -> None:
        """End all sessions of ``account``. Raises the last error, after all were tried."""
        failure: GatewayError | None = None
        for session in sessions_of(account):
            try:
                await self._servers.disconnect(session)
            except GatewayError as error:
                failure = error
        if failure is not None:
            raise failure

    async def _end_quietly(self, session: Session) -> None:
        self.ended += 1
        try:
            await self._servers.disconnect(session)
        except GatewayError as error:
            log.info("%s: a session could not be ended, and will time out: %s", TITLE, error.message)
