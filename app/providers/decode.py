"""The decoding of providers' answers (pure). Errors are BadAnswerError and never show a value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from app import serialization
from app.providers.errors import BadAnswerError

T = TypeVar("T")


def decode_answer(body: bytes, kind: type[T], title: str) -> T:
    """The JSON ``body`` as ``kind``. Raises BadAnswerError."""
    try:
        return serialization.decode(body, kind)
    except msgspec.ValidationError as error:
        raise BadAnswerError(f"{title} sent an unexpected answer: {error}") from None
    except (ValueError, RecursionError):
        raise BadAnswerError(f"{title} sent something that is not JSON") from None


def decode_list(data: bytes, kind: type[T], title: str) -> T:
    """The outer document of a server list as ``kind``. Raises BadAnswerError."""
    try:
        return serialization.decode(data, kind)
    except msgspec.ValidationError as error:
        raise BadAnswerError(
            f"{title}: the server list has an unexpected format: {error}", code="bad_server_list"
        ) from None
    except (ValueError, RecursionError):
        raise BadAnswerError(f"{title}: the server list is not JSON", code="bad_server_list") from None


def parse_timestamp(text: str | None, title: str) -> float:
    """An RFC 3339 date as Unix time; without a zone it is UTC. Raises BadAnswerError."""
    try:
        parsed = datetime.fromisoformat(text or "")
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadAnswerError(f"{title} sent an invalid date") from None
