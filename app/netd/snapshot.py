"""The snapshot: the whole state that clients may see, at one instant."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import aiofiles.os

from app import __version__
from app.model import Lease, Neighbour
from app.netd.events import EventBus
from app.netd.exits import Exits
from app.netd.network import NetworkController
from app.netd.resolver_watch import ResolverWatch
from app.netd.wan_port import WanPort
from app.protocol.status import Snapshot
from app.store import Store


class SnapshotReader:
    """The reader of snapshots.

    ``check_not_restarting`` raises a GatewayError once a restart is due; ``leases`` reads dnsmasq's file.
    """

    def __init__(
        self,
        *,
        store: Store,
        network: NetworkController,
        exits: Exits,
        resolvers: ResolverWatch,
        wan_port: WanPort,
        events: EventBus,
        leases: Callable[[], Iterable[Lease]],
        neighbours: Callable[[], tuple[Neighbour, ...]],
        check_not_restarting: Callable[[], None],
    ) -> None:
        self._store = store
        self._network = network
        self._exits = exits
        self._resolvers = resolvers
        self._wan_port = wan_port
        self._events = events
        self._leases = leases
        self._neighbours = neighbours
        self._check_not_restarting = check_not_restarting
        self._started = time.time()

    async def read(self) -> Snapshot:
        self._check_not_restarting()
        leases = tuple(await aiofiles.os.wrap(self._leases)())
        drops = await self._network.drops()
        settings, links = self._store.settings, self._network.links
        return Snapshot(
            seq=self._events.seq,
            version=__version__,
            provider=settings.provider,
            exits=tuple(self._resolvers.completed(status) for status in self._exits.status()),
            attestation=self._network.attestation,
            wireguard=self._exits.backend.kind,
            wan=links.wan,
            lan=settings.lan,
            host_names=settings.host_names,
            ports=links.ports,
            wan_problem=links.problem,
            wan_choice=self._wan_port.choice(settings.links),
            problems=(*self._store.problems, *self._network.problems),
            devices=settings.devices,
            default_policy=settings.default_policy,
            leases=leases,
            neighbours=self._neighbours(),
            drops=drops,
            started=self._started,
            events_after=self._events.kept_after,
        )
