"""The scope check of a field, with the client's present scope: on a WebSocket it may have changed since the start."""

from __future__ import annotations

from quart import has_websocket_context

from app.api import auth
from app.api.auth.guard import identify_websocket
from app.auth.scope import Scope


def require(needed: Scope, *, needs_owner: bool = False) -> None:
    """Check that the client holds the scope ``needed``, and with ``needs_owner`` that a password is set.

    Raises UnauthorizedError, ForbiddenError.
    """
    if has_websocket_context():
        identify_websocket()
    auth.require(needed)
    if needs_owner:
        auth.require_owner()
