"""gRPC over HTTP/2, for one call with one message each way (pure).

The source is doc/PROTOCOL-HTTP2.md of grpc/grpc: a message has a byte that says whether it is compressed, and its
length in four; the outcome is ``grpc-status`` in the trailers, or in the headers where there is no message.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from urllib.parse import unquote

from app.ephemeral_peer.errors import ExchangeError

CONTENT_TYPE = "application/grpc"
MAX_MESSAGE = 64 * 1024  # bytes; the relay's has about 1600

_PREFIX = struct.Struct(">?I")
_STATUS_NAMES = {
    "1": "cancelled",
    "2": "unknown error",
    "3": "invalid argument",
    "4": "deadline exceeded",
    "5": "not found",
    "7": "permission denied",
    "8": "resource exhausted",
    "12": "not implemented",
    "13": "internal error",
    "14": "unavailable",
    "16": "unauthenticated",
}
_MAX_SHOWN = 200  # characters of the relay's own words


def encode_frame(message: bytes) -> bytes:
    return _PREFIX.pack(False, len(message)) + message


def request_headers(authority: str, path: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", CONTENT_TYPE),
        ("user-agent", "vpn-gateway"),
    ]


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises ExchangeError unless ``headers`` begin an answer of gRPC that has not failed already."""
    status = headers.get(":status", "")
    if status != "200":
        raise ExchangeError(f"the relay answered HTTP {_shown(status)}")
    if not headers.get("content-type", "").startswith(CONTENT_TYPE):
        raise ExchangeError("the relay's answer is not gRPC")
    if "grpc-status" in headers:
        check_status(headers)


def check_status(trailers: Mapping[str, str]) -> None:
    """Raises ExchangeError unless ``trailers`` say that the call succeeded."""
    status = trailers.get("grpc-status")
    if status is None:
        raise ExchangeError("the relay's answer ended without a status")
    if status != "0":
        words = _shown(unquote(trailers.get("grpc-message", "")))
        name = _STATUS_NAMES.get(status, f"status {_shown(status)}")
        raise ExchangeError(f"the relay refused: {name}" + (f" ({words})" if words else ""))


def decode_frame(body: bytes) -> bytes:
    """The one message in ``body``. Raises ExchangeError."""
    if len(body) < _PREFIX.size:
        raise ExchangeError("the relay answered without a message")
    compressed, length = _PREFIX.unpack_from(body)
    if compressed:
        raise ExchangeError("the relay's answer is compressed, which was not offered")
    if len(body) != _PREFIX.size + length:
        raise ExchangeError("the relay's answer does not have the length that it states")
    return body[_PREFIX.size :]


def _shown(text: str) -> str:
    """The printable ASCII of ``text``, shortened: a stranger wrote it."""
    return "".join(c for c in text if " " <= c <= "~")[:_MAX_SHOWN]
