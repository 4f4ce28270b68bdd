"""Accounts at IVPN: a session for this gateway with one key, or with two while a key is replaced."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from app import keys
from app.errors import ConflictError, InvalidFieldError
from app.https.exchange import Response
from app.keys import KeyPair
from app.model import Secret
from app.providers.account_session import AccountSession
from app.providers.client import Errors, ProviderClient, raises
from app.providers.decode import decode_answer
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyRevokedError,
    TooManyDevicesError,
    WrongCredentialsError,
)
from app.store.accounts import Account

TITLE = "IVPN"
NO_MULTIHOP = "this IVPN account's plan has no multihop; IVPN Pro has"

_CAPABILITIES = "capabilities"

# Status codes within the answer, which is HTTP 200 or 4xx.
OK, UNAUTHORIZED, NO_SESSION, SESSION_NOT_FOUND, SESSION_LIMIT, NOT_ACTIVE = 200, 401, 424, 601, 602, 702
CAPTCHA, CAPTCHA_WRONG, TWO_FACTOR, TWO_FACTOR_WRONG = 70001, 70002, 70011, 70012

_PAGE = re.compile(r"https://(www\.)?ivpn\.net/[A-Za-z0-9/_-]{0,80}")  # where people remove a device
_IPV6_PREFIX = ipaddress.IPv6Address("fd00:4956:504e:ffff::")  # the same on every server; the rest is the IPv4 address


class _Service(Struct, frozen=True):
    is_active: bool = True
    active_until: int = 0
    capabilities: list[str] | None = None  # what the plan includes


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


def _problem(answer: Response) -> int | None:
    """Raises BadAnswerError."""
    status = decode_answer(answer.body, _Answer, TITLE).status
    return None if status == OK else status


def _too_many(answer: Response) -> TooManyDevicesError:
    data = decode_answer(answer.body, _Answer, TITLE).data
    limit = data.get("limit") if isinstance(data, dict) else None
    many = f"all its {limit}" if isinstance(limit, int) else "the maximum number of"
    page = data.get("device_management_url") if isinstance(data, dict) else None
    where = f"at {page}" if isinstance(page, str) and _PAGE.fullmatch(page) else "(IVPN does not list them)"
    return TooManyDevicesError(
        f"This account is signed in on {many} devices; sign out on one {where}, or sign in with sign_out_others",
        field="sign_out_others",
    )


_SESSION_ENDED = raises(KeyRevokedError, "IVPN has ended this gateway's session; sign in again")
_ASKS_FOR_CAPTCHA = raises(
    ConflictError,
    "IVPN asks for a captcha after too many attempts; try again later, or import a .conf file",
    code="captcha_needed",
)

ERRORS = Errors(
    {
        UNAUTHORIZED: raises(WrongCredentialsError, "IVPN does not know this account ID", field="account_id"),
        NO_SESSION: _SESSION_ENDED,
        SESSION_NOT_FOUND: _SESSION_ENDED,
        SESSION_LIMIT: _too_many,
        NOT_ACTIVE: raises(AccountExpiredError, "This IVPN account has expired; add time to it"),
        TWO_FACTOR: raises(
            InvalidFieldError, "Two-factor code: required", field="two_factor", code="two_factor_needed"
        ),
        TWO_FACTOR_WRONG: raises(
            InvalidFieldError, "Two-factor code: wrong or expired", field="two_factor", code="two_factor_needed"
        ),
        CAPTCHA: _ASKS_FOR_CAPTCHA,
        CAPTCHA_WRONG: _ASKS_FOR_CAPTCHA,
    },
    _problem,
)


class IvpnAccount:
    """An :class:`app.providers.account_parts.AccountApi`."""

    def __init__(self, session: AccountSession, client: ProviderClient) -> None:
        self._session = session
        self._client = client

    async def register(self, credentials: dict[str, Secret], pair: KeyPair) -> Account:
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
            raise BadAnswerError(f"{TITLE} returned no session")
        account = Account(
            credentials={"account_id": credentials["account_id"]},  # a two-factor code works only once
            private_key=pair.private_key,
            key_created=self._session.now(),
            token=Secret(answer.token),
            device_name=answer.device_name,
            device_id="session",
            checked=self._session.now(),
        )
        account = _with_addresses(account, answer.wireguard.ip_address)
        return self._with_service(account, answer.service_status)

    async def check(self, account: Account) -> Account:
        answer = await self._ask("/v4/session/status", {"session_token": _token(account)})
        return self._with_service(account, answer.service_status)

    def _with_service(self, account: Account, service: _Service | None) -> Account:
        if service is None:
            return account
        if not service.is_active:
            raise AccountExpiredError("This IVPN account has expired; add time to it", expires=service.active_until)
        account = replace(account, expires=float(service.active_until))
        if service.capabilities is None:
            return account
        return replace(account, extra={**account.extra, _CAPABILITIES: Secret(" ".join(service.capabilities))})

    async def forget(self, account: Account) -> None:
        try:
            await self._ask("/v4/session/delete", {"session_token": _token(account)})
        except KeyRevokedError:
            return

    async def replace_key(self, account: Account, pair: KeyPair) -> Account:
        """Register a key beside the present one, sent as ``connected_public_key``; without it IVPN drops all keys."""
        body = {"session_token": _token(account), "public_key": pair.public_key, "connected_public_key": ""}
        if account.private_key is not None:
            body["connected_public_key"] = keys.public_key(account.private_key)
        answer = await self._ask("/v4/session/wg/set", body)
        return _with_addresses(account, answer.ip_address)

    async def _ask(self, path: str, body: dict[str, Any]) -> _Answer:
        return await self._client.read(_Answer, "POST", path, errors=ERRORS, json=body)


def may_multihop(account: Account) -> bool:
    """Whether the account's plan includes multihop; without the provider's word it may."""
    capabilities = account.extra.get(_CAPABILITIES)
    return capabilities is None or "multihop" in capabilities.reveal().split()


def _token(account: Account) -> str:
    return account.token.reveal() if account.token is not None else ""


def _with_addresses(account: Account, text: str | None) -> Account:
    """``account`` with its IPv4 address in the tunnel, and the IPv6 address that IVPN derives from it."""
    try:
        four = ipaddress.IPv4Address((text or "").partition("/")[0])
    except ValueError:
        raise BadAnswerError(f"{TITLE} assigned no valid address to this gateway") from None
    six = ipaddress.IPv6Address(int(_IPV6_PREFIX) + int(four))
    addresses = (ipaddress.ip_interface(f"{four}/32"), ipaddress.ip_interface(f"{six}/128"))
    return replace(account, addresses=addresses)
