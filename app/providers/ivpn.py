"""``ivpn``: a session for an account ID, public list, multihop by the exit's port, AntiTracker resolvers."""

from __future__ import annotations

import ipaddress
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.errors import ConflictError, InvalidFieldError
from app.keys import KeyPair
from app.model import Endpoint, Peer, ProviderSettings, Secret
from app.providers import ivpn_relays
from app.providers.account_provider import EVERYTHING, SignInProvider
from app.providers.base import Capabilities, CredentialField
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyRevokedError,
    TooManyDevicesError,
    WrongCredentialsError,
)
from app.providers.http import LIST_LIMIT, LIST_TIMEOUT, ApiConfig
from app.providers.relays import Guard, Relay, RelayList
from app.providers.serverlist import Fetched
from app.store.accounts import Account

WHO = "IVPN"

# Status codes within the answer, which is HTTP 200 or 4xx.
OK, UNAUTHORIZED, SESSION_NOT_FOUND, SESSION_LIMIT, NOT_ACTIVE = 200, 401, 601, 602, 702
CAPTCHA, TWO_FACTOR, TWO_FACTOR_WRONG = (70001, 70002), 70011, 70012

_IPV6_PREFIX = ipaddress.IPv6Address("fd00:4956:504e:ffff::")  # of every server; the rest is the IPv4 address


class _Service(Struct, frozen=True):
    is_active: bool = True
    active_until: int = 0


class _WireGuard(Struct, frozen=True):
    status: int = 0
    ip_address: str | None = None


class _Answer(Struct, frozen=True):
    status: int
    token: str | None = None
    device_name: str | None = None
    service_status: _Service | None = None
    wireguard: _WireGuard | None = None
    ip_address: str | None = None
    data: Any = None


class IvpnProvider(SignInProvider):
    name = "ivpn"
    title = "IVPN"
    capabilities = Capabilities(
        sign_in=True, key_rotation=True, multihop=True, choose_port=True, content_blocking=("trackers", "hardcore")
    )
    credentials = (
        CredentialField(
            "account_id",
            "Account ID",
            help="i-XXXX-XXXX-XXXX, or ivpn followed by letters and digits",
            pattern=r"(i-[A-Za-z0-9]{4}-[A-Za-z0-9]{4}-[A-Za-z0-9]{4}|ivpn[A-Za-z0-9-]{5,20})",
        ),
        CredentialField(
            "two_factor",
            "Two-factor code",
            optional=True,
            help="the six digits your authenticator shows, where the account has one",
            pattern=r"[0-9]{6,8}",
        ),
        CredentialField(
            "sign_out_others",
            "Sign out all other devices",
            secret=False,
            optional=True,
            help="yes or no: makes room when the account has too many devices",
            pattern=r"yes|no",
        ),
    )
    apis = {"ivpn": ApiConfig("https://api.ivpn.net")}

    async def _register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
        body = {
            "username": credentials["account_id"].reveal(),
            "wg_public_key": pair.public_key,
            "force": credentials.get("sign_out_others") == Secret("yes"),
            "captcha": "",
            "captcha_id": "",
            "confirmation": credentials["two_factor"].reveal() if "two_factor" in credentials else "",
        }
        answer = await self._ask("/v4/session/new", body)
        if answer.token is None or answer.wireguard is None:
            raise BadAnswerError(f"{WHO} gave no session")
        account = Account(
            credentials={"account_id": credentials["account_id"]},  # a two-factor code is good once
            private_key=pair.private_key,
            key_created=self._env.now(),
            token=Secret(answer.token),
            device_name=answer.device_name,
            device_id="session",
            checked=self._env.now(),
        )
        account = _addressed(account, answer.wireguard.ip_address)
        return self._with_service(account, answer.service_status)

    async def _check(self, account: Account) -> Account:
        answer = await self._ask("/v4/session/status", {"session_token": _token(account)})
        return self._with_service(account, answer.service_status)

    def _with_service(self, account: Account, service: _Service | None) -> Account:
        if service is None:
            return account
        if not service.is_active:
            raise AccountExpiredError("This IVPN account has run out; add time to it", expires=service.active_until)
        return replace(account, expires=float(service.active_until))

    async def _forget(self, account: Account) -> None:
        try:
            await self._ask("/v4/session/delete", {"session_token": _token(account)})
        except KeyRevokedError:
            return

    async def _replace_key(self, account: Account, pair: KeyPair) -> Account:
        """The key named as connected stays good beside the new one; without it, IVPN forgets all keys at once."""
        body = {"session_token": _token(account), "public_key": pair.public_key, "connected_public_key": ""}
        if account.private_key is not None:
            body["connected_public_key"] = keys.public_key(account.private_key)
        answer = await self._ask("/v4/session/wg/set", body)
        return _addressed(account, answer.ip_address)

    async def _ask(self, path: str, body: dict[str, Any]) -> _Answer:
        response = await self._api().request("POST", path, json=body)
        answer: _Answer = response.json(_Answer, WHO)
        match answer.status:
            case 200:
                return answer
            case 401:
                raise WrongCredentialsError("IVPN does not know this account ID", field="account_id")
            case 424 | 601:
                raise KeyRevokedError("IVPN has ended this gateway's session; sign in again")
            case 602:
                limit = answer.data.get("limit") if isinstance(answer.data, dict) else None
                many = f"all its {limit}" if isinstance(limit, int) else "as many as it may have"
                raise TooManyDevicesError(
                    f"This account is signed in on {many} devices; sign out on one (IVPN does not tell which they "
                    "are), or sign in with sign_out_others",
                    field="sign_out_others",
                )
            case 702:
                raise AccountExpiredError("This IVPN account has run out; add time to it")
            case 70011 | 70012:
                wrong = "is wrong or too old" if answer.status == TWO_FACTOR_WRONG else "is needed"
                raise InvalidFieldError(f"Two-factor code: it {wrong}", field="two_factor", code="two_factor_needed")
            case 70001 | 70002:
                raise ConflictError(
                    "IVPN asks for a captcha after too many attempts; try again later, or import a .conf file",
                    code="captcha_needed",
                )
            case _:
                raise BadAnswerError(f"{WHO} refused the request (status {answer.status})")

    async def _fetch(self, etag: str | None) -> Fetched | None:
        answer = await self._api().request("GET", "/v5/servers.json", etag=etag, limit=LIST_LIMIT, timeout=LIST_TIMEOUT)
        if answer.status == 304:
            return None
        if not answer.ok:
            raise BadAnswerError(f"{WHO} gave no server list (HTTP {answer.status})", code="bad_server_list")
        return Fetched(answer.body, answer.headers.get("etag"))

    def _parse(self, fetched: Fetched, guard: Guard, old: RelayList | None) -> RelayList:  # noqa: ARG002
        return ivpn_relays.parse(fetched.body, guard)

    async def _peer(self, relay: Relay, account: Account, settings: ProviderSettings) -> tuple[Account, Peer]:
        if "dns" in relay.details:
            account = replace(account, dns=(ipaddress.ip_address(relay.details["dns"]),))
        if settings.multihop_entry is None or settings.multihop_entry == relay.hostname:
            return await super()._peer(relay, account, settings)
        entry = self._servers.entry(settings.multihop_entry)
        if relay.multihop_port is None or entry.ipv4 is None:
            raise ConflictError(f"{relay.hostname} cannot be reached through another server", field="server")
        endpoint = Endpoint(entry.ipv4, relay.multihop_port)
        return account, Peer(public_key=relay.public_key, endpoint=endpoint, allowed_ips=EVERYTHING)

    def _dns(self, account: Account, settings: ProviderSettings) -> Account:
        general = self._servers.general
        for name in ("hardcore", "trackers"):
            if name in settings.content_blocking and f"dns_{name}" in general:
                return replace(account, dns=(ipaddress.ip_address(general[f"dns_{name}"]),))
        return account


def _token(account: Account) -> str:
    return account.token.reveal() if account.token is not None else ""


def _addressed(account: Account, text: str | None) -> Account:
    """``account`` with its address in the tunnel, and the IPv6 one that IVPN's servers derive from it."""
    try:
        four = ipaddress.IPv4Address((text or "").partition("/")[0])
    except ValueError:
        raise BadAnswerError(f"{WHO} gave this gateway no address") from None
    six = ipaddress.IPv6Address(int(_IPV6_PREFIX) + int(four))
    addresses = (ipaddress.ip_interface(f"{four}/32"), ipaddress.ip_interface(f"{six}/128"))
    return replace(account, addresses=addresses)
