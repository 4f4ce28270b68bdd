"""The egress of provider requests: through a tunnel while one is up, else by the cleartext allowlist.

The allowlist opens only the addresses and the TCP port of one exchange, to sockets that carry ``MARK_CLEAR``. Setting a
mark takes CAP_NET_ADMIN, which the web process does not have. Each exchange is published and counted.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Literal, Protocol

from app.addresses import Address, Network
from app.model import ProviderSettings
from app.netd.protocols import CleartextAllowlist
from app.network.plan import MARK_CLEAR, ExitPlan, TransportPeer, exit_mark
from app.protocol.events import EventSink, ProviderContact
from app.providers.base import Environment
from app.providers.config import ProvidersConfig
from app.providers.transport import FirewalledTransport
from app.store import Store
from app.store.accounts import Accounts
from app.tunnel.resolve import LookupFailedError, lookup

log = logging.getLogger(__name__)

BUNDLED_LISTS = Path("/usr/share/vpn-gateway/lists")  # server lists in the image


class EgressPaths(CleartextAllowlist, Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    @property
    def exit_plans(self) -> tuple[ExitPlan, ...]: ...

    async def lookup(self, host: str) -> list[Address]:
        """Look up ``host`` over the WAN, in the clear. Raises LookupFailedError."""
        ...


class ProviderEgress:
    """The implementation of :class:`app.providers.transport.Egress`."""

    def __init__(self, network: EgressPaths, publish: EventSink) -> None:
        self._network = network
        self._publish = publish
        self.contacts = {"tunnel": 0, "clear": 0}  # exchanges since the start, by path

    async def lookup(self, host: str) -> Sequence[Address]:
        """Look up ``host`` by the present path. Raises OSError."""
        path = tunnel_path(self._network.exit_plans)
        try:
            if path is None:
                return await self._network.lookup(host)
            mark, resolvers = path
            return await lookup(host, resolvers, want4=True, want6=True, mark=mark)
        except LookupFailedError as error:
            raise OSError(0, str(error)) from None

    @contextlib.asynccontextmanager
    async def open_path(self, addresses: Sequence[Address], port: int) -> AsyncGenerator[int, None]:
        """Allow one exchange with ``addresses``; yields the mark for its socket. Raises OSError, KernelError."""
        path = tunnel_path(self._network.exit_plans)
        if path is not None:
            self._count("tunnel", addresses, port)
            yield path[0]
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
    """The mark and the resolvers of the first connected tunnel; None if no tunnel is connected (pure)."""
    for plan in plans:
        if plan.active is not None and (plan.active.carries_all(4) or plan.active.carries_all(6)):
            return exit_mark(plan.index), plan.active.dns
    return None


def environment(store: Store, state_dir: Path, egress: ProviderEgress, config: ProvidersConfig) -> Environment:
    """The environment that netd gives its providers; its accounts are not loaded yet."""

    def own_networks() -> tuple[Network, ...]:
        return store.settings.lan.networks

    return Environment(
        transport=FirewalledTransport(egress, own=own_networks, allowed=config.allowed_networks),
        accounts=Accounts(state_dir),
        lists=state_dir / "lists",
        shipped=BUNDLED_LISTS,
        settings=lambda name: store.settings.provider_settings.get(name, ProviderSettings()),
        own_networks=own_networks,
        allowed_networks=config.allowed_networks,
        apis=config.apis,
    )
