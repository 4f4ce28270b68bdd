"""One HTTP exchange over a connection: a request is written, its answer is read, and both have bounds.

The parser is h11, which the web server brings along: no further package, no connection pool, cookie jar or thread.
There are no redirects. A compressed answer is inflated up to the same limit (:mod:`app.https.content`).
"""

from __future__ import annotations

import asyncio
import ssl

import h11
from msgspec import Struct, field
from msgspec.structs import replace

from app.https import content as coding
from app.https.transport import Streams

_CHUNK = 65536


class Request(Struct, frozen=True):
    method: str
    target: str  # path and query
    headers: dict[str, str] = field(default_factory=dict)  # in the order in which they are sent
    body: bytes = b""


class Response(Struct, frozen=True):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes = field(default=b"")

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


class UnsendableRequestError(ValueError):
    """The request cannot be written, such as one with a line end in a header. Shows nothing of it."""


class AnswerTooLargeError(Exception):
    """The answer is larger than the caller's limit; it was not read further."""


class NotHttpError(Exception):
    """The answer is not HTTP, or its content is not coded as HTTP has it."""


def check_request(request: Request) -> None:
    """Raises UnsendableRequestError."""
    _head(request)


async def exchange(streams: Streams, request: Request, *, limit: int) -> Response:
    """The answer to ``request``, with a body of at most ``limit`` bytes, both as it is sent and as it is inflated.

    Raises UnsendableRequestError, AnswerTooLargeError, NotHttpError, OSError.
    """
    try:
        answer = await _exchange(*streams, request, limit)
        encoding = answer.headers.get("content-encoding", "")
        # In a thread: a list of some megabytes keeps a small board busy for tens of milliseconds.
        body = await asyncio.to_thread(coding.decode, answer.body, encoding, limit) if encoding else answer.body
        return replace(answer, body=body)
    except coding.ContentTooLargeError:
        raise AnswerTooLargeError from None
    except (h11.RemoteProtocolError, coding.BadContentError):
        raise NotHttpError from None


def _head(request: Request) -> h11.Request:
    try:
        return h11.Request(method=request.method, target=request.target, headers=list(request.headers.items()))
    except h11.LocalProtocolError:
        # h11's message may quote the value, which may be a token, so it goes no further.
        raise UnsendableRequestError from None


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request, limit: int
) -> Response:
    connection = h11.Connection(h11.CLIENT)
    writer.write(connection.send(_head(request)) or b"")
    if request.body:
        writer.write(connection.send(h11.Data(data=request.body)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    head: h11.Response | None = None
    heard = False
    content = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            try:
                data = await reader.read(_CHUNK)
                if not data and not heard:
                    raise ConnectionResetError(104, "the connection was closed")
                heard = True
                connection.receive_data(data)
            except ssl.SSLError:  # cut off without close_notify: an end, which h11 judges
                connection.receive_data(b"")
        elif isinstance(event, h11.Response):
            head = event
            if int(dict(event.headers).get(b"content-length", b"0")) > limit:
                raise AnswerTooLargeError
        elif isinstance(event, h11.Data):
            content += event.data
            if len(content) > limit:
                raise AnswerTooLargeError
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            names = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            return Response(head.status_code, names, bytes(content))
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError(104, "the connection was closed")
