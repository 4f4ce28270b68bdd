"""Protection of browsers: against DNS rebinding, cross-site requests, framing, sniffing, caching.

The API is open to the LAN until a password is set, so the LAN's browsers are the way in for a web site. A rebinding
site must use a *name* of its own: addresses and the gateway's names are safe, any other ``Host`` is refused. A
cross-site request is recognised by ``Sec-Fetch-Site`` (Fetch Metadata) or, in older browsers, by ``Origin`` (RFC 6454).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

from quart import Quart, Response, request, websocket
from quart.typing import ResponseTypes
from werkzeug.datastructures import Headers

from app.errors import ForbiddenError, MalformedRequestError, UnsupportedMediaTypeError
from app.model import LanSettings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # RFC 9110 9.2.1; no operation changes anything by GET
DEFAULT_NAMES = frozenset({"localhost", "vpn-gateway", "vpn-gateway.lan", "vpn-gateway.local"})
MAX_PORT = 65535
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",  # the page reads QR codes
}


class AllowedHosts:
    """The names under which this gateway may be addressed; they follow its settings."""

    def __init__(self) -> None:
        self._names = DEFAULT_NAMES

    def follow(self, lan: LanSettings, more: Iterable[str]) -> None:
        """The names are from now on those of ``lan`` and ``more``, which people have given."""
        name, domain = lan.hostname.lower(), lan.domain.lower()
        given = {given.lower().removesuffix(".") for given in more}
        self._names = DEFAULT_NAMES | {name, f"{name}.{domain}", f"{name}.local"} | given

    def __contains__(self, host: object) -> bool:
        return isinstance(host, str) and (host in self._names or _is_address(host))


# A name, an IPv4 address or an IPv6 one in brackets, and nothing around it; the zone as in RFC 6874 or without escape.
_AUTHORITY = re.compile(
    r"(?:(?P<name>[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)\.?|\[(?P<ipv6>[0-9A-Fa-f:.]+)(?:%[A-Za-z0-9_.-]+)?\])"
    r"(?::(?P<port>[0-9]{0,5}))?",
    re.ASCII,
)
FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


def split_authority(authority: str) -> tuple[str, int | None]:
    """The host (lower case, no brackets, no zone, no final dot) and the port. Raises ValueError."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        raise ValueError("not an authority")
    port = int(found["port"]) if found["port"] else None
    if port is not None and port > MAX_PORT:
        raise ValueError("no port")
    return (found["name"] or found["ipv6"]).lower(), port


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_host(headers: Headers, allowed: AllowedHosts) -> None:
    """Check ``Host``. Raises ForbiddenError (not this gateway's name), MalformedRequestError (missing or malformed)."""
    authority = headers.get("Host", "")
    if not authority:
        raise MalformedRequestError("the Host header is missing")
    try:
        host, _ = split_authority(authority)
    except ValueError:
        raise MalformedRequestError("the Host header cannot be understood") from None
    if host not in allowed:
        raise ForbiddenError(
            "the gateway does not answer to this name: use its address or its own name, "
            "or add this name with `vpn-gateway host-names add`",
            code="host_not_allowed",
        )


def check_same_origin(headers: Headers) -> None:
    """Raise ForbiddenError for a cross-site request of a browser. Programs send neither header."""
    refusal = ForbiddenError("requests from other sites are refused", code="cross_site")
    if headers.get("Sec-Fetch-Site", "none").strip().lower() not in {"same-origin", "none"}:
        raise refusal
    for origin in headers.getlist("Origin"):
        if not _own_origin(origin, headers.get("Host", "")):
            raise refusal


def check_no_form(headers: Headers) -> None:
    """Raise UnsupportedMediaTypeError for the types that an HTML form of any site can send without asking first."""
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() in FORM_TYPES:
        raise UnsupportedMediaTypeError("what a form sends is not accepted: send Content-Type: application/json")


def _own_origin(origin: str, authority: str) -> bool:
    scheme, found, rest = origin.strip().partition("://")
    default = DEFAULT_PORTS.get(scheme.lower())
    if not found or default is None:  # "null", chrome-extension://...
        return False
    try:
        theirs, own = split_authority(rest), split_authority(authority)
    except ValueError:
        return False
    return (_canonical(theirs[0]), theirs[1] or default) == (_canonical(own[0]), own[1] or default)


def _canonical(host: str) -> str:
    """The canonical spelling of an IPv6 address: browsers shorten it in Origin, people may not in the URL."""
    try:
        return str(IPv6Address(host))
    except ValueError:
        return host


def install(app: Quart, allowed: AllowedHosts) -> None:
    async def before_request() -> None:
        check_host(request.headers, allowed)
        if request.method not in SAFE_METHODS:
            check_same_origin(request.headers)
            check_no_form(request.headers)

    async def before_websocket() -> None:
        check_host(websocket.headers, allowed)
        check_same_origin(websocket.headers)

    async def after_request(response: Response) -> Response:
        own = response.headers.get("Content-Security-Policy")  # of the one page that needs another
        _harden(response.headers, HEADERS.items())
        if own is not None:
            response.headers["Content-Security-Policy"] = own
        return response

    async def after_websocket(response: ResponseTypes | None) -> ResponseTypes | None:
        if response is not None:  # refused; an accepted one has no response
            _harden(response.headers, HEADERS.items())
        return response

    app.before_request(before_request)
    app.before_websocket(before_websocket)
    app.after_request(after_request)
    app.after_websocket(after_websocket)


def _harden(headers: Headers, extra: Iterable[tuple[str, str]]) -> None:
    for name, value in extra:
        headers[name] = value
    headers.setdefault("Cache-Control", "no-store")  # only static files say otherwise
