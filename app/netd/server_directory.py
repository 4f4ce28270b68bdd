"""The server directory: server lists with favourites and latency, and the resolution of selectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec

from app.errors import NotFoundError
from app.model import Server, ServerFilter
from app.netd.protocols import ProviderLookup, Verdict
from app.protocol.events import EventSink, ServersChanged
from app.providers.selection import asks_for_fastest, choose, matching, quality
from app.store import Store
from app.tunnel.failure_history import FailureHistory
from app.tunnel.states import Target

Order = Literal["name", "latency", "load", "recent"]


class Latencies(Protocol):
    """What is used of :class:`app.netd.server_latency.ServerLatencies`."""

    def measured(self, provider: str) -> dict[str, float]: ...

    async def measure(self, servers: Sequence[Server]) -> int: ...


class ServerDirectory:
    """The lists of all providers, as the settings and the measurements complete them."""

    def __init__(
        self,
        *,
        providers: ProviderLookup,
        store: Store,
        latencies: Latencies,
        failures: FailureHistory,
        publish: EventSink,
    ) -> None:
        self._providers = providers
        self._store = store
        self._latencies = latencies
        self._failures = failures
        self._publish = publish

    async def list(self, provider: str) -> tuple[Server, ...]:
        """All servers of ``provider``. Raises NotFoundError (``provider``)."""
        servers = await self._providers.get(provider).servers()
        prefix = f"{provider}/"
        favourites = {f.removeprefix(prefix) for f in self._store.settings.favourites if f.startswith(prefix)}
        measured = self._latencies.measured(provider)
        special = favourites | measured.keys()
        if not special:  # ten thousand servers need no copy
            return servers
        return tuple(
            msgspec.structs.replace(s, favourite=s.hostname in favourites, latency=measured.get(s.hostname))
            if s.hostname in special
            else s
            for s in servers
        )

    async def find(
        self, provider: str, wanted: ServerFilter | None, order: Order = "name", limit: int | None = None
    ) -> tuple[Server, ...]:
        """At most ``limit`` servers that ``wanted`` selects, by ``order``. Raises NotFoundError (``provider``)."""
        found: Sequence[Server] = await self.list(provider)
        if wanted is not None:
            found = matching(found, wanted)
        match order:
            case "latency":
                found = sorted(found, key=quality)
            case "load":
                found = sorted(found, key=lambda s: s.load if s.load is not None else 101.0)
            case "recent":
                place = {name: i for i, name in enumerate(self._store.settings.recent)}
                found = sorted(
                    (s for s in found if f"{provider}/{s.hostname}" in place),
                    key=lambda s: place[f"{provider}/{s.hostname}"],
                )
            case "name":
                pass
        return tuple(found[:limit])

    async def resolve(self, provider: str, selector: str, verdict: Verdict | None = None) -> Sequence[Target]:
        """The servers that ``selector`` means and ``verdict`` lets through, best first, recently failed ones last.

        There is at least one. Raises NotFoundError (``provider``, ``server``), ConflictError (none of them can be
        connected; that of ``verdict`` where it lets none through).
        """
        try:
            if asks_for_fastest(selector) and self._store.settings.measure_latency:
                meant = allowed(choose(await self.list(provider), selector), verdict)
                measured = await self._latencies.measure(meant)
                if measured:
                    self._publish(ServersChanged(provider, measured=measured))
            found = allowed(choose(await self.list(provider), selector), verdict)
        except NotFoundError:
            # The provider knows the better reason, such as a missing sign-in, and raises it here.
            await self._providers.get(provider).tunnel(selector)
            raise
        targets = [Target(provider, s.hostname) for s in found]
        return sorted(targets, key=self._failures.in_penalty) if len(targets) > 1 else targets


def allowed(servers: Sequence[Server], verdict: Verdict | None) -> Sequence[Server]:
    """The ``servers``, at least one, that ``verdict`` lets through. Raises its error where that is none."""
    if verdict is None:
        return servers
    found = [server for server in servers if verdict(server) is None]
    if not found:
        error = verdict(servers[0])
        assert error is not None
        raise error
    return found
