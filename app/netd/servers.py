"""Servers as people are shown them: a provider's list, what is marked and measured here; and which one they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from app.errors import NotFoundError
from app.model import Server, ServerFilter
from app.netd.latency import Latencies
from app.protocol.events import ServersChanged
from app.providers.selection import asks_for_fastest, choose, matching, quality
from app.tunnel.states import Target

if TYPE_CHECKING:
    from app.netd.core import Core

Order = Literal["name", "latency", "load", "recent"]
RECENT = 20  # servers that are remembered


class Servers:
    def __init__(self, core: Core) -> None:
        self._core = core
        self.latencies = Latencies(core)

    async def of(self, provider: str) -> tuple[Server, ...]:
        """Raises NotFoundError (``provider``)."""
        servers = await self._core.registry.get(provider).servers()
        prefix = f"{provider}/"
        favourites = {f.removeprefix(prefix) for f in self._core.settings.favourites if f.startswith(prefix)}
        measured = self.latencies.of(provider)
        special = favourites | measured.keys()
        if not special:  # ten thousand servers need no copy
            return servers
        return tuple(
            msgspec.structs.replace(s, favourite=s.hostname in favourites, latency=measured.get(s.hostname))
            if s.hostname in special
            else s
            for s in servers
        )

    async def listed(
        self, provider: str, wanted: ServerFilter | None, order: Order = "name", limit: int | None = None
    ) -> tuple[Server, ...]:
        """Those that ``wanted`` lets through, at most ``limit``, by ``order``. Raises NotFoundError (``provider``)."""
        found: list[Server] | tuple[Server, ...] = await self.of(provider)
        if wanted is not None:
            found = matching(found, wanted)
        match order:
            case "latency":
                found = sorted(found, key=quality)
            case "load":
                found = sorted(found, key=lambda s: s.load if s.load is not None else 101.0)
            case "recent":
                place = {name: i for i, name in enumerate(self._core.settings.recent)}
                found = sorted(
                    (s for s in found if f"{provider}/{s.hostname}" in place),
                    key=lambda s: place[f"{provider}/{s.hostname}"],
                )
            case "name":
                pass
        return tuple(found[:limit])

    async def meant(self, provider: str, selector: str) -> list[Target]:
        """What ``selector`` may mean, the best first; of those that failed just now, last.

        Raises NotFoundError (``provider``, ``server``), ConflictError (nothing there can be connected).
        """
        try:
            if asks_for_fastest(selector) and self._core.settings.measure_latency:
                measured = await self.latencies.measure(choose(await self.of(provider), selector))
                if measured:
                    self._core.events.publish(ServersChanged(provider, measured=measured))
            found = choose(await self.of(provider), selector)
        except NotFoundError:
            # The provider knows better why: one that nobody signed in to may not even have a list.
            await self._core.registry.get(provider).tunnel(selector)
            raise
        targets = [Target(provider, s.hostname) for s in found]
        return sorted(targets, key=self._core.failover.memory.barred) if len(targets) > 1 else targets

    def used(self, target: Target) -> None:
        """Remember it as the latest. Raises UnavailableError (``storage``)."""
        name = str(target)
        self._core.store.update_settings(
            lambda s: msgspec.structs.replace(s, recent=(name, *(r for r in s.recent if r != name))[:RECENT])
        )
