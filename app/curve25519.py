"""X25519 (RFC 7748) by the OpenSSL that Python has loaded for its own hashes and TLS.

The package ``cryptography`` brings an OpenSSL of its own, 4 MB of netd's memory; it is used where Python's cannot be
reached.
"""

from __future__ import annotations

import _hashlib
import ctypes
import functools

BYTES = 32
_X25519 = 1034  # NID_X25519, obj_mac.h


class _OpenSSL:
    """The functions of libcrypto 1.1.1 and later (EVP_PKEY_new(3)). Raises AttributeError or OSError without them."""

    def __init__(self) -> None:
        loaded = ctypes.CDLL(_hashlib.__file__)  # its libraries' symbols are found as well (dlsym(3))
        self.new = loaded.EVP_PKEY_new_raw_private_key
        self.new.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)
        self.new.restype = ctypes.c_void_p
        self.public = loaded.EVP_PKEY_get_raw_public_key
        self.public.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t))
        self.free = loaded.EVP_PKEY_free
        self.free.argtypes = (ctypes.c_void_p,)
        self.free.restype = None


@functools.cache
def python_openssl() -> _OpenSSL | None:
    try:
        return _OpenSSL()
    except (AttributeError, OSError):
        return None


def public_bytes(private: bytes) -> bytes:
    """The public key that belongs to these 32 bytes."""
    if len(private) != BYTES:
        raise ValueError(f"a key has {BYTES} bytes")
    openssl = python_openssl()
    if openssl is None:
        return _by_package(private)
    key = openssl.new(_X25519, None, private, BYTES)
    if not key:
        return _by_package(private)  # an OpenSSL that may not use this curve
    try:
        public, size = ctypes.create_string_buffer(BYTES), ctypes.c_size_t(BYTES)
        if openssl.public(key, public, ctypes.byref(size)) != 1 or size.value != BYTES:
            return _by_package(private)
        return public.raw
    finally:
        openssl.free(key)


def _by_package(private: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
