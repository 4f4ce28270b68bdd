"""The age file format, version 1, for one passphrase, as ``age -p`` and ``age -d`` of age and rage use it.

Only the scrypt recipient, in binary (https://age-encryption.org/v1, RFC 7914, RFC 5869, RFC 8439). The format's own
libraries choose scrypt's work factor by the clock, up to 512 MiB of memory on a fast machine and next to nothing on
one that was busy. A gateway has neither the memory nor a clock to trust, so here the factor is fixed when writing and
limited, before any work is done, when reading.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC = b"age-encryption.org/v1\n"
WORK_FACTOR = 17  # log2 of N: 128 MiB for about a second on a Pi 4
MAX_WORK_FACTOR = 18  # age's own default: 256 MiB

_CHUNK = 64 * 1024
_TAG = 16
_FILE_KEY = 16
_HEADER = re.compile(
    rb"age-encryption\.org/v1\n"
    rb"-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)\n"
    rb"([A-Za-z0-9+/]{43})\n"
    rb"--- ([A-Za-z0-9+/]{43})\n"
)
_MAC_OFFSET = len(" ") + 43 + len("\n")  # the MAC covers the header up to and with the "---"


class AgeError(ValueError):
    """The file cannot be read: damaged, or of an unsupported kind."""


class WrongPassphraseError(AgeError):
    """The passphrase does not open this file."""


class WorkFactorError(AgeError):
    """Opening this file would take more memory than a gateway has."""


def encrypt(plaintext: bytes, passphrase: str, *, work_factor: int = WORK_FACTOR) -> bytes:
    """``plaintext`` as an age file. Takes 2**(work_factor + 10) bytes of memory; run it in a thread."""
    file_key, salt = secrets.token_bytes(_FILE_KEY), secrets.token_bytes(16)
    body = ChaCha20Poly1305(_wrap_key(passphrase, salt, work_factor)).encrypt(bytes(12), file_key, None)
    covered = MAGIC + b"-> scrypt %s %d\n%s\n---" % (_encode(salt), work_factor, _encode(body))
    nonce = os.urandom(16)
    stream = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
    chunks = [plaintext[i : i + _CHUNK] for i in range(0, len(plaintext), _CHUNK)] or [b""]
    sealed = [stream.encrypt(_nonce(n, last=n == len(chunks) - 1), chunk, None) for n, chunk in enumerate(chunks)]
    return b"".join((covered, b" ", _encode(_mac(file_key, covered)), b"\n", nonce, *sealed))


def decrypt(data: bytes, passphrase: str, *, max_work_factor: int = MAX_WORK_FACTOR) -> bytes:
    """The content of ``data``, authentic to the last byte. Run it in a thread.

    Raises WrongPassphraseError, WorkFactorError (before any work), AgeError (no age file for a passphrase, damaged or
    cut off).
    """
    header = _HEADER.match(data)
    if header is None:
        raise AgeError("not an age file for a passphrase, or its beginning is damaged")
    salt, body, mac = _decode(header[1]), _decode(header[3]), _decode(header[4])
    work_factor = int(header[2])
    if work_factor > max_work_factor:
        raise WorkFactorError(f"scrypt work factor {work_factor}, more than {max_work_factor}")
    try:
        file_key = ChaCha20Poly1305(_wrap_key(passphrase, salt, work_factor)).decrypt(bytes(12), body, None)
    except InvalidTag:
        raise WrongPassphraseError("the passphrase does not open this file") from None
    if not hmac.compare_digest(mac, _mac(file_key, data[: header.end() - _MAC_OFFSET])):
        raise AgeError("the header is damaged")
    return _payload(file_key, data[header.end() :])


def _payload(file_key: bytes, data: bytes) -> bytes:
    nonce, sealed = data[:16], data[16:]
    if len(nonce) < 16 or len(sealed) < _TAG:
        raise AgeError("the file is cut off")
    stream = ChaCha20Poly1305(_derive(file_key, nonce, b"payload"))
    size = _CHUNK + _TAG
    chunks = [sealed[i : i + size] for i in range(0, len(sealed), size)]
    if len(chunks) > 1 and len(chunks[-1]) <= _TAG:  # no correct writer makes an empty last chunk
        raise AgeError("the file is cut off")
    try:
        opened = [stream.decrypt(_nonce(n, last=n == len(chunks) - 1), chunk, None) for n, chunk in enumerate(chunks)]
    except InvalidTag:
        raise AgeError("the content is damaged or cut off") from None
    return b"".join(opened)


def _wrap_key(passphrase: str, salt: bytes, work_factor: int) -> bytes:
    n, r, p = 1 << work_factor, 8, 1
    memory = 128 * r * (n + p + 2)
    salt = b"age-encryption.org/v1/scrypt" + salt
    try:
        return hashlib.scrypt(passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=32)
    except (MemoryError, ValueError):  # OpenSSL reports failed allocations as ValueError
        raise WorkFactorError(f"scrypt work factor {work_factor}, more than the memory there is now") from None


def _derive(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(file_key)


def _mac(file_key: bytes, covered: bytes) -> bytes:
    return hmac.digest(_derive(file_key, b"", b"header"), covered, "sha256")


def _nonce(counter: int, *, last: bool) -> bytes:
    return counter.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


def _encode(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    """Canonical base64 without padding (RFC 4648, 3.5), as the format demands."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise AgeError("the header is damaged") from None
    if _encode(data) != text:
        raise AgeError("the header is damaged")
    return data
