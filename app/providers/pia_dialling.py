"""Dialling PIA's servers: the gateway registers its key first, and the server assigns addresses and resolvers."""

from __future__ import annotations

import ipaddress
import time
from ipaddress import IPv4Address

from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.https.transport import Transport
from app.model import Endpoint, Peer, ProviderSettings
from app.providers.account_session import AccountSession
from app.providers.account_token import AccountToken
from app.providers.client import Errors, ProviderClient, raises
from app.providers.config import ApiConfig
from app.providers.dialling import V4_ONLY
from app.providers.errors import BadAnswerError, KeyRevokedError, TokenRefusedError, WrongCredentialsError
from app.providers.pia_authority import PiaAuthority
from app.providers.pia_relays import ADD_KEY_PORT
from app.providers.server_list.relay import Relay
from app.store.accounts import Account

TITLE = "PIA"
REGISTRATION_LIFE = 120.0  # seconds; one connect dials several times, and a server drops an unused key after hours


class _Added(Struct, frozen=True):
    status: str
    server_key: str = ""
    server_port: int = 0
    peer_ip: str = ""
    dns_servers: list[str] = []


class _Registration(Struct, frozen=True):
    hostname: str
    at: float  # monotonic clock
    account: Account
    peer: Peer


_TOKEN_REFUSED = raises(TokenRefusedError, "PIA's server does not accept the token")

ERRORS = Errors({401: _TOKEN_REFUSED, 403: _TOKEN_REFUSED})


class PiaDialler:
    """Dials servers by their own names and addresses; of ``server_api`` only the port is used."""

    def __init__(
        self,
        session: AccountSession,
        token: AccountToken,
        authority: PiaAuthority,
        server_api: ApiConfig,
        transport: Transport,
    ) -> None:
        self._session = session
        self._token = token
        self._authority = authority
        port = server_api.url.rpartition(":")[2].rstrip("/")
        self._port = int(port) if port.isdigit() else ADD_KEY_PORT
        self._transport = transport
        self._last: _Registration | None = None

    async def dial(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:  # noqa: ARG002
        """Register the key with the server, unless it was registered just now."""
        last = self._last
        fresh = last is not None and time.monotonic() - last.at < REGISTRATION_LIFE
        if (
            last is not None
            and fresh
            and (last.hostname, last.account.private_key)
            == (
                relay.hostname,
                account.private_key,
            )
        ):
            return last.account, last.peer
        async with self._session.lock:
            private = account.private_key
            if private is None:
                raise KeyRevokedError("The key for PIA was lost; sign in again")
            public_key = keys.public_key(private)
            try:
                account, added = await self._token.use(account, lambda a: self._add_key(relay, a, public_key))
            except TokenRefusedError:  # the fresh one as well
                raise WrongCredentialsError(
                    f"{relay.hostname} does not accept this account's token; sign in again", field="password"
                ) from None
        account, peer = _parse_registration(relay, account, added)
        self._last = _Registration(relay.hostname, time.monotonic(), account, peer)
        return account, peer

    async def _add_key(self, relay: Relay, account: Account, public_key: str) -> _Added:
        url = f"https://{relay.details['cn']}:{self._port}"
        config = ApiConfig(url, (IPv4Address(relay.ipv4 or ""),), self._authority.for_credentials(account.credentials))
        client = ProviderClient(self._transport, config, f"{TITLE} {relay.hostname}")
        token = account.token.reveal() if account.token is not None else ""
        query = {"pt": token, "pubkey": public_key}
        added = await client.read(_Added, "GET", "/addKey", errors=ERRORS, query=query)
        if added.status != "OK":  # with HTTP 200, also for a token that has ended ("Login failed!")
            raise TokenRefusedError(f"{relay.hostname} did not accept the token")
        return added


def _parse_registration(relay: Relay, account: Account, added: _Added) -> tuple[Account, Peer]:
    """Raises BadAnswerError."""
    try:
        address = ipaddress.IPv4Interface(added.peer_ip.partition("/")[0])
        dns = tuple(ipaddress.ip_address(text) for text in added.dns_servers[:4])
        key = keys.check_public_key(added.server_key)
    except ValueError as error:
        raise BadAnswerError(f"{TITLE} sent an invalid answer: {error}") from None
    if not 0 < added.server_port < 65536:
        raise BadAnswerError(f"{TITLE} sent an invalid answer: no port")
    # The answer's server_ip is not used: a server may have several addresses, and the one asked has taken the key.
    endpoint = Endpoint(relay.ipv4 or "", added.server_port)
    peer = Peer(public_key=key, endpoint=endpoint, allowed_ips=V4_ONLY)
    return replace(account, addresses=(address,), dns=dns), peer
