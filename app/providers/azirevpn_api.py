"""AzireVPN's API: the types of its answers and the errors for its refusals."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from app.addresses import Address
from app.https.exchange import Response
from app.providers.client import Errors, Problem, raises
from app.providers.decode import decode_answer
from app.providers.errors import (
    AccountExpiredError,
    BadAnswerError,
    KeyInUseError,
    KeyRevokedError,
    TooManyDevicesError,
    WrongCredentialsError,
)

T = TypeVar("T")

TITLE = "AzireVPN"


class Token(Struct, frozen=True):
    key: str
    id: str = ""


class Key(Struct, frozen=True):
    key: str
    created_at: int = 0


class Device(Struct, frozen=True):
    id: str
    ipv4_address: str
    ipv6_address: str | None = None
    dns: list[Address] = []
    device_name: str | None = None
    keys: list[Key] = []


class _Ips(Struct, frozen=True):
    allocated: int = 0
    available: int = 0


class User(Struct, frozen=True):
    is_active: bool = True
    expires_at: int = 0
    ips: _Ips = _Ips()


class _Verdict(Struct, frozen=True):
    status: Any = "success"  # not in every documented answer
    message: str = ""


_NO_ROOM, _PASSWORD, _EXPIRED, _ERROR = "limit", "password", "expired", "error"


def _problem(answer: Response) -> Problem:
    """The HTTP status of a refusal, or what its message is about.

    AzireVPN's own script judges by ``status`` in the body alone, so a refusal may come with HTTP 200.
    """
    if answer.status in {401, 404, 409}:
        return answer.status
    try:
        verdict = decode_answer(answer.body, _Verdict, TITLE)
    except BadAnswerError:
        return None if answer.ok else answer.status
    if answer.ok and verdict.status == "success":
        return None
    about = (word for word in (_NO_ROOM, _PASSWORD, _EXPIRED) if word in verdict.message.lower())
    return next(about, _ERROR if answer.ok else answer.status)


ERRORS = Errors(
    {
        401: raises(
            WrongCredentialsError, "AzireVPN does not accept this gateway's token; sign in again", field="password"
        ),
        404: raises(KeyRevokedError, "AzireVPN no longer knows this gateway's device; sign in again"),
        409: raises(KeyInUseError, "This key is registered with AzireVPN already"),
        _NO_ROOM: raises(TooManyDevicesError, "This account has no room for another device", field="device"),
        _EXPIRED: raises(AccountExpiredError, "This AzireVPN account has expired; add time to it"),
    },
    _problem,
)

_NOT_ACCEPTED = raises(WrongCredentialsError, "AzireVPN does not accept this user name and password", field="password")

LOGIN_ERRORS = Errors(
    {
        **dict.fromkeys((400, 401, 403, 422, _PASSWORD, _ERROR), _NOT_ACCEPTED),
        _EXPIRED: ERRORS.by_problem[_EXPIRED],
    },
    _problem,
)


def data(answer: Response, kind: type[T]) -> T:
    """The ``data`` of an answer, or the whole one: some documented answers have no ``data``. Raises BadAnswerError."""
    frame = decode_answer(answer.body, dict[str, msgspec.Raw], TITLE)
    return decode_answer(bytes(frame["data"]) if "data" in frame else answer.body, kind, TITLE)
