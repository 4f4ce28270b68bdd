"""What is known of the paths to the servers: the largest packet that was seen to pass each, found once it connects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec import Struct

from app.addresses import Address
from app.model import MIN_TUNNEL_MTU, WanLink
from app.tunnel import sized_query
from app.tunnel.mtu_search import largest_that_passes
from app.tunnel.states import Connected, State, Tunnel

log = logging.getLogger(__name__)

ATTEMPTS = 3
RETRY_DELAY = 10.0  # seconds, times the attempt
MAX_PATHS = 64  # remembered


class Path(Struct, frozen=True):
    """A path from a WAN to a server. Another WAN, or another address, is another path."""

    wan: str
    gateway: Address | None
    server: Address


class PathMtu:
    """Finds the MTU of the path of exit ``name``'s tunnel; a fixed MTU is left alone.

    What once passed stays: a later search of the same path starts there, and never ends below.
    """

    def __init__(self, name: str, mark: int, wan: Callable[[], WanLink | None]) -> None:
        self._name = name
        self._mark = mark
        self._wan = wan
        self._passed: dict[Path, int] = {}
        self._searched: tuple[Path, float] | None = None
        self._task: asyncio.Task[None] | None = None

    def found(self, tunnel: Tunnel) -> int | None:
        """The largest packet that was seen to pass the tunnel's path; None = not known."""
        path = self._path(tunnel)
        return None if path is None else self._passed.get(path)

    def on_state(self, state: State, interface: str | None) -> None:
        """Start the search for a connection that is new in ``state``, and end that of any earlier one."""
        path = self._path(state.tunnel) if isinstance(state, Connected) else None
        searched = (path, state.since_boot) if isinstance(state, Connected) and path is not None else None
        if searched == self._searched:
            return
        self.stop()
        self._searched = searched
        # A tunnel that already has what was found cannot be tried with more.
        if isinstance(state, Connected) and interface and path is not None and state.tunnel.mtu_origin == "route":
            search = self._search(path, state.tunnel, interface)
            self._task = asyncio.create_task(search, name=f"MTU of {self._name}")

    def stop(self) -> None:
        self._searched = None
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _path(self, tunnel: Tunnel) -> Path | None:
        wan, server = self._wan(), tunnel.endpoint.address
        if wan is None:
            return None
        return Path(wan.name, wan.gateway4 if server.version == 4 else wan.gateway6, server)

    async def _search(self, path: Path, tunnel: Tunnel, interface: str) -> None:
        plan = tunnel.plan
        resolver = next((a for a in plan.dns if any(a.version == n.version and a in n for n in plan.routes)), None)
        if resolver is None:
            return

        async def passes(size: int) -> bool:
            return await sized_query.passes(interface, self._mark, resolver, size)

        for attempt in range(1, ATTEMPTS + 1):
            low = max(MIN_TUNNEL_MTU, self._passed.get(path, 0))
            size = await largest_that_passes(low, plan.mtu, passes)
            if size is not None:
                self._passed[path] = size
                for oldest in list(self._passed)[:-MAX_PATHS]:
                    del self._passed[oldest]
                if size < plan.mtu:
                    log.warning("exit %s: packets over %d bytes are lost on the way to the server", self._name, size)
                return
            await asyncio.sleep(RETRY_DELAY * attempt)
        log.info("exit %s: the path's MTU was not found, %s does not answer large queries", self._name, resolver)
