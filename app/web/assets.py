"""The page and its files, read once at the start and served from memory: a request touches no file."""

from __future__ import annotations

import gzip
import hashlib
import logging
import re
from pathlib import Path
from typing import cast

from msgspec import Struct
from quart import Blueprint, Response, current_app, request
from werkzeug.exceptions import NotFound

from app.api import qr_code
from app.api.security import CONTENT_SECURITY_POLICY
from app.web.join import Joined, JoinError, join

blueprint = Blueprint("assets", __name__)

EXTENSION = "vpn_gateway_assets"
# Addresses of IPv6 cannot be named in a policy, so the page may connect anywhere. It runs this gateway's scripts alone.
PROOF_POLICY = CONTENT_SECURITY_POLICY.replace("connect-src 'self'", "connect-src 'self' http: https:")
STATIC = Path(__file__).parent / "static"
# An address with the hash of what it answers is never asked for twice. What has none is revalidated, answered with 304.
# So a page of one version never runs with a script of another.
FOREVER = "public, max-age=31536000, immutable"
REVALIDATED = "no-cache"
# Of every kind of file that a page asks for: the system's table of all kinds is half a megabyte.
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}


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
LOOKS = re.compile(rb"/static/([\w/]+\.(?:css|svg))")  # in pages and modules: style sheets, and the icons
SMALL = 512  # bytes: less is not worth the header of gzip
# Of gzip, in the time that it takes at the start: what pages ask for is made small; modules themselves, for a debugger.
EFFORT = {FOREVER: 6, REVALIDATED: 1}


class Asset(Struct, frozen=True):
    content: bytes
    compressed: bool  # by gzip, where that is smaller: it is kept in that form alone
    content_type: str
    etag: str
    cache_control: str


def _type(name: str) -> str:
    return TYPES.get(Path(name).suffix, "application/octet-stream")


def _asset(name: str, content: bytes, cache_control: str = REVALIDATED) -> Asset:
    packed = gzip.compress(content, EFFORT[cache_control], mtime=0) if len(content) >= SMALL else content
    compressed = len(packed) < len(content)
    return Asset(packed if compressed else content, compressed, _type(name), _hash(content), cache_control)


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]


def _contents() -> dict[str, bytes]:
    """What is in every file that is served, by its name; declarations are for the type checker alone."""
    found = (path for path in sorted(STATIC.rglob("*")) if path.is_file() and not path.name.endswith(".d.ts"))
    return {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in found}


@blueprint.before_app_serving
async def load() -> None:
    """Read every file, before the first request, and make of them what the pages ask for."""
    contents = _contents()  # not by threads: the loop has no other work yet
    for name in [name for name in contents if name.endswith(".css")]:
        beside = name.rpartition("/")[0]
        contents[name] = IMPORTS.sub(lambda found, at=beside: contents[f"{at}/{found[1].decode()}"], contents[name])
    hashed: dict[str, bytes] = {}

    def named(found: re.Match[bytes]) -> bytes:
        """The address of a style sheet or of the icons, with the hash of what is there."""
        name = found[1].decode()
        if name not in contents:
            return found[0]
        place = f"{_hash(contents[name])}/{name}"
        hashed[place] = contents[name]
        return f"/static/{place}".encode()

    shown = {name: LOOKS.sub(named, content) for name, content in contents.items() if name.endswith((".js", ".html"))}
    sources = {name: content.decode() for name, content in shown.items() if name.endswith(".js")}
    for page, first in PAGES.items():
        joined = _joined(first, sources)
        if joined and page in shown:
            hashed |= {name: content.encode() for name, content in joined.files.items()}
            contents[page] = shown[page].replace(f"/static/{first}".encode(), f"/static/{joined.first}".encode())
    current_app.extensions[EXTENSION] = {name: _asset(name, content) for name, content in contents.items()} | {
        name: _asset(name, content, FOREVER) for name, content in hashed.items()
    }


def _joined(first: str, sources: dict[str, str]) -> Joined | None:
    """The modules of a page as few files; None where they cannot be joined: it then loads each by itself."""
    try:
        return join(first, sources, "/static/")
    except JoinError as error:
        log.error("the page does not load as it should, the API works without it: %s; run ci/setup", error)
        return None


def _serve(name: str) -> Response:
    asset = cast("dict[str, Asset]", current_app.extensions[EXTENSION]).get(name)
    if asset is None:
        raise NotFound
    packed = asset.compressed and request.accept_encodings["gzip"] > 0
    etag = f"{asset.etag}-gzip" if packed else asset.etag  # other bytes need another tag (RFC 9110 8.8.3)
    fresh = request.if_none_match.contains(etag)
    content = gzip.decompress(asset.content) if asset.compressed and not packed and not fresh else asset.content
    response = Response(b"" if fresh else content, 304 if fresh else 200, content_type=asset.content_type)
    response.headers["Cache-Control"] = asset.cache_control
    if asset.compressed:
        response.headers["Vary"] = "Accept-Encoding"
    if packed:
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
