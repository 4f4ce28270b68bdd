"""The principal of a request, and the scope that it holds."""

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
    kind: Literal["open", "browser", "token", "key"]  # "open": no password is set, see ``require_owner``
    scope: Scope
    ident: str = ""  # of the session or key
    until: float | None = None  # Unix time at which the credentials expire
    name: str = ""  # that people gave the key


def remember(found: Principal | None, refusal: UnauthorizedError | None) -> None:
    """Keep the principal for the rest of the request, or the reason why there is none."""
    setattr(g, _PRINCIPAL, found)
    setattr(g, _REFUSAL, refusal)


def principal() -> Principal | None:
    """The principal of the current request; None without valid credentials."""
    return getattr(g, _PRINCIPAL, None)


def require(needed: Scope) -> Principal | None:
    """The principal, which holds the scope ``needed``; None = a public operation without credentials.

    Also for finer decisions than an operation's own scope, such as the fields of a GraphQL query. Raises
    UnauthorizedError (no valid credentials) or ForbiddenError (their scope is not enough).
    """
    found = principal()
    if needed == "public":
        return found
    if found is None:
        raise getattr(g, _REFUSAL, None) or UnauthorizedError("sign in first", challenge=challenge())
    if not includes(found.scope, needed):
        if found.kind == "open":
            raise ForbiddenError(
                "the gateway could not read its storage, and changes nothing until it can: check the SD card",
                code="storage_lost",
            )
        raise ForbiddenError(f"this needs the scope {needed!r}", code="insufficient_scope")
    return found


def require_owner() -> None:
    """Check that the gateway has an owner. Raises ForbiddenError while no admin password is set."""
    found = principal()
    if found is not None and found.kind == "open":
        raise ForbiddenError(
            "set an admin password first: until then everybody on this network could do this", code="set_password_first"
        )


def challenge(error: str | None = None) -> str:
    """The value of ``WWW-Authenticate`` (RFC 6750 3)."""
    return f'Bearer realm="{REALM}"' + (f', error="{error}"' if error else "")
