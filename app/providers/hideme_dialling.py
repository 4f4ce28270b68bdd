"""Dialling hide.me's servers: the gateway opens a session with its key, and the server assigns addresses."""

from __future__ import annotations

import base64
import ipaddress
import logging
import time

from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.addresses import Address, Interface
from app.errors import GatewayError
from app.model import Endpoint, Peer, ProviderSettings, Secret
from app.providers.account_session import AccountSession
from app.providers.dialling import ALL_TRAFFIC, V4_ONLY
from app.providers.errors import BadAnswerError, KeyRevokedError, TokenRefusedError
from app.providers.hideme_account import token_refused
from app.providers.hideme_api import Connected, HideMeServers, Session
from app.providers.hideme_relays import TITLE
from app.providers.hideme_sessions import HideMeSessions, sessions_of, with_sessions
from app.providers.server_list.relay import Relay
from app.store.accounts import Account

log = logging.getLogger(__name__)

SESSION_USE = 120.0  # seconds; one connect dials several times
_NANOSECONDS = 1_000_000_000
_MAX_KEEPALIVE = 65535  # seconds


class _Dialled(Struct, frozen=True):
    hostname: str
    at: float  # monotonic clock
    account: Account
    peer: Peer
    sessions_ended: int  # by then


class HideMeDialler:
    """Dials the address that gave the session, at the port of its answer."""

    def __init__(self, session: AccountSession, servers: HideMeServers, sessions: HideMeSessions) -> None:
        self._session = session
        self._sessions = sessions
        self._servers = servers
        self._last: _Dialled | None = None

    async def dial(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:  # noqa: ARG002
        """Open a session at the server, unless one was opened just now."""
        async with self._session.lock:
            stored = self._session.account
            if stored is not None and stored.device_id == account.device_id:
                account = stored  # with the sessions and the token of an attempt that has just ended
            last = self._last
            if last is not None and self._is_current(last, relay, account):
                return last.account, last.peer
            if account.private_key is None or account.token is None:
                raise KeyRevokedError("The key for hide.me was lost; sign in again")
            public_key = keys.public_key(account.private_key)
            try:
                connected, address = await self._servers.connect(relay.hostname, account.token, public_key)
            except TokenRefusedError:
                raise token_refused() from None
            account = self._store(relay, account, connected, address)
            account, peer = _parse(account, connected, address)
            self._last = _Dialled(relay.hostname, time.monotonic(), account, peer, self._sessions.ended)
            return account, peer

    def _is_current(self, last: _Dialled, relay: Relay, account: Account) -> bool:
        """Whether the session of ``last`` is one for ``relay`` and ``account`` that a connect has just opened."""
        return (
            time.monotonic() - last.at < SESSION_USE
            and (last.hostname, last.account.private_key) == (relay.hostname, account.private_key)
            and last.sessions_ended == self._sessions.ended  # none of them is this one
        )

    def _store(self, relay: Relay, account: Account, connected: Connected, address: Address) -> Account:
        """``account`` with the new session. A token that is to be renewed makes the account's check due."""
        if connected.session_token:
            session = Session(relay.hostname, str(address), Secret(connected.session_token), self._session.now())
            account = with_sessions(account, (*sessions_of(account), session))
        if connected.stale_token:
            account = replace(account, checked=0.0)
        try:
            if self._session.account is not None and self._session.account.device_id == account.device_id:
                self._session.save(account)
        except GatewayError as error:  # a disk that is full does not keep a tunnel from coming up
            log.warning("%s: the session is not stored: %s", TITLE, error.message)
        return account


def _parse(account: Account, connected: Connected, address: Address) -> tuple[Account, Peer]:
    """Raises BadAnswerError."""
    try:
        addresses = tuple(_interface(text) for text in connected.addresses[:4] if text)
        dns = tuple(ipaddress.ip_address(text) for text in (connected.dns or ())[:4] if text)
        public_key = keys.check_public_key(connected.public_key)
        preshared_key = _preshared_key(connected.preshared_key)
    except ValueError as error:
        reason = str(error) if isinstance(error, keys.InvalidKeyError) else "an address"
        raise BadAnswerError(f"{TITLE} sent an invalid answer: {reason}") from None
    if not addresses or not 0 < connected.endpoint.port < 65536:
        raise BadAnswerError(f"{TITLE} sent an invalid answer: no address or no port")
    peer = Peer(
        public_key=public_key,
        # The answer's own address is not used: the server that was asked has the key.
        endpoint=Endpoint(str(address), connected.endpoint.port),
        allowed_ips=ALL_TRAFFIC if any(a.version == 6 for a in addresses) else V4_ONLY,
        persistent_keepalive=min(max(connected.keepalive // _NANOSECONDS, 0), _MAX_KEEPALIVE),
        preshared_key=preshared_key,
    )
    return replace(account, addresses=addresses, dns=dns), peer


def _interface(text: str) -> Interface:
    """An address with the whole of it as its prefix."""
    return ipaddress.ip_interface(str(ipaddress.ip_address(text.partition("/")[0])))


def _preshared_key(text: str | None) -> Secret | None:
    """The key; none or a key of zeros is how hide.me says that there is none. Raises InvalidKeyError."""
    if not text or text == base64.b64encode(bytes(keys.KEY_BYTES)).decode():
        return None
    keys.decode_key(text)
    return Secret(text)
