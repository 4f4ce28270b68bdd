"""The content of ``auth.json``. Only the signing key and the TOTP secret are sensitive; everything else is hashed."""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal

from msgspec import Struct, field

from app.auth.scope import Scope
from app.model import Secret

VERSION = 1
KEY_BYTES = 32


class Password(Struct, frozen=True):
    hash: Secret  # as argon2id writes it, with its parameters (PHC string format)
    changed: float  # Unix time, as all below


class Totp(Struct, frozen=True):
    """The second factor (RFC 6238)."""

    secret: Secret  # base32
    since: float
    used: tuple[int, ...] = ()  # the latest time steps whose code was taken; each is taken once
    recovery: tuple[str, ...] = ()  # SHA-256 of the codes not yet used


class Session(Struct, frozen=True):
    """A browser that signed in, or a family of tokens that began with one sign-in."""

    id: str
    kind: Literal["browser", "token"]
    scope: Scope
    created: float
    expires: float
    address: str
    agent: str
    cookie: str | None = None  # SHA-256 of a browser's
    generation: int = 0  # of the current refresh token; a client that presents an older one stole it
    last_used: float = 0.0


class Key(Struct, frozen=True):
    id: str
    name: str
    scope: Scope
    hash: str  # SHA-256 of the whole key: it is random, a slow hash would add nothing
    created: float
    expires: float | None = None
    last_used: float | None = None


class AuthState(Struct, frozen=True):
    signing_key: Secret  # hexadecimal
    version: int = VERSION
    password: Password | None = None
    totp: Totp | None = None
    sessions: tuple[Session, ...] = ()
    keys: tuple[Key, ...] = field(default=())


def fresh() -> AuthState:
    """The state of a new gateway: no password, and a new signing key."""
    return AuthState(new_signing_key())


def new_signing_key() -> Secret:
    return Secret(secrets.token_hex(KEY_BYTES))


def digest(text: str) -> str:
    """SHA-256, hexadecimal; for random strings only."""
    return hashlib.sha256(text.encode()).hexdigest()
