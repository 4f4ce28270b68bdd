"""The transport to providers: every connection is made through an egress that opens the firewall while it lasts.

netd implements the egress: it opens the firewall for exactly the requested addresses and TCP port, for sockets with the
mark that it yields, and closes it again. Proxies from the environment are ignored.
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

MAX_ADDRESSES = 4  # of one name, that are tried


class Egress(Protocol):
    """Opens the firewall for one exchange: through a tunnel or, while blocked, by the cleartext allowlist."""

    async def lookup(self, host: str) -> Sequence[Address]:
        """The addresses of ``host``. Raises OSError."""
        ...

    def open_path(self, addresses: Sequence[Address], port: int) -> AbstractAsyncContextManager[int]:
        """Open exactly ``addresses`` and TCP ``port`` for sockets with the yielded mark while the context lasts.

        Raises OSError where there is no path to them.
        """
        ...


class FirewalledTransport:
    """An :class:`app.https.transport.Transport` that connects through ``egress``.

    Configured addresses are tried first, and those of a look-up where none of them works. Addresses in the LAN
    (``own``) or off the Internet are refused, except those in ``allowed`` (labs).
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
                # A wrong certificate explains more than the lack of another address to try.
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
