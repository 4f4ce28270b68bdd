"""The scope that a field needs, of who asks now: on a WebSocket that may have changed since it was opened."""

from __future__ import annotations

from quart import has_websocket_context

from app.api import auth
from app.api.auth.guard import identify_websocket
from app.auth.scope import Scope


def require(needed: Scope) -> None:
    """Raises UnauthorizedError, ForbiddenError."""
    if has_websocket_context():
        identify_websocket()
    auth.require(needed)
