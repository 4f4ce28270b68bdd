"""Compressed answers: what they unfold to is bounded, and damaged ones are no answers."""

from __future__ import annotations

import gzip
import zlib

import pytest

from app.https.content import BadContentError, ContentTooLargeError, decode

TEXT = b'{"servers": []}' * 100


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " x-gzip "])
def test_gzip_is_inflated(encoding: str) -> None:
    assert decode(gzip.compress(TEXT), encoding, len(TEXT)) == TEXT


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_plain_content_stays(encoding: str) -> None:
    assert decode(TEXT, encoding, 1) == TEXT


def test_content_stops_at_the_limit() -> None:
    with pytest.raises(ContentTooLargeError):
        decode(gzip.compress(bytes(50_000_000)), "gzip", 100_000)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (gzip.compress(TEXT)[:-4], "gzip"),
        (gzip.compress(TEXT) + gzip.compress(TEXT), "gzip"),
        (zlib.compress(TEXT), "gzip"),
        (TEXT, "gzip"),
        (TEXT, "br"),
        (gzip.compress(TEXT), "gzip, gzip"),
    ],
    ids=["cut off", "two members", "zlib", "plain", "brotli", "twice"],
)
def test_other_content_is_refused(content: bytes, encoding: str) -> None:
    with pytest.raises(BadContentError):
        decode(content, encoding, 1_000_000)
