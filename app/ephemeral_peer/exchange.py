"""The whole exchange with a relay, on a socket that is bound to the tunnel's interface.

The binding is what keeps it inside: a packet of the socket leaves through that interface or not at all, whatever the
routes say. The firewall lets the gateway's own packets so bound pass (:mod:`app.network.ruleset.sets`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator

from app.addresses import Address
from app.ephemeral_peer.call import call
from app.ephemeral_peer.errors import ExchangeError
from app.ephemeral_peer.messages import PATH
from app.ephemeral_peer.offer import Offer
from app.model import Endpoint, Secret

# Small, so that the exchange passes every path that the handshake has passed; the keys are 1.6 kB each way. Mullvad's
# app takes the same (an MTU of 576, less 80).
MSS = 496  # bytes


async def exchange(
    interface: str, address: Address, port: int, parent_key: str, timeout: float
) -> tuple[Secret, Secret]:
    """The private key and the preshared key of a new ephemeral peer beside the registered ``parent_key``.

    ``timeout`` in seconds is for all of it. Raises ExchangeError.
    """
    offer = Offer()
    try:
        async with asyncio.timeout(timeout), _dial(interface, address, port) as (reader, writer):
            authority = str(Endpoint(str(address), port))
            answer = await call(reader, writer, authority, PATH, offer.request(parent_key))
    except TimeoutError:
        raise ExchangeError(f"the relay did not answer within {timeout:.0f} s") from None
    except OSError as error:
        # Not its own text, which for a connection of asyncio's names the address alone.
        reason = os.strerror(error.errno) if error.errno else "the connection failed"
        raise ExchangeError(f"the relay's key exchange cannot be reached: {reason.lower()}") from None
    return offer.private_key, offer.accept(answer)


@contextlib.asynccontextmanager
async def _dial(
    interface: str, address: Address, port: int
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter], None]:
    """Raises OSError."""
    sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, MSS)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, (str(address), port))
        reader, writer = await asyncio.open_connection(sock=sock)
    except BaseException:
        sock.close()
        raise
    try:
        yield reader, writer
    finally:
        # Without a farewell: the interface's key changes next, and nothing of this connection would pass.
        writer.transport.abort()
