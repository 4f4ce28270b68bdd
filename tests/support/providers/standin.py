"""An HTTPS server in the shape of a provider's API: what all stand-ins share.

It speaks HTTP/1.1 through h11's server side over real TLS. Trouble can be switched on, from a test by the attributes or
from outside by ``POST /control`` with the same names as JSON (only where ``control`` is on, for the lab).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import hashlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import h11

from tests.support.providers.ca import Authority


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    groups: tuple[str, ...] = ()

    def json(self) -> Any:
        try:
            return json.loads(self.body)
        except ValueError:
            raise Answer(400, {"error": "not JSON"}) from None

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace")))

    @property
    def bearer(self) -> str | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token if scheme == "Bearer" else None


class Answer(Exception):  # noqa: N818 - an answer, raised or returned
    def __init__(self, status: int, body: Any = b"", headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.headers = headers or {}


Handler = Callable[[Request], Answer]

BLOCKED_HEADERS = {"content-type": "text/html; charset=UTF-8", "server": "cloudflare", "cf-mitigated": "challenge"}
COMPRESSED_FROM = 1000  # bytes


@dataclass
class StandIn:
    """Trouble: ``status`` answers everything with it; ``allowed`` is how many requests come before 429; ``hang`` never
    answers; ``raw`` is sent instead of HTTP; ``cut`` ends the connection after so many bytes of the answer; ``lose``
    counts down requests, and what the one at 0 asks for is done, but never answered; ``blocked`` are the host names at
    which a content delivery network refuses this client with a page. Answers are compressed where that is accepted."""

    control: bool = False
    status: int | None = None
    allowed: int | None = None
    retry_after: str = "30"
    hang: bool = False
    raw: bytes | None = None
    cut: int | None = None
    lose: int | None = None
    blocked: tuple[str, ...] = ()
    on_change: Callable[[], None] = lambda: None
    seen: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0
    _routes: list[tuple[str, re.Pattern[str], Handler]] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _serving: set[asyncio.Task[None]] = field(default_factory=set)

    names: tuple[str, ...] = ("standin.test",)
    hosts: tuple[str, ...] = ()  # further ones at which it is reached, with a certificate for its names

    def route(self, method: str, pattern: str, handler: Handler) -> None:
        self._routes.append((method, re.compile(pattern), handler))

    async def start(
        self, authority: Authority, host: str = "127.0.0.1", port: int = 0, *, sock: socket.socket | None = None
    ) -> None:
        context = authority.server_context(*self.names)
        where: dict[str, Any] = {"host": host, "port": port} if sock is None else {"sock": sock}
        self._server = await asyncio.start_server(self._serve, ssl=context, **where)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def peers(self) -> list[dict[str, Any]]:
        """Every registered key with its addresses: what the VPN servers would know."""
        return []

    def count(self, method: str, path: str) -> int:
        return sum((method, path) == (m, p.partition("?")[0]) for m, p in self.seen)

    # --- One connection, one request ---------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            async with asyncio.timeout(30):
                await self._one(reader, writer)
            writer.close()
            await writer.wait_closed()
        except (OSError, TimeoutError, h11.RemoteProtocolError, asyncio.CancelledError):
            writer.transport.abort()  # stop() cancels; a task of a stream server that ends cancelled is logged as a bug
        finally:
            self._serving.discard(task)

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER)
        head, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return
        assert head is not None
        if self.hang:
            await asyncio.Event().wait()
        if self.raw is not None:
            writer.write(self.raw)
            await writer.drain()
            return
        answer = self._answer(head, body)
        if self.lose is not None:
            self.lose -= 1
            if self.lose < 0:
                self.lose = None
                writer.transport.abort()
                return
        plain = "content-encoding" not in answer.headers and len(answer.body) >= COMPRESSED_FROM
        if plain and (b"accept-encoding", b"gzip") in head.headers:
            answer.body = gzip.compress(answer.body, 1)
            answer.headers = {**answer.headers, "content-encoding": "gzip"}
        headers = {"content-type": "application/json", "content-length": str(len(answer.body)), **answer.headers}
        if answer.status in {204, 304}:
            headers.pop("content-length")
            answer.body = b""
        out = connection.send(h11.Response(status_code=answer.status, headers=list(headers.items()))) or b""
        if answer.body:
            out += connection.send(h11.Data(data=answer.body)) or b""
        out += connection.send(h11.EndOfMessage()) or b""
        if self.cut is not None:
            writer.write(out[: self.cut])
            await writer.drain()
            writer.transport.abort()
            return
        writer.write(out)
        await writer.drain()

    def _answer(self, head: h11.Request, body: bytes) -> Answer:
        target = head.target.decode("ascii")
        parts = urlsplit(target)
        method = head.method.decode("ascii")
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in head.headers}
        request = Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
        if self.control and (method, parts.path) == ("POST", "/control"):
            return self._controlled(request.json())
        self.seen.append((method, target))
        if headers.get("host", "").partition(":")[0] in self.blocked:
            return Answer(403, b"<!DOCTYPE html><title>Just a moment...</title>", BLOCKED_HEADERS)
        if self.status is not None:
            return Answer(self.status, {})
        if self.allowed is not None:
            if self.allowed <= 0:
                return Answer(429, {}, {"retry-after": self.retry_after})
            self.allowed -= 1
        try:
            for wanted, pattern, handler in self._routes:
                found = pattern.fullmatch(parts.path)
                if found and wanted == method:
                    request.groups = found.groups()
                    return handler(request)
        except Answer as problem:
            return problem
        except (KeyError, TypeError):
            return Answer(400, {"error": "a field is missing"})
        return Answer(404, {"error": "no such path"})

    def _controlled(self, wishes: dict[str, Any]) -> Answer:
        for name, value in wishes.items():
            if name.startswith("_") or not hasattr(self, name) or callable(getattr(self, name)):
                return Answer(400, {"error": f"there is no {name}"})
            setattr(self, name, value)
        return Answer(200, {"seen": len(self.seen)})


def with_etag(request: Request, body: bytes, *, weak: bool = False) -> Answer:
    tag = f'{"W/" if weak else ""}"{hashlib.sha256(body).hexdigest()[:16]}"'
    if request.headers.get("if-none-match") == tag:
        return Answer(304, b"", {"etag": tag})
    return Answer(200, body, {"etag": tag})


def run(stand_in: StandIn, *, list_attribute: str) -> None:
    """Serve ``stand_in`` from the command line until it is stopped; prints ``ready`` when it listens.

    ``--list FILE`` replaces the server list (the provider's own shape); ``--on-change COMMAND`` is run with the
    registered peers as JSON on its standard input whenever they change: ``[{"public_key", "addresses"}]``.
    """
    parser = argparse.ArgumentParser(description=run.__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ca-dir", type=Path, required=True, help="where ca.pem is, or is made")
    parser.add_argument("--name", action="append", default=[], help="a further name or address for the certificate")
    parser.add_argument("--list", type=Path)
    parser.add_argument("--on-change")
    given = parser.parse_args()
    stand_in.control = True
    stand_in.names = (*stand_in.names, *given.name, given.host)
    if given.list is not None:
        setattr(stand_in, list_attribute, given.list.read_bytes())
    if given.on_change:

        def tell() -> None:
            subprocess.run(
                given.on_change, shell=True, input=json.dumps(stand_in.peers()).encode(), check=False, timeout=10
            )

        stand_in.on_change = tell

    async def serve() -> None:
        await stand_in.start(Authority(given.ca_dir), given.host, given.port)
        print(f"ready {stand_in.port}", flush=True)
        await asyncio.Event().wait()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
    sys.exit(0)
