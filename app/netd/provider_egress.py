"""The egress of providers: through a tunnel while one is up, else by the cleartext allowlist, for one exchange.

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
from app.network.plan import MARK_CLEAR, ExitPlan, TransportPeer, exit_mark
from app.protocol.events import EventSink, ProviderContact
from app.providers.base import Environment
from app.providers.config import ProvidersConfig
from app.providers.transport import FirewalledTransport
from app.store import Store
from app.store.accounts import Accounts
from app.tunnel.resolve import LookupFailedError, lookup

log = logging.getLogger(__name__)

SHIPPED = Path("/usr/share/vpn-gateway/lists")  # server lists that came with the image


class EgressPaths(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    @property
    def exit_plans(self) -> tuple[ExitPlan, ...]: ...

    def allow_cleartext(self, peers: tuple[TransportPeer, ...]) -> AbstractAsyncContextManager[None]:
        """The cleartext allowlist with these TCP destinations in it. Raises KernelError; then nothing is open."""
        ...

    async def lookup(self, host: str) -> list[Address]:
        """Over the WAN, in the clear. Raises LookupFailedError."""
        ...


class ProviderEgress:
    """An :class:`app.providers.transport.Egress`."""

    def __init__(self, network: EgressPaths, publish: EventSink) -> None:
        self._network = network
        self._publish = publish
        self.contacts = {"tunnel": 0, "clear": 0}  # exchanges since the start, by way

    async def lookup(self, host: str) -> Sequence[Address]:
        """Raises OSError."""
        through = tunnel_path(self._network.exit_plans)
        try:
            if through is None:
                return await self._network.lookup(host)
            mark, resolvers = through
            return await lookup(host, resolvers, want4=True, want6=True, mark=mark)
        except LookupFailedError as error:
            raise OSError(0, str(error)) from None

    @contextlib.asynccontextmanager
    async def open_path(self, addresses: Sequence[Address], port: int) -> AsyncGenerator[int, None]:
        """Raises OSError, KernelError."""
        through = tunnel_path(self._network.exit_plans)
        if through is not None:
            self._count("tunnel", addresses, port)
            yield through[0]
            return
        async with self._network.allow_cleartext(tuple(TransportPeer(address, port) for address in addresses)):
            self._count("clear", addresses, port)
            yield MARK_CLEAR

    def _count(self, way: Literal["tunnel", "clear"], addresses: Sequence[Address], port: int) -> None:
        self.contacts[way] += 1
        shown = tuple(str(address) for address in addresses)
        log.info("asking a provider at %s, TCP port %d (%s)", ", ".join(shown), port, way)
        self._publish(ProviderContact(way, shown, port))


def tunnel_path(plans: Sequence[ExitPlan]) -> tuple[int, tuple[Address, ...]] | None:
    """The mark that leads into a tunnel that is up, and its resolvers; None while there is none (pure)."""
    for plan in plans:
        if plan.active is not None and (plan.active.carries_all(4) or plan.active.carries_all(6)):
            return exit_mark(plan.index), plan.active.dns
    return None


def environment(store: Store, state_dir: Path, egress: ProviderEgress, config: ProvidersConfig) -> Environment:
    """What netd gives its providers; the accounts are yet to be loaded."""

    def own_networks() -> tuple[Network, ...]:
        return store.settings.lan.networks

    return Environment(
        transport=FirewalledTransport(egress, own=own_networks, allowed=config.allowed_networks),
        accounts=Accounts(state_dir),
        lists=state_dir / "lists",
        shipped=SHIPPED,
        settings=lambda name: store.settings.provider_settings.get(name, ProviderSettings()),
        own_networks=own_networks,
        allowed_networks=config.allowed_networks,
        apis=config.apis,
    )
