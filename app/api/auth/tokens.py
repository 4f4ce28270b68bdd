"""JSON Web Tokens (RFC 7519): short-lived access tokens, and refresh tokens that renew them.

HS256 with the gateway's own random key is the only algorithm, as this process both signs and verifies. The two kinds
differ by audience. A token is valid only while its session is stored, so that ending the session revokes it at once.
The time of issue is not checked: a Pi's clock may have gone back since.
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
    """The claims of a valid token; None = forged, expired, of the other kind, or not a token."""
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
