"""The page and its files, read once at the start and served from memory: a request touches no file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast

import aiofiles
from msgspec import Struct
from quart import Blueprint, Response, current_app, request
from werkzeug.exceptions import NotFound

from app.api.security import CONTENT_SECURITY_POLICY

blueprint = Blueprint("assets", __name__)

EXTENSION = "vpn_gateway_assets"
# Addresses of IPv6 cannot be named in a policy, so the page may connect anywhere. It runs this gateway's scripts alone.
PROOF_POLICY = CONTENT_SECURITY_POLICY.replace("connect-src 'self'", "connect-src 'self' http: https:")
STATIC = Path(__file__).parent / "static"
# Revalidated at each load, answered with 304: a page of one version never runs with a script of another.
CACHE_CONTROL = "no-cache"
# Of every kind of file there is: the system's table of all kinds is half a megabyte.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Asset(Struct, frozen=True):
    content: bytes
    content_type: str
    etag: str


async def _load(path: Path) -> Asset:
    async with aiofiles.open(path, "rb") as file:
        content = await file.read()
    return Asset(content, TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:24])


_PATHS = {p.relative_to(STATIC).as_posix(): p for p in sorted(STATIC.rglob("*")) if p.is_file()}


@blueprint.before_app_serving
async def load() -> None:
    """Read every file, before the first request."""
    current_app.extensions[EXTENSION] = {name: await _load(path) for name, path in _PATHS.items()}


def _serve(name: str) -> Response:
    asset = cast("dict[str, Asset]", current_app.extensions[EXTENSION]).get(name)
    if asset is None:
        raise NotFound
    fresh = request.if_none_match.contains(asset.etag)
    response = Response(b"" if fresh else asset.content, 304 if fresh else 200, content_type=asset.content_type)
    response.headers["Cache-Control"] = CACHE_CONTROL
    response.set_etag(asset.etag)
    return response


@blueprint.get("/")
async def index() -> Response:
    return _serve("index.html")


@blueprint.get("/proof")
async def proof() -> Response:
    """The page whose probes go to addresses outside: the one page that may connect to others than the gateway."""
    response = _serve("proof.html")
    response.headers["Content-Security-Policy"] = PROOF_POLICY
    return response


@blueprint.get("/static/<path:name>")
async def static(name: str) -> Response:
    return _serve(name)


@blueprint.get("/favicon.ico")
async def favicon() -> Response:
    return _serve("icon.svg")
