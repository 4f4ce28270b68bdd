"""The page and its files, read once at the start and served from memory: a request touches no file."""

from __future__ import annotations

import gzip
import hashlib
import logging
import mimetypes
import re
from pathlib import Path
from typing import cast

import aiofiles
from msgspec import Struct
from quart import Blueprint, Response, current_app, request
from werkzeug.exceptions import NotFound

from app.api import qr_code
from app.api.security import CONTENT_SECURITY_POLICY
from app.web import modules

blueprint = Blueprint("assets", __name__)

EXTENSION = "vpn_gateway_assets"
# Addresses of IPv6 cannot be named in a policy, so the page may connect anywhere. It runs this gateway's scripts alone.
PROOF_POLICY = CONTENT_SECURITY_POLICY.replace("connect-src 'self'", "connect-src 'self' http: https:")
STATIC = Path(__file__).parent / "static"
# Revalidated at each load, answered with 304: a page of one version never runs with a script of another.
CACHE_CONTROL = "no-cache"
TYPES = {".js": "text/javascript; charset=utf-8", ".webmanifest": "application/manifest+json"}
mimetypes.init()  # reads the system's tables: now, and not on the event loop


log = logging.getLogger(__name__)

# The addresses of the page's views: each answers with the page, whose router shows the view. Any other is not found.
VIEWS = (
    "/",
    "/devices",
    "/devices/<mac>",
    "/exits",
    "/exits/<name>",
    "/servers",
    "/servers/<exit_name>",
    "/protection",
    "/settings",
    "/settings/<section>",
    "/welcome",
    "/welcome/<step>",
)
PAGES = {"index.html": "main.js", "proof.html": "proof.js"}  # with the module that each begins with
IMPORTS = re.compile(rb'@import url\("([\w/]+\.css)"\);')  # of the style sheets beside it: they are sent as one
MODULES = b"<!--modules-->"  # in a page, for the links to the modules of its first view
LIBRARIES = "vendor/libraries.json"
SMALL = 512  # bytes: less is not worth the header of gzip


class Asset(Struct, frozen=True):
    content: bytes
    compressed: bytes | None  # where that is smaller
    content_type: str
    etag: str


async def _read(path: Path) -> bytes:
    async with aiofiles.open(path, "rb") as file:
        return await file.read()


def _asset(path: Path, content: bytes) -> Asset:
    content_type = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if content_type in {"text/html", "text/css"}:
        content_type += "; charset=utf-8"
    compressed = gzip.compress(content, mtime=0) if len(content) >= SMALL else content
    return Asset(
        content,
        compressed if len(compressed) < len(content) else None,
        content_type,
        hashlib.sha256(content).hexdigest()[:24],
    )


def _files() -> dict[str, Path]:
    """Every file that is served, by its name; declarations are for the type checker alone."""
    found = (path for path in sorted(STATIC.rglob("*")) if path.is_file() and not path.name.endswith(".d.ts"))
    return {path.relative_to(STATIC).as_posix(): path for path in found}


@blueprint.before_app_serving
async def load() -> None:
    """Read every file, before the first request."""
    files = _files()
    if LIBRARIES not in files:
        log.error("the page's libraries are missing, so that it stays empty; run ci/setup. The API works without them")
    contents = {name: await _read(path) for name, path in files.items()}
    for name in [name for name in contents if name.endswith(".css")]:
        beside = name.rpartition("/")[0]
        contents[name] = IMPORTS.sub(lambda found, at=beside: contents[f"{at}/{found[1].decode()}"], contents[name])
    sources = {name: content.decode() for name, content in contents.items() if name.endswith(".js")}
    for page, first in PAGES.items():
        if page in contents:
            links = modules.links(modules.needed(first, sources)).encode()
            contents[page] = contents[page].replace(MODULES, links)
    current_app.extensions[EXTENSION] = {name: _asset(path, contents[name]) for name, path in files.items()}


def _serve(name: str) -> Response:
    asset = cast("dict[str, Asset]", current_app.extensions[EXTENSION]).get(name)
    if asset is None:
        raise NotFound
    compressed = asset.compressed if request.accept_encodings["gzip"] > 0 else None
    etag = asset.etag if compressed is None else f"{asset.etag}-gzip"  # other bytes need another tag (RFC 9110 8.8.3)
    fresh = request.if_none_match.contains(etag)
    content = asset.content if compressed is None else compressed
    response = Response(b"" if fresh else content, 304 if fresh else 200, content_type=asset.content_type)
    response.headers["Cache-Control"] = CACHE_CONTROL
    if asset.compressed is not None:
        response.headers["Vary"] = "Accept-Encoding"
    if compressed is not None:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(etag)
    return response


async def view(**_: str) -> Response:
    """The page, at the address of any of its views."""
    return _serve("index.html")


for _address in VIEWS:
    blueprint.get(_address)(view)


@blueprint.get("/proof")
async def proof() -> Response:
    """The page whose probes go to addresses outside: the one page that may connect to others than the gateway."""
    response = _serve("proof.html")
    response.headers["Content-Security-Policy"] = PROOF_POLICY
    return response


@blueprint.get("/proof.svg")
async def proof_code() -> Response:
    """A QR code that leads another device to the proof, by the address at which the reader has this page."""
    response = Response(qr_code.svg(f"{request.host_url}proof"), content_type="image/svg+xml")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/static/<path:name>")
async def static(name: str) -> Response:
    return _serve(name)


@blueprint.get("/favicon.ico")
async def favicon() -> Response:
    return _serve("icon.svg")
