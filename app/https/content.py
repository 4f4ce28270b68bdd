"""The content of an answer without its compression, within the caller's limit (pure)."""

from __future__ import annotations

import zlib

ACCEPTED = "gzip"  # the value of Accept-Encoding

_GZIP = 16 + zlib.MAX_WBITS  # zlib's number for gzip's header and trailer (RFC 1952)


class BadContentError(Exception):
    """The content is compressed in another way than was accepted, damaged, or cut off."""


class ContentTooLargeError(Exception):
    """The content would be larger than the limit; it was not inflated further."""


def decode(content: bytes, encoding: str, limit: int) -> bytes:
    """``content`` as it was before ``Content-Encoding: encoding`` (RFC 9110 8.4), of at most ``limit`` bytes.

    Raises BadContentError, ContentTooLargeError. Whatever it was made to unfold to, memory is bounded by ``limit``.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"} or not content:
        return content
    if name not in {"gzip", "x-gzip"}:
        raise BadContentError
    unpacker = zlib.decompressobj(_GZIP)
    try:
        plain = unpacker.decompress(content, limit + 1)
    except zlib.error:
        raise BadContentError from None
    if len(plain) > limit:
        raise ContentTooLargeError
    if not unpacker.eof or unpacker.unused_data:  # a second member could cost without end, and no server sends one
        raise BadContentError
    return plain
