"""The prober sends one round of probes as a device of the LAN, and tells where each of them was seen."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address
from typing import Protocol

from pyroute2.netlink.exceptions import NetlinkError

from app.addresses import Address
from app.admission import default_policy
from app.canary.identity import Identity, identities, own_address
from app.canary.probes import TOKEN_BYTES, Ends, probes
from app.canary.verdict import observe
from app.errors import UnavailableError
from app.model import Links, Settings
from app.netd.canary.capture import Capture
from app.netd.canary.places import taps, targets
from app.network import canary_link
from app.network.plan import ExitPlan
from app.protocol.canary import Observation
from app.store import Store

log = logging.getLogger(__name__)

ROUND = 1.2  # seconds that the taps are open: a query passes dnsmasq on its way


class ProbedNetwork(Protocol):
    """What is used of :class:`app.netd.network.NetworkController`."""

    @property
    def links(self) -> Links: ...

    @property
    def followed(self) -> Settings | None: ...

    @property
    def carrying_plans(self) -> tuple[ExitPlan, ...]: ...


class Prober:
    """One round at a time. ``used`` reads the addresses of the LAN's devices, in a thread, since it may read files."""

    def __init__(
        self, *, network: ProbedNetwork, store: Store, capture: Capture, used: Callable[[], Iterable[str]]
    ) -> None:
        self._network = network
        self._store = store
        self._capture = capture
        self._used = used
        self._lock = asyncio.Lock()
        self._host6 = secrets.randbits(63) | 2  # one for all rounds: see server_host

    def identities(self) -> tuple[Identity, ...]:
        settings = self._store.settings
        return identities(settings.exits, default_policy(settings))

    def identity(self, exit_name: str) -> Identity | None:
        return next((one for one in self.identities() if one.exit == one.name == exit_name), None)

    async def round(self, identity: Identity) -> Observation:
        """Probe as ``identity``. Raises UnavailableError where nothing can be sent or watched."""
        async with self._lock:
            self._check(identity)
            try:
                seen = await self._round(identity)
            except (NetlinkError, OSError) as error:
                raise UnavailableError(f"the canary could not be plugged into the LAN: {error}") from error
        self._check(identity)
        return seen

    def _check(self, identity: Identity) -> None:
        """Raise UnavailableError while the kernel does not yet do with ``identity`` what the settings say.

        Its packets may then go by the old way, or by the new one; where the old way was ``direct``, that is no leak.
        """
        followed = self._network.followed
        wanted = _way(self._store.settings, identity.mac)
        if identity not in self.identities() or followed is None or _way(followed, identity.mac) != wanted:
            raise UnavailableError("the policy of the device that is tried has just changed")

    async def _round(self, identity: Identity) -> Observation:
        links, plans, lan = self._network.links, self._network.carrying_plans, self._store.settings.lan
        bridge = links.bridge
        if not links.lan or (bridge is not None and not (bridge.ports or bridge.radios)):
            raise UnavailableError("there is no LAN to send from: no port belongs to it")
        source4 = own_address(lan, await asyncio.to_thread(lambda: {*self._used(), *_outside(links)}))
        if source4 is None:
            raise UnavailableError("no address of the LAN is free for the canary")
        source6 = IPv6Address(int(lan.ula.network.network_address) | self._host6) if lan.ula else None
        name = links.lan[0].name
        router = await canary_link.connect(name, bridged=bridge is not None and bridge.name == name)
        network = targets(links, lan, plans)
        sent = probes(
            Ends(
                mac=identity.mac,
                router=router,
                source4=source4,
                source6=source6,
                gateway4=lan.address.ip,
                gateway6=lan.ula.ip if lan.ula else None,
                wan=tuple(a.ip for a in links.wan.addresses) if links.wan else (),
                targets4=network,
            ),
            lambda: secrets.token_bytes(TOKEN_BYTES),
            lambda: 32768 + secrets.randbelow(16384),
        )
        own = frozenset({identity.exit} if identity.exit is not None else ())
        active = next((plan.active for plan in plans if plan.name == identity.exit), None)
        addresses: tuple[Address, ...] = (source4, source6) if source6 is not None else (source4,)
        await canary_link.set_neighbour(name, addresses, identity.mac)
        try:
            captured = await self._capture.run(
                taps(links, plans, own, network, names_on_lan=False),
                (probe.needle for probe in sent),
                (probe.frame for probe in sent),
                ROUND,
            )
        finally:
            await self._forget(name, addresses)
        return observe(
            identity.name,
            identity.mac,
            sent,
            captured.taps,
            connected=active is not None,
            now=time.time(),
            trouble=captured.trouble,
        )

    async def _forget(self, link: str, addresses: tuple[Address, ...]) -> None:
        try:
            await canary_link.forget_neighbour(link, addresses)
        except (NetlinkError, OSError) as error:  # they are gone with the link
            log.debug("the canary's addresses: %s", error)


def _way(settings: Settings, mac: str) -> int | None:
    """The number of the exit that the canary's packets with that address take; -1 = nowhere, None = it is not there."""
    found = next((one for one in identities(settings.exits, default_policy(settings)) if one.mac == mac), None)
    if found is None:
        return None
    return -1 if found.exit is None else settings.exits.index(found.exit)


def _outside(links: Links) -> set[str]:
    """The addresses of the WAN's hosts: where one wire is LAN and WAN, they lie in the LAN's network."""
    wan = links.wan
    if wan is None:
        return set()
    hosts = (*(a.ip for a in wan.addresses), wan.gateway4, wan.gateway6, *wan.nameservers)
    return {str(host) for host in hosts if host is not None}
