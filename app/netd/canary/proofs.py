"""Proofs: for some seconds netd watches LAN, tunnels and WAN for what one browser was told to send."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable

from msgspec import Struct

from app.canary.browser import FIRST_HOST, LAST_HOST, BrowserProbe, browser_probes
from app.canary.identity import TARGETS6
from app.canary.probes import TOKEN_BYTES
from app.canary.verdict import control, doubt, evidence
from app.errors import NotFoundError, TooManyRequestsError, UnavailableError
from app.netd.canary.capture import Capture, Tap
from app.netd.canary.places import taps, targets
from app.netd.canary.prober import ProbedNetwork
from app.protocol.canary import Proof
from app.protocol.commands import GetProof, HandlerEntry, StartProof
from app.store import Store

WATCH = 10.0  # seconds
AT_ONCE = 2  # the capturing process takes more, for the canary and the leak test
KEPT = 32  # finished ones


class _Watch(Struct):
    probes: tuple[BrowserProbe, ...]
    hosts: tuple[int, int, int]
    client: str | None
    ends: float
    task: asyncio.Task[None] | None = None
    proof: Proof | None = None  # once it is done


class Proofs:
    """The handlers of StartProof and GetProof. An id is a secret of the browser that has asked."""

    def __init__(
        self,
        *,
        network: ProbedNetwork,
        store: Store,
        capture: Capture | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._network = network
        self._store = store
        self._capture = capture
        self._clock = clock
        self._watches: dict[str, _Watch] = {}  # the oldest first

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return StartProof.handled_by(self._start), GetProof.handled_by(self._get)

    async def _start(self, command: StartProof) -> Proof:
        if self._capture is None:
            raise UnavailableError("the process that watches packets is not running")
        running = [watch for watch in self._watches.values() if watch.proof is None]
        own = [watch for watch in running if watch.client is not None and watch.client == command.client]
        if own or len(running) >= AT_ONCE:
            wait = max(1.0, min(watch.ends for watch in own or running) - self._clock())
            who = "this device is being watched already" if own else "other devices are being watched"
            raise TooManyRequestsError(f"{who}; try again in a moment", code="busy", retry_after=wait)
        links, plans, lan = self._network.links, self._network.carrying_plans, self._store.settings.lan
        network = targets(links, lan, plans)
        taken = {host for watch in running for host in watch.hosts}
        first, second, third = secrets.SystemRandom().sample(
            [n for n in range(FIRST_HOST, LAST_HOST) if n not in taken], 3
        )
        hosts = first, second, third
        probes = browser_probes(network, TARGETS6, hosts, lambda: secrets.token_bytes(TOKEN_BYTES))
        watch = _Watch(probes, hosts, command.client, self._clock() + WATCH)
        ident = secrets.token_urlsafe(16)
        every = frozenset(plan.name for plan in plans)  # whichever the device's own is
        places = taps(links, plans, every, network, names_on_lan=True)
        finished = [known for known, one in self._watches.items() if one.proof is not None]
        for known in finished[: max(0, len(self._watches) + 1 - KEPT)]:
            del self._watches[known]
        self._watches[ident] = watch
        watch.task = asyncio.create_task(self._watch(ident, watch, self._capture, places), name="proof")
        return self._shown(ident, watch)

    async def _watch(self, ident: str, watch: _Watch, capture: Capture, places: tuple[Tap, ...]) -> None:
        told = tuple(one.probe for one in watch.probes)
        try:
            seen = await capture.run(places, (one.needle for one in watch.probes), (), WATCH)
        except UnavailableError as error:
            watch.proof = Proof(ident, "done", 0.0, told, problem=error.message)
            return
        watch.proof = Proof(
            ident,
            "done",
            0.0,
            told,
            tuple(evidence(n, one.kind, one.family, seen.taps) for n, one in enumerate(told)),
            control(seen.taps),
            doubt(seen.taps),
        )

    async def _get(self, command: GetProof) -> Proof:
        watch = self._watches.get(command.id)
        if watch is None:
            raise NotFoundError("there is no such proof, or it is an old one", field="id")
        return self._shown(command.id, watch)

    def _shown(self, ident: str, watch: _Watch) -> Proof:
        if watch.proof is not None:
            return watch.proof
        left = max(0.0, round(watch.ends - self._clock(), 1))
        return Proof(ident, "watching", left, tuple(one.probe for one in watch.probes))
