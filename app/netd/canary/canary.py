"""The canary probes by itself, at a low rate, in every state; a leak shuts all exits and raises an alarm.

A round is as one device: each exit's in turn, a new one's, a blocked one's. An exit whose state has changed comes next.
Where a packet leaks, :mod:`app.netd.canary.door` shuts all exits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

from app.canary.identity import Identity
from app.canary.verdict import check, clean
from app.errors import ConflictError, KernelError, UnavailableError
from app.netd.canary.door import Door
from app.netd.transition import ExitTransition
from app.protocol.answers import Done
from app.protocol.canary import CanaryCounters, CanaryStatus, Observation
from app.protocol.commands import GetCanary, HandlerEntry, OpenExits
from app.protocol.events import EventSink, SecurityAlert

log = logging.getLogger(__name__)

INTERVAL = 60.0  # seconds between two rounds
SHUT_INTERVAL = 5.0  # the same while the exits are shut
SETTLE = 2.0  # seconds after a change of an exit's state
START = 10.0  # seconds after netd's start: others come first
BLIND = 5  # rounds in a row that prove nothing, after which that is reported


class RoundMaker(Protocol):
    """What is used of :class:`app.netd.canary.prober.Prober`."""

    def identities(self) -> tuple[Identity, ...]: ...

    async def round(self, identity: Identity) -> Observation: ...


class Canary:
    """The loop of rounds, what they have shown, and the door."""

    def __init__(
        self,
        *,
        prober: RoundMaker | None,
        door: Door,
        publish: EventSink,
        interval: float = INTERVAL,
    ) -> None:
        """Without a ``prober``, or with the ``interval`` 0, it never probes."""
        self._prober = prober
        self._publish = publish
        self._door = door
        self._interval = interval
        self._wake = asyncio.Event()
        self._changed: dict[str, None] = {}  # devices to be probed next, in this order
        self._latest: dict[str, Observation] = {}
        self._rounds = self._probes = self._leaked = self._blind = 0
        self._last_round = 0.0
        self._problem: str | None = None

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return GetCanary.handled_by(self._get), OpenExits.handled_by(self._open_by_owner)

    # --- present state -----------------------------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        return self._prober is not None and self._interval > 0

    def counters(self) -> CanaryCounters | None:
        if not self.enabled:
            return None
        return CanaryCounters(self._rounds, self._probes, self._leaked, self._last_round, self._door.shut is not None)

    async def _get(self, _: GetCanary) -> CanaryStatus:
        present = {one.name for one in self._prober.identities()} if self._prober is not None else set()
        return CanaryStatus(
            enabled=self.enabled,
            interval=self._interval,
            rounds=self._rounds,
            probes=self._probes,
            leaked=self._leaked,
            shut=self._door.shut,
            problem=self._problem,
            latest=tuple(one for one in self._latest.values() if one.device in present),
        )

    # --- rounds ------------------------------------------------------------------------------------------------------

    def on_transition(self, move: ExitTransition) -> None:
        """An observer of exits: the one that has changed is probed next."""
        if type(move.old) is not type(move.new):
            self.probe_next(move.exit)

    def probe_next(self, *devices: str) -> None:
        """Have the next rounds be as these devices, instead of at their turn."""
        self._changed |= dict.fromkeys(devices)
        self._wake.set()

    async def run(self) -> None:
        """Run until cancelled."""
        if self._prober is None or not self.enabled:
            await asyncio.Event().wait()
            return
        turn = 0
        await asyncio.sleep(min(START, self._interval))
        clock = asyncio.get_running_loop().time
        latest = clock()  # when a device was probed at its turn
        while True:
            devices = {one.name: one for one in self._prober.identities()}
            device = next((devices[name] for name in self._changed if name in devices), None)
            # An exit that fails again and again changes all the time: the others have their turn all the same.
            if device is None or clock() - latest >= self._seconds:
                turn, latest = turn + 1, clock()
                device = tuple(devices.values())[turn % len(devices)]
            self._changed = {name: None for name in self._changed if name in devices and name != device.name}
            await self.probe(device)
            if self._door.may_open(devices):
                with contextlib.suppress(KernelError):  # they stay shut; the next clean round tries again
                    await self._open("every device's probes stay inside again")
            await self._pause()

    @property
    def _seconds(self) -> float:
        """Between two rounds now."""
        return self._interval if self._door.shut is None else min(SHUT_INTERVAL, self._interval)

    async def _pause(self) -> None:
        """Until the next round is due; a changed exit does not wait for it."""
        if not self._changed:
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._seconds):
                    await self._wake.wait()
        if self._changed:
            await asyncio.sleep(min(SETTLE, self._interval))

    async def probe(self, identity: Identity) -> None:
        """One round, and what follows from it."""
        assert self._prober is not None
        try:
            seen = await self._prober.round(identity)
            if seen.leaked and not any(each.seen_on_wan for each in seen.evidence):
                # Into another tunnel: a change of policies is in the settings before it is in the kernel.
                self._rounds += 1
                self._probes += len(seen.evidence)
                seen = await self._prober.round(identity)
        except UnavailableError as error:
            self._note_problem(error.message)
            return
        self._rounds += 1
        self._probes += len(seen.evidence)
        self._last_round = seen.time
        self._latest = {name: one for name, one in self._latest.items() if name != seen.device} | {seen.device: seen}
        self._note_problem(seen.problem)
        if seen.leaked:
            self._leaked += seen.leaked
            await self._door.close(check(seen).message)
        elif clean(seen):
            self._door.note_clean(seen.device)

    def _note_problem(self, problem: str | None) -> None:
        self._problem = problem
        self._blind = self._blind + 1 if problem is not None else 0
        if self._blind == BLIND:
            log.warning("the canary proves nothing: %s", problem)
            self._publish(SecurityAlert("canary_blind", f"the canary cannot show that nothing leaks: {problem}"))

    # --- the door ----------------------------------------------------------------------------------------------------

    async def _open(self, why: str) -> None:
        """Open the exits, and probe each device at once: the fault may be there still. Raises KernelError."""
        await self._door.open(why)
        self.probe_next(*(one.name for one in self._prober.identities()) if self._prober is not None else ())

    async def _open_by_owner(self, _: OpenExits) -> Done:
        if self._door.shut is None:
            raise ConflictError("no leak has shut the exits", code="not_shut")
        await self._open("the owner has opened them")
        return Done("The exits are open again; the canary goes on probing")
