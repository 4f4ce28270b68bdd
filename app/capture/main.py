"""``python -m app capture --socket PATH [--user NAME]`` serves netd's requests, one a connection, until it is killed.

The process is small on purpose: CAP_NET_RAW and this socket are all that it has, and only netd's user may use it. It
decides nothing: filters, frames and what to look for come with the request, within :mod:`app.capture.limits`.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import struct
import sys
import time
from typing import Any

from app.capture.job import BadRequestError, Job
from app.capture.limits import JOBS, REQUEST_BYTES
from app.capture.tap import Tap

_IDLE = 10.0  # seconds that a client may take for its request


class Client:
    """A connection of netd's, and its job once the request has come."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.received = b""
        self.job: Job | None = None
        self.deadline = time.monotonic() + _IDLE


class Server:
    def __init__(self, path: str, uids: frozenset[int]) -> None:
        self._uids = uids
        self._selector = selectors.DefaultSelector()
        self._clients: set[Client] = set()
        if os.path.exists(path):  # noqa: PTH110 - pathlib is a megabyte, a quarter of the process
            os.unlink(path)  # noqa: PTH108
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._listening.bind(path)
        os.chmod(path, 0o660)  # noqa: PTH101
        self._listening.listen(8)
        self._listening.setblocking(False)
        self._selector.register(self._listening, selectors.EVENT_READ, self._accept)

    def run(self) -> None:
        """Serve for ever."""
        while True:
            now = time.monotonic()
            due = min((client.deadline for client in self._clients), default=None)
            for key, _ in self._selector.select(None if due is None else max(0.0, due - now)):
                key.data()
            now = time.monotonic()
            for client in [client for client in self._clients if client.deadline <= now]:
                self._finish(client, client.job.report() if client.job is not None else None)

    def _accept(self) -> None:
        connection, _ = self._listening.accept()
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        if struct.unpack("3i", credentials)[1] not in self._uids or len(self._clients) >= JOBS:
            connection.close()
            return
        connection.setblocking(False)
        client = Client(connection)
        self._clients.add(client)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._receive(client))

    def _receive(self, client: Client) -> None:
        try:
            data = client.connection.recv(REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        client.received += data
        if not data or len(client.received) > REQUEST_BYTES or (client.job is not None):
            self._finish(client, None)  # gone, or it says more than it should
        elif client.received.endswith(b"\n"):
            self._begin(client)

    def _begin(self, client: Client) -> None:
        try:
            client.job = Job(client.received)
        except BadRequestError as error:
            self._finish(client, {"error": str(error)})
            return
        client.received = b""
        client.deadline = client.job.deadline
        for tap in client.job.taps:
            self._selector.register(tap.socket, selectors.EVENT_READ, lambda tap=tap: self._read(tap))

    def _read(self, tap: Tap) -> None:
        try:
            tap.read()
        except OSError:  # the interface went down or away: told at the end
            self._forget(tap.socket)

    def _forget(self, sock: socket.socket) -> None:
        try:
            self._selector.unregister(sock)
        except (KeyError, ValueError):
            pass  # it was forgotten already

    def _finish(self, client: Client, answer: dict[str, Any] | None) -> None:
        """Answer before the sockets are closed: the kernel takes its time for that."""
        self._clients.discard(client)
        self._forget(client.connection)
        if answer is not None:
            try:
                client.connection.setblocking(True)
                client.connection.settimeout(1.0)
                client.connection.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                pass
        client.connection.close()
        if client.job is not None:
            for tap in client.job.taps:
                self._forget(tap.socket)
            client.job.close()


def main(argv: list[str]) -> int:
    """Serve until killed; returns only the exit status of wrong usage."""
    options = dict(zip(argv[::2], argv[1::2], strict=False))
    if len(argv) % 2 or "--socket" not in options or options.keys() - {"--socket", "--user"}:
        print("usage: python -m app capture --socket PATH [--user NAME]", file=sys.stderr)
        return 2
    user = options.get("--user")
    uids = {0, os.getuid()} if user is None else {0, _uid(user)}
    os.umask(0o007)
    Server(options["--socket"], frozenset(uids)).run()
    return 0


def _uid(name: str) -> int:
    import pwd  # noqa: PLC0415 - needed once

    return pwd.getpwnam(name).pw_uid
