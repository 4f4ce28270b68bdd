"""Values in providers' answers (pure). What cannot be understood is a BadAnswerError, which shows no value of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from app import serialization
from app.providers.errors import BadAnswerError

T = TypeVar("T")


def decode_answer(body: bytes, kind: type[T], title: str) -> T:
    """``body``, JSON, as ``kind``. Raises BadAnswerError."""
    try:
        return serialization.decode(body, kind)
    except msgspec.ValidationError as error:
        raise BadAnswerError(f"{title} sent an answer of another shape: {error}") from None
    except (ValueError, RecursionError):
        raise BadAnswerError(f"{title} sent something that is not JSON") from None


def decode_list(data: bytes, kind: type[T], title: str) -> T:
    """The frame of a server list. Raises BadAnswerError."""
    try:
        return serialization.decode(data, kind)
    except msgspec.ValidationError as error:
        raise BadAnswerError(f"{title}: the server list has another shape: {error}", code="bad_server_list") from None
    except (ValueError, RecursionError):
        raise BadAnswerError(f"{title}: the server list is not JSON", code="bad_server_list") from None


def parse_timestamp(text: str | None, title: str) -> float:
    """A date of RFC 3339 as Unix time, in UTC where it names no zone. Raises BadAnswerError."""
    try:
        parsed = datetime.fromisoformat(text or "")
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise BadAnswerError(f"{title} sent an invalid date") from None
