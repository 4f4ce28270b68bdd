"""Curve25519 keys as WireGuard writes them: 32 bytes, base64 with one ``=`` (RFC 7748, RFC 4648 section 4)."""

from __future__ import annotations

import base64
import binascii
import re
import secrets

from msgspec import Struct

from app.curve25519 import public_bytes
from app.model import Secret

KEY_BYTES = 32
KEY_CHARACTERS = 44

_STANDARD_ALPHABET = re.compile(r"[A-Za-z0-9+/]{43}=")
_LAST = frozenset("AEIMQUYcgkosw048")  # the characters before "=" whose two unused bits are zero

# The points of low order with their non-canonical forms (RFC 7748 section 6.1): they give every private key the same
# secret. Looked up rather than computed, because a server list has thousands of keys.
_FIELD = 2**255 - 19
_LOW_ORDER = frozenset(
    n.to_bytes(32, "little")
    for base in (
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _FIELD - 1,
        _FIELD,
        _FIELD + 1,
    )
    for n in (base, base + 2**255)
    if n < 2**256
)


class InvalidKeyError(ValueError):
    """A string is not a usable key; the message says why and never contains any part of it."""


class KeyPair(Struct, frozen=True):
    private_key: Secret
    public_key: str


def decode_key(text: str) -> bytes:
    """The 32 bytes of ``text``; raises :class:`InvalidKeyError`.

    Stricter than wg(8): the unused low bits of the last character must be zero, so that equal keys are equal strings
    (peers are identified by their keys), and a key of zeros, which WireGuard reads as "no key", is refused.
    """
    if len(text) != KEY_CHARACTERS:
        raise InvalidKeyError(f"a key has {KEY_CHARACTERS} characters, this has {len(text)}")
    if "-" in text or "_" in text:
        raise InvalidKeyError("this is URL-safe base64; WireGuard keys use + and /")
    if not _STANDARD_ALPHABET.fullmatch(text):
        raise InvalidKeyError("not base64: a key is 43 characters of A-Z a-z 0-9 + / and then =")
    if text[-2] not in _LAST:
        raise InvalidKeyError("not base64 as an encoder writes it: the unused bits at its end are set")
    key = binascii.a2b_base64(text)
    if not any(key):
        raise InvalidKeyError("a key of zeros is not a key")
    return key


def check_public_key(text: str) -> str:
    """``text``, checked to be a public key usable for key agreement; raises :class:`InvalidKeyError`.

    The points of low order (RFC 7748 section 6.1) give every private key the same all-zero secret.
    """
    if decode_key(text) in _LOW_ORDER:
        raise InvalidKeyError("not a usable public key: a point of low order")
    return text


def public_key(private_key: Secret) -> str:
    """The public key that belongs to ``private_key``; raises :class:`InvalidKeyError`."""
    return base64.b64encode(public_bytes(decode_key(private_key.reveal()))).decode()


def generate() -> KeyPair:
    """A new pair from the system's random source, clamped as wg(8) does it."""
    scalar = bytearray(secrets.token_bytes(KEY_BYTES))
    scalar[0] &= 248
    scalar[31] = (scalar[31] & 127) | 64
    private = Secret(base64.b64encode(bytes(scalar)).decode())
    return KeyPair(private_key=private, public_key=public_key(private))
