"""The connection below an exchange: who opens it, its TLS, and the mark of its socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from app.addresses import Address

CONNECT_TIMEOUT = 6.0  # seconds for one address

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Destination(Struct, frozen=True):
    """``host`` is what the certificate must be for, unless ``certificate`` names another.

    ``addresses``, where given, spare the look-up of its name.
    """

    host: str
    port: int = 443
    addresses: tuple[Address, ...] = ()
    certificate: str | None = None


class Transport(Protocol):
    """Opens connections; netd's own does it with its marks and announces each to the firewall."""

    def open_connection(self, to: Destination, tls: ssl.SSLContext) -> AbstractAsyncContextManager[Streams]:
        """A TLS connection to ``to``; what was opened for it in the firewall is closed again at the end.

        Raises OSError (ssl.SSLError is one) or TimeoutError.
        """
        ...


def tls_context(ca: str | Path | None = None) -> ssl.SSLContext:
    """A context that verifies host name and chain, with TLS 1.2 or later.

    ``ca``, a PEM file or PEM text, replaces the system's certificate authorities.
    """
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
    addresses: Sequence[Address], to: Destination, tls: ssl.SSLContext | None, *, mark: int | None = None
) -> AsyncGenerator[Streams, None]:
    """A connection to the first of ``addresses`` that answers, its socket marked ``mark`` (SO_MARK, socket(7)).

    The part of every :class:`Transport`. Without ``tls`` it is plain TCP. Raises OSError or TimeoutError, of the last
    address tried.
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
                server_hostname = (to.certificate or to.host) if tls is not None else None
                reader, writer = await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=server_hostname)
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
