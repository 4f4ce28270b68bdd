"""HTTPS to a provider's API, over connections that somebody else opens.

netd must mark each socket and open the firewall for exactly its destination, so the caller injects :class:`Outgoing`.
HTTP itself is h11, which the web server brings along: no further package, and a parser that keeps no connection pool,
cookie jar or thread. One request a connection, no redirects, no compression (so nothing can unfold), bounded in time
and size.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email.utils
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import h11
import msgspec
from msgspec import Struct, field

from app import codec
from app.addresses import Address
from app.model import Secret
from app.providers.errors import BadAnswerError, ProviderDownError, RateLimitedError

T = TypeVar("T")

ANSWER_LIMIT = 256 * 1024  # bytes of an answer that is not a list
LIST_LIMIT = 10 * 1024 * 1024
TIMEOUT = 20.0  # seconds for one exchange
LIST_TIMEOUT = 90.0
CONNECT_TIMEOUT = 6.0  # seconds for one address
LONGEST_PAUSE = 3600.0  # seconds; a longer Retry-After is cut to this
_CHUNK = 65536

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Destination(Struct, frozen=True):
    """``host`` is what the certificate must be for. ``addresses``, where given, spare the look-up of its name."""

    host: str
    port: int = 443
    addresses: tuple[Address, ...] = ()


class Outgoing(Protocol):
    """Opens connections for providers; netd's own does it with its marks and announces each to the firewall."""

    def open_connection(self, to: Destination, tls: ssl.SSLContext) -> AbstractAsyncContextManager[Streams]:
        """A TLS connection to ``to``; what was opened for it in the firewall is closed again at the end.

        Raises OSError (ssl.SSLError is one) or TimeoutError.
        """
        ...


class ApiConfig(Struct, frozen=True):
    """Where one API of a provider is. ``ca`` replaces the system's certificate authorities: a PEM file, or PEM text."""

    url: str
    addresses: tuple[Address, ...] = ()
    ca: str | None = None


class Response(Struct, frozen=True):
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes = field(default=b"")

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self, kind: type[T] | Any, who: str) -> Any:
        """The body as ``kind``. Raises BadAnswerError, in which no value of the answer is shown."""
        try:
            return codec.decode(self.body, kind)
        except msgspec.ValidationError as error:
            raise BadAnswerError(f"{who} sent an answer of another shape: {error}") from None
        except (ValueError, RecursionError):
            raise BadAnswerError(f"{who} sent something that is not JSON") from None


def tls_context(ca: str | Path | None = None) -> ssl.SSLContext:
    """Verifies host name and chain, TLS 1.2 or later; against ``ca`` alone where given, else the system's."""
    if ca is None:
        context = ssl.create_default_context()
    else:
        # Without the strict flag of newer Pythons: providers' own authorities are often older than RFC 5280's wishes.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        text = str(ca)
        context.load_verify_locations(**{"cadata" if text.startswith("-----BEGIN") else "cafile": text})
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


@contextlib.asynccontextmanager
async def dial(
    addresses: Sequence[Address], to: Destination, tls: ssl.SSLContext, *, mark: int | None = None
) -> AsyncGenerator[Streams, None]:
    """A TLS connection to the first of ``addresses`` that answers, its socket marked ``mark`` (SO_MARK, socket(7)).

    The part of :class:`Outgoing` that everyone shares. Raises OSError or TimeoutError, of the last address tried.
    """
    failure: Exception = OSError("it has no address")
    for address in addresses:
        sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
        try:
            if mark is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
            sock.setblocking(False)
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await asyncio.get_running_loop().sock_connect(sock, (str(address), to.port))
                reader, writer = await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=to.host)
        except (OSError, TimeoutError) as error:
            sock.close()
            failure = error
            continue
        except BaseException:
            sock.close()
            raise
        try:
            yield reader, writer
        finally:
            transport = writer.transport
            transport.abort()  # the exchange is over; nobody waits for a peer's close_notify
        return
    raise failure


class Api:
    """Requests to one base URL. Keeps quiet after the provider has asked for it (429, 503 with Retry-After)."""

    def __init__(self, outgoing: Outgoing, config: ApiConfig, who: str) -> None:
        parts = urlsplit(config.url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"{who}: the API's URL must begin with https://")
        self._outgoing = outgoing
        self._to = Destination(parts.hostname, parts.port or 443, config.addresses)
        self._base = parts.path.rstrip("/")
        self._ca = config.ca
        self._who = who
        self._quiet_until = 0.0

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        bearer: Secret | None = None,
        basic: tuple[str, Secret] | None = None,
        etag: str | None = None,
        limit: int = ANSWER_LIMIT,
        timeout: float = TIMEOUT,
    ) -> Response:
        """The answer, whatever its status below 500 but 429.

        Raises ProviderDownError (not reached, or an error of the server), RateLimitedError, BadAnswerError (too large,
        or not HTTP).
        """
        pause = self._quiet_until - time.monotonic()
        if pause > 0:
            raise self._limited(pause)
        body = b""
        headers = {"host": self._host, "user-agent": "vpn-gateway", "accept": "application/json", "connection": "close"}
        headers["accept-encoding"] = "identity"
        if json is not None:
            body, headers["content-type"] = codec.encode(json, secrets=True), "application/json"
        elif form is not None:
            body, headers["content-type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        if body or method in {"POST", "PUT"}:
            headers["content-length"] = str(len(body))
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer.reveal()}"
        elif basic is not None:
            pair = f"{basic[0]}:{basic[1].reveal()}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        if etag is not None:
            headers["if-none-match"] = etag
        target = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            request = h11.Request(method=method, target=target, headers=list(headers.items()))
        except h11.LocalProtocolError:
            # Such as a line end in a token. h11's message may quote it, so it goes no further.
            raise BadAnswerError(f"{self._who}: a request could not be written") from None
        response = await self._exchange(request, body, limit, timeout)
        return self._judged(response)

    @property
    def _host(self) -> str:
        host = f"[{self._to.host}]" if ":" in self._to.host else self._to.host
        return host if self._to.port == 443 else f"{host}:{self._to.port}"

    async def _exchange(self, request: h11.Request, body: bytes, limit: int, timeout: float) -> Response:
        try:
            async with asyncio.timeout(timeout):
                # In a thread: reading the system's authorities takes a Pi tens of milliseconds. Not kept, for memory.
                tls = await asyncio.to_thread(tls_context, self._ca)
                async with self._outgoing.open_connection(self._to, tls) as (reader, writer):
                    return await _converse(reader, writer, request, body, limit)
        except _TooLargeError:
            raise BadAnswerError(f"{self._who} sent more than {limit} bytes; it was not read further") from None
        except h11.RemoteProtocolError:
            raise BadAnswerError(f"{self._who} sent something that is not HTTP") from None
        except ssl.SSLCertVerificationError as error:
            raise ProviderDownError(
                f"{self._who}: the certificate of {self._to.host} is not to be trusted ({error.verify_message}); "
                "check this gateway's clock, and whether something on your network intercepts connections",
                code="provider_certificate",
            ) from None
        except TimeoutError:
            raise ProviderDownError(f"{self._who}: {self._to.host} did not answer in {timeout:.0f} s") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise ProviderDownError(f"{self._who}: {self._to.host} cannot be reached ({reason})") from None

    def _judged(self, response: Response) -> Response:
        retry_after = _retry_after(response.headers.get("retry-after"))
        if response.status == 429 or (response.status == 503 and retry_after is not None):
            pause = 60.0 if retry_after is None else retry_after
            self._quiet_until = time.monotonic() + pause
            raise self._limited(pause)
        if response.status >= 500:
            raise ProviderDownError(f"{self._who} has a problem of its own (HTTP {response.status}); try again later")
        return response

    def _limited(self, pause: float) -> RateLimitedError:
        return RateLimitedError(
            f"{self._who} asks to wait {pause:.0f} s before the next request", retry_after=round(pause, 1)
        )


class _TooLargeError(Exception):
    pass


async def _converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request, body: bytes, limit: int
) -> Response:
    connection = h11.Connection(h11.CLIENT)
    writer.write(connection.send(request) or b"")
    if body:
        writer.write(connection.send(h11.Data(data=body)) or b"")
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
                raise _TooLargeError
        elif isinstance(event, h11.Data):
            content += event.data
            if len(content) > limit:
                raise _TooLargeError
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            names = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            return Response(head.status_code, names, bytes(content))
        elif isinstance(event, h11.ConnectionClosed):
            raise ConnectionResetError(104, "the connection was closed")


def _retry_after(text: str | None) -> float | None:
    """Seconds (RFC 9110 10.2.3: a number or a date), within reason; None where there is nothing usable."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_PAUSE)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(moment.timestamp() - time.time(), 0.0), LONGEST_PAUSE)
