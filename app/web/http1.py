"""Hypercorn restricted to HTTP/1.1.

Hypercorn's own handler also lets a client go over to HTTP/2 in the clear (h2c, or by prior knowledge), where a
WebSocket that was not closed has crashed the server, and it inflates compressed WebSocket frames without a bound. The
LAN needs neither, so they are not offered.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import h11
import hypercorn.protocol
from hypercorn.config import Config
from hypercorn.events import Closed, Event
from hypercorn.protocol.h11 import H11Protocol

from app.api.limits import client_address
from app.web.connections import Connections

_BODY = b'{"success":false,"error":"the request could not be understood","code":"malformed_request"}\n'


def origin_form(target: bytes) -> bytes | None:
    """The path and query of a request target (RFC 9112 3.2); None where it has no path."""
    if target.startswith(b"/"):
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        return None
    if parts.scheme not in {b"http", b"https"} or not parts.netloc:
        return None
    return (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")


class Http1Config(Config):
    """Hypercorn's configuration, with the connections that count under it."""

    def __init__(self) -> None:
        super().__init__()
        self.connections = Connections()


class Http1Protocol(H11Protocol):
    config: Http1Config

    @property
    def idle(self) -> bool:
        return self.stream is None

    @property
    def counted(self) -> bool:
        return isinstance(self.connection, h11.Connection)  # else it is a WebSocket

    @property
    def _client(self) -> str:
        return client_address(self.client[0] if self.client else None)

    def end(self) -> None:
        self.task_group.spawn(self.send, Closed())

    async def initiate(self) -> None:
        if not self.config.connections.admit(self._client, self):
            await self.send(Closed())

    async def handle(self, event: Event) -> None:
        if isinstance(event, Closed):
            self.config.connections.left(self._client, self)
        await super().handle(event)

    async def _check_protocol(self, event: h11.Request) -> None:
        """Stay with HTTP/1.1: offer no upgrade."""

    async def _create_stream(self, request: h11.Request) -> None:
        target = origin_form(request.target)
        # An empty label in the name makes werkzeug's router raise UnicodeError, before any handler of errors.
        hosts = [value for name, value in request.headers.raw_items() if name.lower() == b"host"]
        if target is None or request.http_version not in {b"1.0", b"1.1"} or any(b".." in host for host in hosts):
            await self._send_error_response(400)
            await self.send(Closed())
            return
        headers = [(n, v) for n, v in request.headers.raw_items() if n.lower() != b"sec-websocket-extensions"]
        await super()._create_stream(
            h11.Request(method=request.method, target=target, headers=headers, http_version=request.http_version)
        )

    async def _send_error_response(self, status_code: int) -> None:
        await self._send_h11_event(
            h11.Response(
                status_code=status_code,
                headers=[
                    (b"content-type", b"application/json"),
                    (b"content-length", str(len(_BODY)).encode()),
                    (b"cache-control", b"no-store"),
                    (b"connection", b"close"),
                    *self.config.response_headers("h11"),
                ],
            )
        )
        await self._send_h11_event(h11.Data(data=_BODY))
        await self._send_h11_event(h11.EndOfMessage())


def install() -> None:
    """Make Hypercorn use :class:`Http1Protocol`: it has no setting for this, only a name to replace."""
    module: Any = hypercorn.protocol
    module.H11Protocol = Http1Protocol
