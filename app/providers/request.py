"""The HTTP request to a provider's API: headers and body (pure)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import TypedDict
from urllib.parse import urlencode

from app import serialization
from app.https.content import ACCEPTED
from app.https.exchange import Request
from app.https.headers import host_header
from app.https.transport import Destination
from app.model import Secret


class Content(TypedDict, total=False):
    """The content of a request: at most one of ``json`` and ``form``, and one of ``bearer``, ``basic`` and ``key``.

    ``scheme`` is the name of a token's scheme where it is not Bearer; ``key`` is a header of the API's own with its
    value; ``accept`` is the type of answer where it is not JSON.
    """

    query: Mapping[str, str] | None
    json: object
    form: Mapping[str, str] | None
    bearer: Secret | None
    scheme: str
    basic: tuple[str, Secret] | None
    key: tuple[str, Secret] | None
    accept: str


def write_request(
    to: Destination,
    method: str,
    path: str,
    *,
    query: Mapping[str, str] | None = None,
    json: object = None,
    form: Mapping[str, str] | None = None,
    bearer: Secret | None = None,
    scheme: str = "Bearer",
    basic: tuple[str, Secret] | None = None,
    key: tuple[str, Secret] | None = None,
    accept: str = "application/json",
    etag: str | None = None,
) -> Request:
    body = b""
    headers = {
        "host": host_header(to),
        "user-agent": "vpn-gateway",
        "accept": accept,
        "connection": "close",
        "accept-encoding": ACCEPTED,
    }
    if json is not None:
        body, headers["content-type"] = serialization.encode(json, secrets=True), "application/json"
    elif form is not None:
        body, headers["content-type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
    if body or method in {"POST", "PUT"}:
        headers["content-length"] = str(len(body))
    if bearer is not None:
        headers["authorization"] = f"{scheme} {bearer.reveal()}"
    elif basic is not None:
        pair = f"{basic[0]}:{basic[1].reveal()}"
        headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    elif key is not None:
        headers[key[0]] = key[1].reveal()
    if etag is not None:
        headers["if-none-match"] = etag
    target = path + (f"?{urlencode(query)}" if query else "")
    return Request(method, target, headers, body)
