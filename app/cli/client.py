"""The HTTP client of the command line: JSON requests and answers, errors with messages for people."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from app import __version__

TIMEOUT = 90.0  # seconds; connecting waits for a handshake, restoring for a key to be derived
ANSWER_LIMIT = 32 * 1024 * 1024  # bytes
RATE_LIMIT_RETRIES = 5
MAX_RATE_LIMIT_WAIT = 5  # seconds; a longer wait is reported as an error

JSON = "application/json"
RATE_LIMITED = "rate_limited"  # the API's code


class CommandError(Exception):
    """A command failed; the message is for people, ``status`` is the process's exit status."""

    status = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UnreachableError(CommandError):
    status = 3


class SignInError(CommandError):
    status = 4


class ApiError(CommandError):
    """The gateway refused: ``http`` is the HTTP status, ``code`` and ``field`` are the API's."""

    def __init__(self, http_status: int, message: str, code: str = "", field: str | None = None) -> None:
        super().__init__(message)
        self.http, self.code, self.field = http_status, code, field


class RateLimitedError(ApiError):
    """The gateway did nothing, for there were too many requests; the next is taken in ``retry_after`` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(429, message, RATE_LIMITED)
        self.retry_after = retry_after


class Client:
    """A client of the gateway at ``url`` (http or https). After a 401, ``renew`` is called once for a new token.

    A request that the rate limit refuses is repeated when the gateway takes it again: commands in a script, or beside
    an open page, must not fail for being quick. Raises UnreachableError, SignInError and ApiError from every call;
    CommandError where ``url`` is not a URL.
    """

    def __init__(self, url: str, token: str | None = None, renew: Callable[[], str | None] | None = None) -> None:
        try:
            parts = urlsplit(url if "//" in url else f"http://{url}")
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise CommandError(f"{url!r} is not the address of a gateway; an example is http://192.168.77.1:5000")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._token = token
        self._renew = renew
        # No proxy from the environment: the gateway is on this LAN, and a proxy would see the token.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def get(self, path: str, **query: str | int | float | bool | None) -> Any:
        given = {k: _text(v) for k, v in query.items() if v is not None}
        return self.call("GET", f"{path}?{urlencode(given)}" if given else path)

    def post(self, path: str, body: Mapping[str, object] | None = None) -> Any:
        return self.call("POST", path, body)

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        return self._json(self.bytes(method, path, data))

    def upload(self, path: str, data: bytes, media_type: str) -> Any:
        """POST the raw ``data``; the answer is JSON."""
        return self._json(self.bytes("POST", path, data, media_type))

    def bytes(
        self, method: str, path: str, data: bytes | None = None, media_type: str = JSON, expected: str = JSON
    ) -> bytes:
        """The content of the answer, all of it and of the media type ``expected``."""
        try:
            return self._exchange(method, path, data, media_type, expected)
        except SignInError:
            fresh = self._renew() if self._renew is not None else None
            if fresh is None:
                raise
            self._token = fresh
            return self._exchange(method, path, data, media_type, expected)

    def _json(self, content: bytes) -> Any:
        try:
            answer = json.loads(content)
        except ValueError:
            raise self._unexpected("what is not JSON") from None
        if not isinstance(answer, dict):
            raise self._unexpected("another kind of JSON")
        return answer

    def _unexpected(self, what: str) -> CommandError:
        return CommandError(f"{self.url} answers with {what}; is it the gateway?")

    def _exchange(self, method: str, path: str, data: bytes | None, media_type: str, expected: str) -> bytes:
        for _ in range(RATE_LIMIT_RETRIES):
            try:
                return self._send(method, path, data, media_type, expected)
            except RateLimitedError as error:
                if error.retry_after > MAX_RATE_LIMIT_WAIT:
                    raise
                time.sleep(error.retry_after)
        return self._send(method, path, data, media_type, expected)

    def _send(self, method: str, path: str, data: bytes | None, media_type: str, expected: str) -> bytes:
        headers = {"Accept": f"{JSON}, */*;q=0.5", "User-Agent": f"vpn-gateway/{__version__}"}
        if data is not None:
            headers["Content-Type"] = media_type
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310 - http(s), see above
        try:
            with self._opener.open(request, timeout=TIMEOUT) as answer:
                found = answer.headers.get_content_type()
                if found != expected:
                    raise self._unexpected(f"{found} instead of {expected}")
                content = answer.read(ANSWER_LIMIT)
                if answer.length:  # cut off: read() with a limit does not report an early end
                    raise UnreachableError(f"{self.url} did not send its whole answer")
                return content
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read(64 * 1024), error.headers.get("Retry-After", "")) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise UnreachableError(f"{self.url} does not answer: {reason}") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A handler that does not follow redirects: the token must not leave the gateway."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _refusal(status: int, content: bytes, retry_after: str) -> CommandError:
    try:
        body = json.loads(content)
        message, code, field = body["error"], body.get("code", ""), body.get("field")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code, field = f"HTTP status {status}: is this the gateway?", "", None
    if status == 401:
        return SignInError(f"{message} (vpn-gateway login, or a key in VPN_GATEWAY_TOKEN)")
    if code == RATE_LIMITED and retry_after.isascii() and retry_after.isdigit():
        return RateLimitedError(message, int(retry_after))
    return ApiError(status, message, code, field)


def segment(text: str) -> str:
    """``text`` as one segment of a path."""
    return quote(text, safe="")
