"""Identification of a request's principal by its bearer token, API key or session cookie."""

from __future__ import annotations

import hmac
import time

from msgspec import Struct

from app.api.auth import tokens
from app.api.auth.principal import Principal, challenge
from app.auth.state import AuthState, Key, Session, digest
from app.errors import UnauthorizedError

COOKIE = "vpn_gateway_session"
KEY_PREFIX = "vgw_"
MAX_HEADER = 4096  # characters; a longer Authorization header is refused


class Presented(Struct, frozen=True):
    authorization: str | None
    cookie: str | None

    def __repr__(self) -> str:
        return "Presented(***)"


def identify(state: AuthState, presented: Presented) -> Principal:
    """The principal that ``presented`` authenticates. Raises UnauthorizedError."""
    if presented.authorization is not None:
        return _bearer(state, presented.authorization)
    if presented.cookie:
        found = _browser(state, presented.cookie)
        if found is not None:
            return found
        raise UnauthorizedError("this session has ended; sign in again", challenge=challenge())
    raise UnauthorizedError("sign in first", challenge=challenge())


def _bearer(state: AuthState, header: str) -> Principal:
    scheme, _, credentials = header.partition(" ")
    token = credentials.strip()
    if scheme.lower() != "bearer" or not token or len(header) > MAX_HEADER:
        raise UnauthorizedError(
            "send Authorization: Bearer, with a token or an API key", code="invalid_token", challenge=challenge()
        )
    found = _key(state, token) if token.startswith(KEY_PREFIX) else _token(state, token)
    if found is None:
        raise UnauthorizedError(
            "this token or key is not valid, or has ended", code="invalid_token", challenge=challenge("invalid_token")
        )
    return found


def _key(state: AuthState, token: str) -> Principal | None:
    given = digest(token)
    key = next((k for k in state.keys if hmac.compare_digest(k.hash, given)), None)
    return None if key is None or expired(key) else Principal("key", key.scope, key.id, key.expires, key.name)


def _token(state: AuthState, token: str) -> Principal | None:
    claims = tokens.verify(state.signing_key, token, "access")
    if claims is None:
        return None
    session = session_of(state, claims.session)
    if session is None or session.kind != "token":
        return None
    return Principal("token", session.scope, session.id, min(claims.expires, session.expires))


def _browser(state: AuthState, cookie: str) -> Principal | None:
    given = digest(cookie)
    for session in state.sessions:
        if session.cookie is not None and hmac.compare_digest(session.cookie, given):
            return None if expired(session) else Principal("browser", session.scope, session.id, session.expires)
    return None


def session_of(state: AuthState, ident: str) -> Session | None:
    return next((s for s in state.sessions if s.id == ident and not expired(s)), None)


def expired(what: Session | Key) -> bool:
    return what.expires is not None and time.time() >= what.expires
