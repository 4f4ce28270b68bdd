"""X25519 by Python's OpenSSL: the same keys as by the package, and the package where that OpenSSL cannot be reached."""

from __future__ import annotations

import ctypes
import secrets
import subprocess
import sys
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from app import curve25519
from app.curve25519 import public_bytes

# Bob's, of RFC 7748, 6.1
PRIVATE = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
PUBLIC = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")

ALONE = """
import base64, sys
from app import keys
from app.model import Secret
private = base64.b64encode(bytes.fromhex(sys.argv[1])).decode()
assert base64.b64decode(keys.public_key(Secret(private))).hex() == sys.argv[2]
assert keys.generate() != keys.generate()
assert "cryptography" not in sys.modules
"""


@pytest.fixture(autouse=True)
def library() -> Iterator[None]:
    """It is looked for once, and again after each test."""
    yield
    curve25519.python_openssl.cache_clear()


def by_package(private: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def test_the_public_key_is_that_of_the_standard_and_the_package() -> None:
    assert public_bytes(PRIVATE) == PUBLIC
    for private in (bytes(32), b"\xff" * 32, *(secrets.token_bytes(32) for _ in range(50))):
        assert public_bytes(private) == by_package(private)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        public_bytes(bytes(size))


def test_keys_are_made_without_the_package() -> None:
    command = [sys.executable, "-c", ALONE, PRIVATE.hex(), PUBLIC.hex()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("error", [OSError, AttributeError])
def test_the_package_does_it_where_pythons_openssl_is_hidden(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def refused(_: str) -> object:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", refused)
    curve25519.python_openssl.cache_clear()
    assert public_bytes(PRIVATE) == PUBLIC


@pytest.mark.parametrize("function", ["new", "public"])
def test_the_package_does_it_where_openssl_refuses(monkeypatch: pytest.MonkeyPatch, function: str) -> None:
    curve25519.python_openssl.cache_clear()

    def refuse(*_: object) -> None:
        """As where the curve is not allowed."""

    openssl = curve25519.python_openssl()
    assert openssl is not None
    monkeypatch.setattr(openssl, function, refuse)
    assert public_bytes(PRIVATE) == PUBLIC
