"""The snapshot: the whole state that clients may see, at one instant."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import aiofiles.os

from app import __version__
from app.exit_settings import all_exit_settings
from app.model import Lease, Neighbour, PolicyException, SeenDevice
from app.netd.events import EventBus
from app.netd.exits import Exits
from app.netd.network import NetworkController
from app.netd.resolver_watch import ResolverWatch
from app.netd.wan_port import WanPort
from app.protocol.status import ExitStatus, Snapshot
from app.self_service import exits_to_choose
from app.store import Store


class SnapshotReader:
    """The reader of snapshots.

    ``check_not_restarting`` raises a GatewayError once a restart is due; ``leases`` reads dnsmasq's file. ``shown``
    changes the status of an exit to what people should see.
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
        seen: Callable[[], tuple[SeenDevice, ...]],
        exceptions: Callable[[], tuple[PolicyException, ...]],
        check_not_restarting: Callable[[], None],
        shown: Callable[[ExitStatus], ExitStatus] = lambda status: status,
    ) -> None:
        self._store = store
        self._network = network
        self._exits = exits
        self._resolvers = resolvers
        self._wan_port = wan_port
        self._events = events
        self._leases = leases
        self._neighbours = neighbours
        self._seen = seen
        self._exceptions = exceptions
        self._check_not_restarting = check_not_restarting
        self._shown = shown
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
            exits=tuple(self._shown(self._resolvers.completed(status)) for status in self._exits.status()),
            attestation=self._network.attestation,
            wireguard=self._exits.backend.kind,
            wan=links.wan,
            lan=settings.lan,
            exit_settings=all_exit_settings(settings),
            host_names=settings.host_names,
            ports=links.ports,
            wan_problem=links.problem,
            wan_choice=self._wan_port.choice(settings.links),
            problems=(*self._store.problems, *self._network.problems),
            devices=settings.devices,
            default_policy=settings.default_policy,
            new_device_policy=settings.new_device_policy,
            groups=settings.groups,
            time_zone=settings.time_zone,
            exceptions=self._exceptions(),
            choices={m: e for m, e in settings.chosen_exits.items() if e in exits_to_choose(settings, m)},
            leases=leases,
            neighbours=self._neighbours(),
            seen=self._seen(),
            drops=drops,
            started=self._started,
            events_after=self._events.kept_after,
        )
