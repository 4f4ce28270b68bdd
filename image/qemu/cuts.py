"""Power cuts after given numbers of disk writes, many in one boot.

The card changes only when it is written to, so a cut after each number of writes is every cut there is; and pulling the
plug is taking the card as it is then. So the card is frozen at growing numbers of writes while the machine runs on:
each frozen card is what a power cut at that moment leaves, and can be looked at (:mod:`image.qemu.card`) or started.
"""

from __future__ import annotations

import threading
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from image.qemu.machine import Machine

EVERY = 0.01  # seconds between two polls of the number of writes
FIRST, GROWTH = 3, 1.7  # writes until the first cut, and how much further the next one lies each time


@dataclass(frozen=True)
class Cut:
    card: Path
    writes: int  # of the machine since it was switched on
    reached: str  # what the console said last
    promised: frozenset[str]  # what the gateway had confirmed before

    def __str__(self) -> str:
        return f"cut after {self.writes} writes, at {self.reached!r}"


class Cuts:
    """``with Cuts(machine, promised) as cuts: ...`` freezes the card of a machine that has just been switched on."""

    def __init__(self, machine: Machine, promised: AbstractSet[str]) -> None:
        """``promised`` is what the gateway has confirmed so far; the caller goes on adding to it."""
        self._machine, self._promised = machine, promised
        self._over = threading.Event()
        self._restart = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.taken: list[Cut] = []

    def __enter__(self) -> Cuts:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None and error is None:
            raise self._error

    def restart_distances(self) -> None:
        """Start with short distances again, since the following writes are of another kind."""
        self._restart.set()

    def _watch(self) -> None:
        try:
            self._freeze()
        except BaseException as error:
            self._error = error

    def _freeze(self) -> None:
        begin, distance = 0, float(FIRST)
        while not self._over.wait(EVERY):
            writes = self._writes()
            if self._restart.is_set():
                self._restart.clear()
                begin, distance = writes, float(FIRST)
            if writes >= begin + distance:
                promised = frozenset(self._promised)  # before the cut: what is confirmed later may be lost
                card = self._machine.freeze_card()
                self.taken.append(Cut(card, writes, self._machine.said_last(), promised))
                distance = max(distance + FIRST, (writes - begin) * GROWTH)

    def _writes(self) -> int:
        assert self._machine.monitor is not None, "the machine is off"
        devices = self._machine.monitor.ask("query-blockstats")
        (writes,) = (int(one["stats"]["wr_operations"]) for one in devices if one.get("device") == "card")
        return writes
