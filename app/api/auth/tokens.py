"""JSON Web Tokens (RFC 7519): short-lived ones for access, and the one that renews them.

HS256 with the gateway's own random key, and no other algorithm: who makes them is who checks them. The two kinds differ
by audience. A token is good only while its session is kept, so taking that away revokes them at once, for good.
The time of issue is not judged: a Pi's clock may have gone back since.
"""

from __future__ import annotations

import secrets
import time
from typing import Any, Literal

from msgspec import Struct

from app.auth.state import Session
from app.model import Secret

ACCESS, REFRESH = 15 * 60, 30 * 24 * 3600  # seconds
ISSUER = "vpn-gateway"
ALGORITHM = "HS256"
MAX_TOKEN = 2048  # characters

Audience = Literal["access", "refresh"]


class Claims(Struct, frozen=True):
    session: str
    generation: int
    scope: str
    expires: float  # Unix time


def issue(key: Secret, session: Session, audience: Audience, lifetime: float) -> str:
    import jwt  # noqa: PLC0415 - 6 MB that a gateway without tokens does without

    now = time.time()
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": audience,
        "sub": "admin",
        "sid": session.id,
        "gen": session.generation,
        "scope": session.scope,
        "iat": int(now),
        "exp": int(now + lifetime),
        "jti": secrets.token_hex(8),
    }
    return jwt.encode(claims, _bytes(key), algorithm=ALGORITHM)


def verify(key: Secret, token: str, audience: Audience) -> Claims | None:
    """What a token says, or None: forged, expired, of the other kind, or no token at all."""
    import jwt  # noqa: PLC0415

    if len(token) > MAX_TOKEN:
        return None
    try:
        claims = jwt.decode(
            token,
            _bytes(key),
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=ISSUER,
            options={"require": ["exp", "iat", "aud", "iss", "sid", "gen", "scope"], "verify_iat": False},
        )
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    match claims:
        case {"sid": str(session), "gen": int(generation), "scope": str(scope), "exp": int(expires)}:
            return Claims(session, generation, scope, expires)
        case _:
            return None


def _bytes(key: Secret) -> bytes:
    return bytes.fromhex(key.reveal())
