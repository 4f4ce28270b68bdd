"""The API's description: OpenAPI 3.1 for programs, and a self-contained page for people."""

from __future__ import annotations

from quart import Blueprint, current_app

from app.api.auth.guard import auth
from app.api.openapi import document
from app.api.operation import Download, operation

blueprint = Blueprint("description", __name__)

_CACHE = "vpn_gateway_openapi"
_PAGE = b"""<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>API - VPN Gateway</title>
  <link rel="icon" href="/static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/static/css/tokens.css">
  <link rel="stylesheet" href="/static/css/dark.css" media="(prefers-color-scheme: dark)">
  <link rel="stylesheet" href="/static/css/base.css">
  <link rel="stylesheet" href="/static/css/docs.css">
  <script type="module" src="/static/docs/docs.js"></script>
</head>
<body>
  <main id="page" aria-busy="true"><p>Loading the description...</p><noscript><p>This page needs JavaScript; the
  description itself is at <a href="/api/openapi.json">/api/openapi.json</a>.</p></noscript></main>
</body>
</html>
"""


@operation(blueprint, "GET", "/api/openapi.json")
async def openapi() -> Download:
    """Describe the API as OpenAPI 3.1."""
    known: dict[bool, bytes] = current_app.extensions.setdefault(_CACHE, {})
    needed = auth().credentials.closed
    if needed not in known:
        known[needed] = document(current_app, password_set=needed)
    return Download(known[needed])


@operation(blueprint, "GET", "/api/docs", scope="public", produces="text/html; charset=utf-8")
async def docs() -> Download:
    """Describe the API as a page.

    The page loads `/api/openapi.json`, which may need a sign-in.
    """
    return Download(_PAGE)
