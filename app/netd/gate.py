"""Providers' way out: through a tunnel while one is up, else by the closed list, for one exchange at a time.

In the clear only the addresses and the TCP port of that exchange are open, to sockets that carry ``MARK_CLEAR``: to set
a mark takes CAP_NET_ADMIN, which the web process does not have. Each opening is published and counted.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Literal, Protocol

from app.addresses import Address, Network
from app.model import ProviderSettings
from app.network.plan import MARK_CLEAR, TransportPeer
from app.protocol.events import EventSink, ProviderContact
from app.providers.base import Environment
from app.providers.config import ProvidersConfig
from app.providers.transport import FirewalledTransport
from app.store import Store
from app.store.accounts import Accounts
from app.tunnel.resolve import LookupFailedError, lookup

log = logging.getLogger(__name__)

SHIPPED = Path("/usr/share/vpn-gateway/lists")  # server lists that came with the image


class Ways(Protocol):
    """What the core offers."""

    def tunnel_way(self) -> tuple[int, tuple[Address, ...]] | None:
        """The mark that leads into a tunnel that is up and its resolvers; None while there is none."""
        ...

    def clear_way(self, peers: tuple[TransportPeer, ...]) -> AbstractAsyncContextManager[None]:
        """The closed list with these TCP destinations in it. Raises KernelError; then nothing is open."""
        ...

    async def lookup(self, host: str) -> list[Address]:
        """Over the WAN, in the clear. Raises LookupFailedError."""
        ...


class ProviderGate:
    """An :class:`app.providers.transport.Gate`. Closed until :meth:`attach`."""

    def __init__(self) -> None:
        self._network: Ways | None = None
        self._publish: EventSink = lambda _: None
        self.contacts = {"tunnel": 0, "clear": 0}  # exchanges since the start, by way

    def attach(self, network: Ways, publish: EventSink) -> None:
        self._network = network
        self._publish = publish

    async def lookup(self, host: str) -> Sequence[Address]:
        """Raises OSError."""
        network = self._opened()
        through = network.tunnel_way()
        try:
            if through is None:
                return await network.lookup(host)
            mark, resolvers = through
            return await lookup(host, resolvers, want4=True, want6=True, mark=mark)
        except LookupFailedError as error:
            raise OSError(0, str(error)) from None

    @contextlib.asynccontextmanager
    async def way_out(self, addresses: Sequence[Address], port: int) -> AsyncGenerator[int, None]:
        """Raises OSError, KernelError."""
        network = self._opened()
        through = network.tunnel_way()
        if through is not None:
            self._count("tunnel", addresses, port)
            yield through[0]
            return
        async with network.clear_way(tuple(TransportPeer(address, port) for address in addresses)):
            self._count("clear", addresses, port)
            yield MARK_CLEAR

    def _count(self, way: Literal["tunnel", "clear"], addresses: Sequence[Address], port: int) -> None:
        self.contacts[way] += 1
        shown = tuple(str(address) for address in addresses)
        log.info("asking a provider at %s, TCP port %d (%s)", ", ".join(shown), port, way)
        self._publish(ProviderContact(way, shown, port))

    def _opened(self) -> Ways:
        if self._network is None:
            raise OSError(0, "the network is not up yet")
        return self._network


def environment(store: Store, state_dir: Path, gate: ProviderGate, config: ProvidersConfig) -> Environment:
    """What netd gives its providers; the accounts are yet to be loaded."""

    def own_networks() -> tuple[Network, ...]:
        lan = store.settings.lan
        return (lan.address.network, lan.ula.network) if lan.ula else (lan.address.network,)

    return Environment(
        outgoing=FirewalledTransport(gate, own=own_networks, allowed=config.allowed_networks),
        accounts=Accounts(state_dir),
        lists=state_dir / "lists",
        shipped=SHIPPED,
        settings=lambda name: store.settings.provider_settings.get(name, ProviderSettings()),
        own_networks=own_networks,
        allowed_networks=config.allowed_networks,
        apis=config.apis,
    )
