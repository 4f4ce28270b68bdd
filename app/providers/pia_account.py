"""Accounts at PIA: a token that lasts a day, and the certificate authority of PIA's servers."""

from __future__ import annotations

import base64
import ipaddress
import ssl
from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from app.errors import InvalidFieldError
from app.https.transport import tls_context
from app.keys import KeyPair
from app.model import Secret
from app.providers.account_session import AccountSession
from app.providers.client import Errors, ProviderClient, raises
from app.providers.config import ApiConfig
from app.providers.errors import WrongCredentialsError
from app.store.accounts import Account

TOKEN_LIFE = 23 * 3600.0  # seconds; PIA's tokens last a day

_BEGIN, _END = "-----BEGINCERTIFICATE-----", "-----ENDCERTIFICATE-----"

_NOT_ACCEPTED = raises(WrongCredentialsError, "PIA does not accept this user name and password", field="password")

ERRORS = Errors(dict.fromkeys((400, 401, 403), _NOT_ACCEPTED))


class _Token(Struct, frozen=True):
    token: str


class PiaAuthority:
    """The certificate authority of PIA's servers, from ``providers.toml`` or from the sign-in form."""

    def __init__(self, server_api: ApiConfig) -> None:
        self._server_api = server_api

    def for_credentials(self, credentials: Mapping[str, Secret]) -> str | None:
        """The authority as PEM file or PEM text, None if missing. Raises InvalidFieldError."""
        if self._server_api.ca is not None:
            return self._server_api.ca
        if "ca_certificate" not in credentials:
            return None
        body = credentials["ca_certificate"].reveal().removeprefix(_BEGIN).removesuffix(_END)
        try:
            pem = ssl.DER_cert_to_PEM_cert(base64.b64decode(body, validate=True))
            tls_context(pem)
        except (ValueError, ssl.SSLError):
            raise InvalidFieldError(
                "PIA's certificate authority: not a valid certificate", field="ca_certificate"
            ) from None
        return pem


class PiaAccount:
    """An :class:`app.providers.account_parts.AccountApi`."""

    def __init__(self, session: AccountSession, client: ProviderClient, authority: PiaAuthority) -> None:
        self._session = session
        self._client = client
        self._authority = authority

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        now = self._session.now()
        if self._authority.for_credentials(credentials) is None:
            raise InvalidFieldError(
                "PIA's certificate authority: required, because it issues the certificates of PIA's servers",
                field="ca_certificate",
            )
        account = Account(
            credentials=credentials,
            private_key=pair.private_key,
            key_created=now,
            device_id="account",
            checked=now,
            # A placeholder until the first server assigns an address (the dummy address of RFC 6890).
            addresses=(ipaddress.ip_interface("192.0.0.8/32"),),
        )
        return await self.check(account)

    async def check(self, account: Account) -> Account:
        form = {name: account.credentials[name].reveal() for name in ("username", "password")}
        token = await self._client.read(_Token, "POST", "/api/client/v2/token", errors=ERRORS, form=form)
        return replace(account, token=Secret(token.token), token_expires=self._session.now() + TOKEN_LIFE)

    async def forget(self, account: Account) -> None:
        """Do nothing, because servers drop unused keys."""
