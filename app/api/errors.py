"""The form of every error, the gateway's or the framework's: ``{"success": false, "error": ...}``."""

from __future__ import annotations

import html
import logging
import math
import traceback
from http import HTTPStatus

import msgspec
from quart import Quart, Response, has_request_context, request
from werkzeug.exceptions import HTTPException

from app.api.operation import reply
from app.errors import GatewayError, UnauthorizedError

log = logging.getLogger(__name__)

CODES = {
    400: "malformed_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "too_large",
    415: "unsupported_media_type",
}
_MESSAGES = {
    400: "the request could not be understood",
    404: "there is nothing at this path",
    405: "this path does not support this method",
    408: "the request did not arrive in time",
    413: "the content is larger than the limit",
}
_HEADERS = {
    415: {"Accept": "application/json", "Accept-Encoding": "identity"},  # RFC 9110 15.5.16
    426: {"Upgrade": "websocket", "Connection": "Upgrade"},  # RFC 9110 15.5.22
    503: {"Retry-After": "2"},
}
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{status} {title} - VPN Gateway</title><link rel="stylesheet" href="/static/css/tokens.css">
<link rel="stylesheet" href="/static/css/dark.css" media="(prefers-color-scheme: dark)">
<link rel="stylesheet" href="/static/css/base.css">
<main class="error-page"><p class="status-code">{status}</p><h1>{title}</h1><p>{message}</p>
<p><a href="/">Back to the gateway</a></p></main>
"""


class ErrorBody(msgspec.Struct, frozen=True, omit_defaults=True):
    success: bool
    error: str
    code: str
    field: str | None = None


def error_body(error: GatewayError) -> ErrorBody:
    return ErrorBody(False, error.message, error.code, error.field)


def _answer(body: ErrorBody, status: int) -> Response:
    """The error as JSON, or as a page where a browser asked for a page that does not exist."""
    if has_request_context() and not request.path.startswith("/api"):
        accept = request.accept_mimetypes
        if accept["text/html"] > accept["application/json"]:
            message = html.escape(body.error[:1].upper() + body.error[1:])
            page = _PAGE.format(status=status, title=HTTPStatus(status).phrase, message=message)
            return Response(page, status, content_type="text/html; charset=utf-8")
    return reply(body, status)


async def _gateway_error(error: GatewayError) -> Response:
    if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("%s: %s", error.code, error.message)
    response = _answer(error_body(error), error.status)
    response.headers.update(_HEADERS.get(error.status, {}))
    if isinstance(error, UnauthorizedError):
        response.headers["WWW-Authenticate"] = error.challenge
    if error.code == "insufficient_scope":
        response.headers["WWW-Authenticate"] = f'Bearer error="{error.code}"'  # RFC 6750 3.1
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return response


async def _http_error(error: HTTPException) -> Response:
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
    phrase = HTTPStatus(status).phrase
    message = _MESSAGES.get(status) or phrase.lower()
    response = _answer(ErrorBody(False, message, CODES.get(status, phrase.lower().replace(" ", "_"))), status)
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after"}:
            response.headers[name] = value
    return response


async def _unexpected_error(error: Exception) -> Response:
    """The answer to a bug. The log gets type and traceback but not the message, which may quote a key."""
    place = "".join(traceback.format_tb(error.__traceback__))
    log.error("unexpected %s in the API\n%s", type(error).__qualname__, place)
    return _answer(ErrorBody(False, "internal error", "internal"), 500)


def install(app: Quart) -> None:
    app.register_error_handler(GatewayError, _gateway_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected_error)
