"""The transport of providers: every connection is announced to a gate first, and only while it lasts.

The gate is netd's: it opens the firewall for exactly the addresses and the TCP port asked for, to sockets with the mark
that it yields, and closes it again. Nothing here knows of the firewall, of tunnels or of the environment (no proxies).
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Protocol

from app.addresses import Address, Network
from app.https.transport import Destination, Streams, dial
from app.providers.server_list.address_policy import AddressPolicy, BadEntryError

MAX_ADDRESSES = 4  # of one name that are tried


class Egress(Protocol):
    """What netd does for one exchange; through a tunnel or, while blocked, by its closed list."""

    async def lookup(self, host: str) -> Sequence[Address]:
        """The addresses of ``host``. Raises OSError."""
        ...

    def open_path(self, addresses: Sequence[Address], port: int) -> AbstractAsyncContextManager[int]:
        """Open exactly ``addresses`` and TCP ``port`` for sockets of ours with the mark yielded, until the end.

        Raises OSError where there is no way out.
        """
        ...


class FirewalledTransport:
    """An :class:`app.https.transport.Transport` that goes through ``gate``.

    The addresses that are known beforehand come first, and those of the look-up where none of them will do. A name that
    leads into our own LAN, or anywhere but to the Internet, is not followed; ``allowed`` networks are (labs).
    """

    def __init__(
        self, egress: Egress, *, own: Callable[[], tuple[Network, ...]] = tuple, allowed: tuple[Network, ...] = ()
    ) -> None:
        self._egress = egress
        self._own = own
        self._allowed = allowed

    @contextlib.asynccontextmanager
    async def open_connection(self, to: Destination, tls: ssl.SSLContext) -> AsyncGenerator[Streams, None]:
        """A TLS connection to ``to``. Raises OSError (ssl.SSLError is one) or TimeoutError."""
        async with AsyncExitStack() as stack:
            yield await self._connect(stack, to, tls)

    async def _connect(self, stack: AsyncExitStack, to: Destination, tls: ssl.SSLContext) -> Streams:
        failure: OSError | TimeoutError = OSError(f"{to.host} has no usable address")
        for find in (self._known, self._looked_up):
            try:
                addresses = self._usable(await find(to), to.host)
                if addresses:
                    return await self._try(stack, addresses, to, tls)
            except (OSError, TimeoutError) as error:
                # A certificate that is not theirs says more than that there was no further address to try.
                failure = failure if isinstance(failure, ssl.SSLError) else error
        raise failure

    async def _try(
        self, stack: AsyncExitStack, addresses: Sequence[Address], to: Destination, tls: ssl.SSLContext
    ) -> Streams:
        async with AsyncExitStack() as attempt:
            mark = await attempt.enter_async_context(self._egress.open_path(addresses, to.port))
            streams = await attempt.enter_async_context(dial(addresses, to, tls, mark=mark))
            await stack.enter_async_context(attempt.pop_all())
            return streams

    async def _known(self, to: Destination) -> Sequence[Address]:
        return to.addresses

    async def _looked_up(self, to: Destination) -> Sequence[Address]:
        return await self._egress.lookup(to.host)

    def _usable(self, addresses: Sequence[Address], host: str) -> list[Address]:
        policy = AddressPolicy(self._own(), self._allowed)
        usable: list[Address] = []
        problem: str | None = None
        for address in addresses[:MAX_ADDRESSES]:
            try:
                policy.address(str(address), address.version, f"the address of {host}")
                usable.append(address)
            except BadEntryError as error:
                problem = str(error)
        if problem is not None and not usable:
            raise OSError(0, problem)
        return usable
