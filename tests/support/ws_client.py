"""A WebSocket client for tests: blocking, on a plain socket, with wsproto for the frames."""

from __future__ import annotations

import json
import socket
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)


class RefusedError(Exception):
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        super().__init__(status, body)
        self.status = status
        self.headers = headers
        self.body = json.loads(body) if body else None


class WebSocketClient:
    """Raises :class:`RefusedError` when the server does not accept."""

    def __init__(
        self,
        port: int,
        path: str = "/ws",
        headers: dict[str, str] | None = None,
        host: str = "localhost",
        subprotocols: list[str] | None = None,
        source: str = "127.0.0.1",  # the client's own address
    ) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=(source, 0))
        self._ws = WSConnection(ConnectionType.CLIENT)
        self.closed: CloseConnection | None = None
        extra = [(k.encode(), v.encode()) for k, v in (headers or {}).items()]
        self._sock.sendall(
            self._ws.send(Request(host=host, target=path, extra_headers=extra, subprotocols=subprotocols or []))
        )
        self._events: list[Any] = []
        status, answer_headers, body = 0, {}, b""
        while True:
            event = self._event()
            if isinstance(event, AcceptConnection):
                self.extensions = event.extensions
                return
            if isinstance(event, RejectConnection):
                status = event.status_code
                answer_headers = {k.decode().lower(): v.decode() for k, v in event.headers}
                if event.has_body:
                    continue
            elif isinstance(event, RejectData):
                body += bytes(event.data)
                if not event.body_finished:
                    continue
            self._sock.close()
            raise RefusedError(status, answer_headers, body)

    def __enter__(self) -> WebSocketClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def _event(self) -> Any:
        while not self._events:
            data = self._sock.recv(65536)
            self._ws.receive_data(data or None)
            self._events.extend(self._ws.events())
        return self._events.pop(0)

    def receive(self) -> dict[str, Any] | None:
        """The next message, or None once the server has closed."""
        text = ""
        while True:
            event = self._event()
            if isinstance(event, TextMessage):
                text += event.data
                if event.message_finished:
                    return json.loads(text)
            elif isinstance(event, Ping):
                self._sock.sendall(self._ws.send(event.response()))
            elif isinstance(event, CloseConnection):
                self.closed = event
                return None

    def send(self, text: str) -> None:
        self._sock.sendall(self._ws.send(TextMessage(text)))

    def close(self) -> None:
        self._sock.sendall(self._ws.send(CloseConnection(1000)))
        self.receive()
        self._sock.close()
