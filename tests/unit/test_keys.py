from __future__ import annotations

import base64
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from app import keys
from app.model import Secret


def wg(*arguments: str, text: str = "") -> str:
    return subprocess.run(["wg", *arguments], input=text, capture_output=True, text=True, check=True).stdout.strip()


def test_generated_pair_agrees_with_wg() -> None:
    pair = keys.generate()
    assert wg("pubkey", text=pair.private_key.reveal()) == pair.public_key
    assert keys.check_public_key(pair.public_key) == pair.public_key


def test_key_of_wg_is_accepted_with_the_same_public_key() -> None:
    private = wg("genkey")
    assert keys.public_key(Secret(private)) == wg("pubkey", text=private)


def test_generated_keys_are_clamped_and_differ() -> None:
    pairs = [keys.generate() for _ in range(20)]
    assert len({pair.public_key for pair in pairs}) == 20
    for pair in pairs:
        raw = keys.decode_key(pair.private_key.reveal())
        assert raw[0] & 7 == 0
        assert raw[31] & 0b1100_0000 == 0b0100_0000


def test_a_pair_does_not_show_its_private_key() -> None:
    pair = keys.generate()
    assert pair.private_key.reveal() not in repr(pair)


GOOD = "UBaWkwU5zlBHI/OZ7ZTkOzgcDw7mZqs8d9zmQXUE10M="


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has 0"),
        (GOOD[:-1], "has 43"),
        (GOOD + "=", "has 45"),
        (GOOD.replace("/", "_"), "URL-safe"),
        (GOOD[:20] + " " + GOOD[21:], "not base64"),
        (GOOD[:-1] + "A", "not base64"),
        ("é" + GOOD[1:], "not base64"),
        (GOOD[:-2] + "N=", "unused bits"),
        ("A" * 43 + "=", "zeros"),
        (GOOD[:-1] + "\n", "not base64"),
    ],
)
def test_invalid_key_is_refused(text: str, reason: str) -> None:
    with pytest.raises(keys.InvalidKeyError, match=reason) as refused:
        keys.decode_key(text)
    assert text[:20] not in str(refused.value) or not text


@pytest.mark.parametrize(
    "point",
    [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ],
)
def test_a_point_of_low_order_is_no_public_key(point: str) -> None:
    with pytest.raises(keys.InvalidKeyError, match="low order"):
        keys.check_public_key(base64.b64encode(bytes.fromhex(point)).decode())


P = 2**255 - 19  # RFC 7748: numbers from P on have a second, canonical form
ORDER_8 = (
    325606250916557431795983626356110631294008115727848805560023387167927233504,
    39382357235489614581723060781553021112529911719440698176882885853963445705823,
)


@pytest.mark.parametrize("number", [*range(20), *ORDER_8, *range(P - 3, 2**255)])
def test_point_of_low_order_is_refused_as_a_public_key(number: int) -> None:
    """The points of low order are looked up in a table: what the exchange itself says is compared, in every form."""
    for encoded in (number, number + 2**255):  # RFC 7748 section 5: the highest bit is ignored
        raw = encoded.to_bytes(32, "little")
        if not any(raw):
            continue  # refused as no key at all
        point = X25519PublicKey.from_public_bytes(raw)
        try:
            X25519PrivateKey.from_private_bytes(b"\x42" * 32).exchange(point)
        except ValueError:
            with pytest.raises(keys.InvalidKeyError, match="low order"):
                keys.check_public_key(base64.b64encode(raw).decode())
        else:
            assert keys.check_public_key(base64.b64encode(raw).decode())
