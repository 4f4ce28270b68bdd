"""``nordvpn``: an access token gives the account's NordLynx key; all clients have one address; no key rotation."""

from __future__ import annotations

import ipaddress

from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.keys import KeyPair
from app.model import Secret
from app.providers import nordvpn_relays
from app.providers.account_parts import Parts, ProviderContext
from app.providers.account_provider import SignInProvider
from app.providers.account_session import AccountSession
from app.providers.base import Capabilities, CredentialField
from app.providers.client import Errors, ProviderClient, raises
from app.providers.config import ApiConfig
from app.providers.decode import parse_timestamp
from app.providers.dialling import DirectDialler
from app.providers.errors import AccountExpiredError, BadAnswerError, RefusedError, WrongCredentialsError
from app.store.accounts import Account

TITLE = "NordVPN"

ADDRESSES = (ipaddress.ip_interface("10.5.0.2/32"),)
DNS = (ipaddress.ip_address("103.86.96.100"), ipaddress.ip_address("103.86.99.100"))


class _Credentials(Struct, frozen=True):
    nordlynx_private_key: str


class _Service(Struct, frozen=True):
    class Kind(Struct, frozen=True):
        identifier: str = ""

    expires_at: str = ""
    service: Kind = Kind()


_NOT_ACCEPTED = raises(
    WrongCredentialsError, "NordVPN does not accept this access token; make a new one", field="token"
)

ERRORS = Errors({401: _NOT_ACCEPTED, 403: _NOT_ACCEPTED})


class NordVpnProvider(SignInProvider):
    name = "nordvpn"
    title = "NordVPN"
    capabilities = Capabilities(sign_in=True, file_key=True)
    credentials = (
        CredentialField(
            "token",
            "Access token",
            help="64 letters and digits, made in your Nord Account under NordVPN, Set up manually",
            pattern=r"[A-Za-z0-9]{32,128}",
        ),
    )
    apis = {"nordvpn": ApiConfig("https://api.nordvpn.com")}
    source = nordvpn_relays.SOURCE

    def make_parts(self, context: ProviderContext) -> Parts:
        return Parts(
            account=_NordVpnAccount(context.session, context.client()),
            dialler=DirectDialler(context.servers, self.capabilities),
        )


class _NordVpnAccount:
    """An :class:`app.providers.account_parts.AccountApi`."""

    def __init__(self, session: AccountSession, client: ProviderClient) -> None:
        self._session = session
        self._client = client

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:  # noqa: ARG002
        now = self._session.now()
        account = Account(
            credentials=credentials, addresses=ADDRESSES, dns=DNS, device_id="account", key_created=now, checked=now
        )
        return await self.check(account)

    async def check(self, account: Account) -> Account:
        """Fetch the key, which belongs to the account and may have been regenerated there, and the expiry."""
        basic = ("token", account.credentials["token"])
        path = "/v1/users/services/credentials"
        found = await self._client.read(_Credentials, "GET", path, errors=ERRORS, basic=basic)
        private = Secret(found.nordlynx_private_key)
        try:
            keys.public_key(private)
        except keys.InvalidKeyError as error:
            raise BadAnswerError(f"{TITLE} returned an invalid key: {error}") from None
        try:
            expires = _expiry(await self._client.read(list[_Service], "GET", "/v1/users/services", basic=basic))
        except RefusedError:
            expires = account.expires
        if 0 < expires <= self._session.now():
            raise AccountExpiredError("This NordVPN subscription has expired", expires=expires)
        return replace(account, private_key=private, expires=expires)

    async def forget(self, account: Account) -> None:
        """Do nothing: the key belongs to the account, and the user revokes the token in the Nord Account."""


def _expiry(services: list[_Service]) -> float:
    """The expiry of the VPN service (Unix time); 0 where it is not known."""
    for service in services:
        if service.service.identifier == "vpn":
            try:
                return parse_timestamp(service.expires_at, TITLE)
            except BadAnswerError:
                return 0.0
    return 0.0
