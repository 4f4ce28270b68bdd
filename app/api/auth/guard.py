"""The guard rejects requests that lack their operation's scope; the default is admin.

It has two steps, with the rate limit between them: the principal decides whose count a request is, and a refused
request is counted too.
"""

from __future__ import annotations

from typing import cast

from quart import Quart, current_app, request, websocket

from app.api import limits
from app.api.auth.credentials import COOKIE, Presented
from app.api.auth.principal import remember, require, require_owner
from app.api.auth.service import Auth
from app.api.operation import Operation
from app.auth.scope import Scope
from app.errors import UnauthorizedError

EXTENSION = "vpn_gateway_auth"
PUBLIC_BLUEPRINTS = frozenset({"assets"})  # the page itself: it holds no data, and people sign in with it


def auth() -> Auth:
    return cast("Auth", current_app.extensions[EXTENSION])


def needed_scope(endpoint: str | None, blueprint: str | None) -> Scope:
    if endpoint is None or blueprint in PUBLIC_BLUEPRINTS:
        return "public"  # no such route: the answer will be 404 or 405
    found = _operation(endpoint)
    return found.scope if found is not None else "admin"


def _operation(endpoint: str) -> Operation | None:
    return getattr(current_app.view_functions.get(endpoint), "operation", None)


def needs_owner(endpoint: str | None, blueprint: str | None) -> bool:
    """Whether the route is closed while no password is set; one without a declaration is."""
    if endpoint is None or blueprint in PUBLIC_BLUEPRINTS:
        return False
    found = _operation(endpoint)
    return found is None or found.needs_owner


def _identify(presented: Presented) -> None:
    try:
        found = auth().credentials.identify(presented)
    except UnauthorizedError as refusal:
        remember(None, refusal)
    else:
        remember(found, None)
        limits.remember_credentials(found.ident)


def identify_websocket() -> None:
    """Identify the client of the WebSocket again: its key may have been revoked since it was opened."""
    _identify(Presented(websocket.headers.get("Authorization"), websocket.cookies.get(COOKIE)))


def install_identification(app: Quart, made: Auth) -> None:
    app.extensions[EXTENSION] = made

    async def before_request() -> None:
        await made.credentials.refresh()
        _identify(Presented(request.headers.get("Authorization"), request.cookies.get(COOKIE)))

    async def before_websocket() -> None:
        await made.credentials.refresh()
        identify_websocket()

    app.before_request(before_request)
    app.before_websocket(before_websocket)


def install_authorisation(app: Quart) -> None:
    async def before_request() -> None:
        require(needed_scope(request.endpoint, request.blueprint))
        if needs_owner(request.endpoint, request.blueprint):
            require_owner()

    async def before_websocket() -> None:
        # A WebSocket may read; each message that does more is authorised separately.
        if websocket.endpoint is not None:
            require("read")

    app.before_request(before_request)
    app.before_websocket(before_websocket)
