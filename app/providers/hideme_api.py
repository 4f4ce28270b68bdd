"""hide.me's API: a token for a name and password, and a session at each server for the gateway's key.

Every server answers under ``/v1`` of port 443, with a certificate of a public authority for ``hideservers.net``. Only
the HTTP status tells what is wrong.
"""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from app.addresses import Address
from app.https.exchange import Response
from app.https.transport import Destination, Streams, Transport
from app.model import Secret
from app.providers.client import Errors, Problem, ProviderClient, http_problem, raises
from app.providers.config import ApiConfig
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyRevokedError,
    RefusedError,
    TokenRefusedError,
    WrongCredentialsError,
)
from app.providers.hideme_relays import DOMAIN, TITLE

CERTIFICATE = DOMAIN[1:]  # the name of every server's certificate
_ACCOUNTS = "hide.me"  # the domain of accounts
_LONGEST_TOKEN = 8192  # characters


class Session(Struct, frozen=True):
    """A session at a server, which counts until it is ended there or times out."""

    host: str  # as the API calls the server
    address: str
    token: Secret
    started: float  # Unix time


class _Endpoint(Struct, frozen=True, rename={"port": "Port"}):
    port: int


class Connected(
    Struct,
    frozen=True,
    rename={
        "public_key": "publicKey",
        "preshared_key": "presharedKey",
        "keepalive": "persistentKeepalive",
        "addresses": "allowedIps",
        "dns": "DNS",
        "stale_token": "staleAccessToken",
        "session_token": "sessionToken",
    },
):
    """The answer to a connect request; all keys and tokens are base64."""

    public_key: str
    endpoint: _Endpoint
    addresses: list[str]  # ours
    preshared_key: str | None = None
    keepalive: int = 0  # nanoseconds
    dns: list[str] | None = None
    stale_token: bool = False
    session_token: str | None = None


_TOO_OLD = raises(RefusedError, "hide.me no longer answers requests of this form; update this gateway")
_EXPIRED = raises(AccountExpiredError, "This hide.me subscription has expired; renew it")
_NOT_ACCEPTED = raises(WrongCredentialsError, "hide.me does not accept this user name and password", field="password")
_TOKEN_REFUSED = raises(TokenRefusedError, "hide.me does not accept its own token any more")
_SESSION_UNKNOWN = raises(KeyRevokedError, "hide.me does not know this session")


def _problem(answer: Response) -> Problem:
    """The HTTP status of a refusal; an empty answer is one as well, that of an account which is not accepted."""
    return http_problem(answer) if answer.body.strip() or not answer.ok else 401


LOGIN_ERRORS = Errors({401: _NOT_ACCEPTED, 402: _EXPIRED, 403: _TOO_OLD}, _problem)
ERRORS = Errors({401: _TOKEN_REFUSED, 402: _EXPIRED, 403: _TOO_OLD}, _problem)
END_ERRORS = Errors({401: _SESSION_UNKNOWN, 404: _SESSION_UNKNOWN})


class HideMeTokens:
    """Tokens, which any server gives and every server takes."""

    def __init__(self, client: ProviderClient) -> None:
        self._client = client

    async def log_in(self, username: Secret, password: Secret) -> Secret:
        return await self._token(LOGIN_ERRORS, {"username": username, "password": password})

    async def renew(self, token: Secret) -> Secret:
        """Raises TokenRefusedError, AccountExpiredError."""
        return await self._token(ERRORS, {"accessToken": token})

    async def _token(self, errors: Errors, who: dict[str, Secret]) -> Secret:
        body = {"domain": _ACCOUNTS, "host": "", **who}
        token = await self._client.read(str, "POST", "/accessToken", errors=errors, json=body)
        if not token or len(token) > _LONGEST_TOKEN or not token.isascii():
            raise BadAnswerError(f"{TITLE} sent an invalid token")
        return Secret(token)


class HideMeServers:
    """Sessions at the servers; of ``api`` the port, the path and the authority are used."""

    def __init__(self, api: ApiConfig, transport: Transport) -> None:
        self._api = api
        self._transport = transport

    async def connect(self, host: str, token: Secret, public_key: str) -> tuple[Connected, Address]:
        """A session for ``public_key``, and the address that gave it. Raises TokenRefusedError, AccountExpiredError.

        A name leads to many servers, and only the one that was asked knows the key.
        """
        transport = _RecordingTransport(self._transport)
        body = {"host": host, "domain": _ACCOUNTS, "accessToken": token, "publicKey": public_key}
        client = self._client(host, self._api.addresses, transport)
        connected = await client.read(Connected, "POST", "/connect", errors=ERRORS, json=body)
        if transport.address is None:
            raise BadAnswerError(f"{TITLE}: the address of {host} is not known")
        return connected, transport.address

    async def disconnect(self, session: Session) -> None:
        """End ``session``. Raises the client's errors."""
        client = self._client(session.host, (ipaddress.ip_address(session.address),), self._transport)
        body = {"host": session.host, "domain": _ACCOUNTS, "sessionToken": session.token}
        with contextlib.suppress(KeyRevokedError):  # it has timed out
            await client.request("POST", "/disconnect", errors=END_ERRORS, json=body)

    def _client(self, host: str, addresses: tuple[Address, ...], transport: Transport) -> ProviderClient:
        parts = urlsplit(self._api.url)
        url = f"https://{host}{DOMAIN}:{parts.port or 443}{parts.path}"
        return ProviderClient(transport, replace(self._api, url=url, addresses=addresses), f"{TITLE} {host}")


class _RecordingTransport:
    """A :class:`Transport` that remembers the address of the last connection."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self.address: Address | None = None

    @contextlib.asynccontextmanager
    async def open_connection(self, to: Destination, tls: ssl.SSLContext) -> AsyncGenerator[Streams, None]:
        async with self._transport.open_connection(to, tls) as streams:
            self.address = ipaddress.ip_address(streams[1].get_extra_info("peername")[0])
            yield streams
