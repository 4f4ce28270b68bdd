"""The messages of the exchange: their bytes, and answers of any form."""

from __future__ import annotations

import base64
import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM1024PublicKey
from hypothesis import given
from hypothesis import strategies as st

from app import keys
from app.ephemeral_peer.errors import ExchangeError
from app.ephemeral_peer.grpc import MAX_MESSAGE, check_headers, check_status, decode_frame, encode_frame
from app.ephemeral_peer.messages import decode_answer, encode_request
from app.ephemeral_peer.offer import Offer
from app.ephemeral_peer.protobuf import decode_bytes, encode_bytes


def test_request_has_the_bytes_that_protobuf_gives() -> None:
    """Written with Google's own library for the same message; the length of 300 needs two bytes."""
    made = encode_request(b"P" * 3, b"E" * 2, [("K", b"k" * 300)])
    parts = b"\x0a\x03PPP\x12\x02EE\x1a\xb5\x02\x0a\xb2\x02\x0a\x01K\x12\xac\x02"
    assert made == parts + b"k" * 300


def test_answer_gives_its_ciphertexts_in_order() -> None:
    assert decode_answer(b"\x0a\x06\x0a\x01a\x0a\x01b") == (b"a", b"b")


def test_answer_with_fields_of_later_versions_is_read() -> None:
    """A field that is not known is skipped, whatever its type (proto3)."""
    unknown = b"\x10\x96\x01" + b"\x19" + bytes(8) + b"\x25" + bytes(4) + b"\x32\x02\xff\xff"
    assert decode_answer(unknown + b"\x0a\x03\x0a\x01a" + unknown) == (b"a",)


@pytest.mark.parametrize(
    "message",
    [
        b"",  # an empty message: no post-quantum part
        b"\x12\x00",
        b"\x0a",  # no length
        b"\x0a\x05abc",  # cut off
        b"\x0a\xff",
        b"\x0a" + b"\xff" * 10,  # a number without an end
        b"\x0b",  # a group, which proto3 has not
        b"\x09\x00",
        b"\x0a\x02\x0a\x05",  # the inner message is cut off
    ],
)
def test_answer_that_is_damaged_is_refused(message: bytes) -> None:
    with pytest.raises(ExchangeError):
        decode_answer(message)


@given(st.binary(max_size=200))
def test_answer_of_any_bytes_is_read_or_refused(message: bytes) -> None:
    with contextlib.suppress(ExchangeError):
        decode_answer(message)


@given(st.lists(st.tuples(st.integers(1, 2**20), st.binary(max_size=400))))
def test_fields_come_back_as_encoded(fields: list[tuple[int, bytes]]) -> None:
    assert list(decode_bytes(b"".join(encode_bytes(n, v) for n, v in fields))) == fields


def test_frame_has_five_bytes_before_the_message() -> None:
    assert encode_frame(b"abc") == b"\x00\x00\x00\x00\x03abc"
    assert decode_frame(encode_frame(b"abc")) == b"abc"


@pytest.mark.parametrize("body", [b"", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x01a", b"\x00\x00\x00\x00\x02a"])
def test_frame_that_is_damaged_is_refused(body: bytes) -> None:
    with pytest.raises(ExchangeError):
        decode_frame(body)


def test_refusal_is_shown_in_words_without_control_characters() -> None:
    with pytest.raises(ExchangeError) as caught:
        check_status({"grpc-status": "7", "grpc-message": "not%20yours%1B[2J" + "x" * 1000})
    assert str(caught.value).startswith("the relay refused: permission denied (not yours[2J")
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {":status": "502", "content-type": "application/grpc"},
        {":status": "200"},
        {":status": "200", "content-type": "text/html"},
        {":status": "200", "content-type": "application/grpc", "grpc-status": "12"},
    ],
)
def test_headers_of_no_success_are_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ExchangeError):
        check_headers(headers)


# --- The keys --------------------------------------------------------------------------------------------------------


def answer(*ciphertexts: bytes) -> bytes:
    return encode_bytes(1, b"".join(encode_bytes(1, one) for one in ciphertexts))


def kem_key(request: bytes) -> bytes:
    offered = dict(decode_bytes(dict(decode_bytes(request))[3]))[1]
    fields = dict(decode_bytes(offered))
    assert fields[1] == b"ML-KEM-1024"
    return fields[2]


def test_secret_of_ml_kem_is_the_preshared_key() -> None:
    """As Mullvad's own tool has it for ML-KEM alone; every bit of the answer counts."""
    parent, offer = keys.generate(), Offer()
    request = offer.request(parent.public_key)
    fields = dict(decode_bytes(request))
    assert fields[1] == keys.decode_key(parent.public_key)
    assert fields[2] == keys.decode_key(keys.public_key(offer.private_key))
    secret, ciphertext = MLKEM1024PublicKey.from_public_bytes(kem_key(request)).encapsulate()
    assert base64.b64decode(offer.accept(answer(ciphertext)).reveal()) == secret
    changed = bytes([ciphertext[0] ^ 1]) + ciphertext[1:]
    assert base64.b64decode(offer.accept(answer(changed)).reveal()) != secret


def test_each_offer_has_new_keys() -> None:
    parent = keys.generate().public_key
    first, second = Offer(), Offer()
    assert first.private_key != second.private_key
    assert kem_key(first.request(parent)) != kem_key(second.request(parent))


@pytest.mark.parametrize("ciphertexts", [(), (bytes(1568), bytes(1568)), (bytes(1567),), (b"",), (bytes(1569),)])
def test_answer_with_another_number_or_length_is_refused(ciphertexts: tuple[bytes, ...]) -> None:
    with pytest.raises(ExchangeError, match="ciphertext"):
        Offer().accept(answer(*ciphertexts))


def test_limit_of_a_message_holds_the_longest_answer() -> None:
    assert len(answer(bytes(1568))) < MAX_MESSAGE // 10
