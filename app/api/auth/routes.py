"""The admin password, sign-in and sessions: ``/api/auth``."""

from __future__ import annotations

from quart import Blueprint, Response, after_this_request

from app.api.auth import tokens
from app.api.auth.body import Login, Refresh, SessionBody, SessionsBody, SetPassword, Tokens, WhoBody
from app.api.auth.caller import caller
from app.api.auth.credential_store import OPEN
from app.api.auth.credentials import COOKIE
from app.api.auth.guard import auth
from app.api.auth.principal import principal
from app.api.auth.sessions import SESSION_LIFETIME, OpenedSession
from app.api.operation import Success, operation
from app.errors import ConflictError

blueprint = Blueprint("auth", __name__)


def _give_cookie(opened: OpenedSession) -> None:
    """Set the session cookie, which no script can read and no cross-site request carries.

    The cookie is not ``Secure``: such a cookie is neither kept nor sent over plain HTTP, and a gateway that is found by
    its address on the LAN has no certificate that a browser would trust.
    """

    def give(response: Response | None) -> Response | None:
        if response is not None and opened.cookie is not None:
            response.set_cookie(
                COOKIE, opened.cookie, max_age=int(SESSION_LIFETIME), path="/", httponly=True, samesite="Strict"
            )
        return response

    after_this_request(give)  # pyright: ignore[reportArgumentType]


def _take_cookie() -> None:
    def take(response: Response | None) -> Response | None:
        if response is not None:
            response.delete_cookie(COOKIE, path="/", httponly=True, samesite="Strict")
        return response

    after_this_request(take)  # pyright: ignore[reportArgumentType]


def _tokens(opened: OpenedSession) -> Tokens:
    if opened.refresh is None:
        return Tokens(True)
    return Tokens(
        True,
        access_token=auth().sessions.access_token(opened.session),
        token_type="Bearer",  # noqa: S106 - RFC 6750
        expires_in=tokens.ACCESS,
        refresh_token=opened.refresh,
        scope=opened.session.scope,
    )


@operation(blueprint, "GET", "/api/auth/session", scope="public")
async def who() -> WhoBody:
    """Get whether a sign-in is needed, and the present session."""
    found = principal()
    known = auth()
    return WhoBody(
        available=known.credentials.available,
        password_set=known.credentials.closed,
        second_factor=known.second_factor.enabled,
        authenticated=found is not None,
        kind=found.kind if found else None,
        scope=found.scope if found else None,
        first_password_seconds=None if known.credentials.closed else known.window.seconds_left,
    )


@operation(blueprint, "POST", "/api/auth/password", limit="connection", needs_owner=False)
async def set_password(body: SetPassword) -> Success:
    """Set the admin password, or change it.

    The first one can be set for 15 minutes from the machine's start. From then on every client has to sign in. Every
    other session ends; API keys stay valid. The client that sets the first password gets a session cookie.
    """
    opened = await auth().sign_in.set_password(body.password, body.current, body.code, principal() or OPEN, caller())
    if opened is not None:
        _give_cookie(opened)
    return Success(True)


@operation(
    blueprint, "POST", "/api/auth/login", scope="public", limit="connection", errors=(401, 409), needs_owner=False
)
async def login(body: Login) -> Tokens:
    """Sign in, for tokens or for a session cookie.

    A wrong password and a wrong code get the same answer. After five failures each attempt has to wait longer.
    """
    cookie = body.mode == "cookie"
    opened = await auth().sign_in.sign_in(
        body.password, body.code, "browser" if cookie else "token", "admin" if cookie else body.scope, caller()
    )
    if cookie:
        _give_cookie(opened)
    return _tokens(opened)


@operation(blueprint, "POST", "/api/auth/refresh", scope="public", errors=(401, 409), needs_owner=False)
async def refresh(body: Refresh) -> Tokens:
    """Renew the tokens. Each refresh token is valid once; a second use ends its session."""
    return _tokens(await auth().sessions.refresh(body.refresh_token))


@operation(blueprint, "POST", "/api/auth/logout", scope="read", errors=(409,), needs_owner=False)
async def logout() -> Success:
    """End the present session, with all its tokens."""
    found = principal() or OPEN
    if found.kind == "key":
        raise ConflictError("this is an API key: revoke it instead", code="not_a_session")
    if found.kind != "open":
        await auth().sessions.end(found.ident)
    _take_cookie()
    return Success(True)


@operation(blueprint, "GET", "/api/auth/sessions", scope="admin", errors=(409,))
async def list_sessions() -> SessionsBody:
    """List the sessions and the addresses they were opened from."""
    mine = (principal() or OPEN).ident
    return SessionsBody(
        tuple(
            SessionBody(s.id, s.kind, s.scope, s.created, s.last_used, s.expires, s.address, s.agent, s.id == mine)
            for s in sorted(auth().sessions.list(), key=lambda s: -s.last_used)
        )
    )


@operation(blueprint, "DELETE", "/api/auth/sessions/<id>")
async def end_session(id: str) -> Success:  # noqa: A002 - the name of the path's parameter
    """End a session, by its id."""
    await auth().sessions.end(id)
    return Success(True)
