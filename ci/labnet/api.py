"""A client of the gateway's API, on a port of 127.0.0.1."""

from __future__ import annotations

import http
import http.client
import json
import socket
import time
from typing import Any

from ci.labnet.waiting import LabError


class Api:
    """``lab.api("GET", "/api/status")`` is the JSON answer, errors included."""

    def __init__(self) -> None:
        self.port = 0
        self.headers: dict[str, str] = {}  # of every request
        self.listener: socket.socket | None = None  # the gateway's web process inherits it

    def listen(self, port: int = 0) -> None:
        """Bind the UI's port on this machine; 0 means any free one. Raises LabError."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            listener.close()
            raise LabError(
                f"port {port} of 127.0.0.1 is taken ({error.strerror}): choose another with --port"
            ) from None
        listener.listen(128)
        self.listener, self.port = listener, listener.getsockname()[1]

    def close(self) -> None:
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def __call__(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        return json.loads(self.request(method, path, body)[1])

    def request(self, method: str, path: str, body: Any = None, timeout: float = 40.0) -> tuple[int, bytes]:
        """Send a request and return status and body; waits and repeats after a 429."""
        while True:
            status, answer = self._request(method, path, body, timeout)
            if status != http.HTTPStatus.TOO_MANY_REQUESTS:
                return status, answer
            time.sleep(0.2)

    def _request(self, method: str, path: str, body: Any, timeout: float) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = self.headers | ({"Content-Type": "application/json"} if body is not None else {})
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()
