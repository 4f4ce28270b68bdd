"""Who is asking, and what they may do."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from quart import g

from app.auth.scope import Scope, includes
from app.errors import ForbiddenError, UnauthorizedError

REALM = "vpn-gateway"
_PRINCIPAL = "auth_principal"
_REFUSAL = "auth_refusal"


class Principal(Struct, frozen=True):
    kind: Literal["open", "browser", "token", "key"]  # "open": no password is set, everybody on the LAN is trusted
    scope: Scope
    ident: str = ""  # of the session or key
    until: float | None = None  # Unix time from which what was shown is good no more


def remember(found: Principal | None, refusal: UnauthorizedError | None) -> None:
    """Keep who asks for the rest of the request, or why that is not known."""
    setattr(g, _PRINCIPAL, found)
    setattr(g, _REFUSAL, refusal)


def principal() -> Principal | None:
    """Who makes the request at hand; None without valid credentials."""
    return getattr(g, _PRINCIPAL, None)


def require(needed: Scope) -> Principal | None:
    """Raises UnauthorizedError (no valid credentials) or ForbiddenError (their scope is not enough).

    For what is decided by more than the operation's own scope, such as the fields of a GraphQL query.
    """
    found = principal()
    if needed == "public":
        return found
    if found is None:
        raise getattr(g, _REFUSAL, None) or UnauthorizedError("sign in first", challenge=challenge())
    if not includes(found.scope, needed):
        raise ForbiddenError(f"this needs the scope {needed!r}", code="insufficient_scope")
    return found


def challenge(error: str | None = None) -> str:
    """The value of ``WWW-Authenticate`` (RFC 6750 3)."""
    return f'Bearer realm="{REALM}"' + (f', error="{error}"' if error else "")
