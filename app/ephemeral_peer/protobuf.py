"""The part of Protocol Buffers' encoding that the exchange needs (pure). protobuf.dev/programming-guides/encoding."""

from __future__ import annotations

from collections.abc import Iterator

from app.ephemeral_peer.errors import ExchangeError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT = 10  # bytes


def encode_bytes(number: int, value: bytes) -> bytes:
    """Field ``number`` with ``value``: bytes, a string in UTF-8, or an encoded message."""
    return _encode_varint(number << 3 | _BYTES) + _encode_varint(len(value)) + value


def decode_bytes(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The (number, value) of each field of the type bytes, string or message; numbers are skipped.

    Raises ExchangeError where ``message`` is not well formed.
    """
    at = 0
    while at < len(message):
        key, at = _decode_varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            _, at = _decode_varint(message, at)
            continue
        if kind == _BYTES:
            size, at = _decode_varint(message, at)
        elif kind in _FIXED_SIZES:
            size = _FIXED_SIZES[kind]
        else:
            raise ExchangeError("the relay's answer is no protobuf message: an unknown type of field")
        if size > len(message) - at:
            raise ExchangeError("the relay's answer is no protobuf message: a field is cut off")
        if kind == _BYTES:
            yield number, message[at : at + size]
        at += size


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _decode_varint(message: bytes, at: int) -> tuple[int, int]:
    """The number at ``at``, and the place after it."""
    value = 0
    for index, byte in enumerate(message[at : at + _MAX_VARINT]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise ExchangeError("the relay's answer is no protobuf message: a number is cut off or too long")
