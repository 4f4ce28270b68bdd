"""The statistics of netd: counters read from the kernel, totals and histories, written to disk periodically.

A failure never affects the network: it is logged and retried. All disk access is in threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from app.addresses import Network
from app.errors import GatewayError, UnavailableError
from app.network.accounting import Accounting, exit_counters, interfaces, origin
from app.network.plan import exit_interface
from app.protocol.device_history import DeviceHistoryPage, DeviceHistoryQuery
from app.protocol.statistics import (
    OTHER,
    Bytes,
    HistoryPage,
    HistoryQuery,
    InterfaceBytes,
    Kind,
    Rates,
    Reading,
    Series,
    Subject,
    TrafficQuery,
)
from app.store.database import FILE, Database
from app.store.device_history import DeviceHistory
from app.store.history import History
from app.store.traffic import TrafficLog
from app.tunnel.clock import boottime
from app.tunnel.states import Connected, State
from app.tunnel.transitions import Journal

Result = TypeVar("Result")

log = logging.getLogger(__name__)

SAMPLE_INTERVAL = 5.0  # seconds between readings
WRITE_INTERVAL = 60.0  # seconds; a power cut loses at most this much
PRUNE_INTERVAL = 3600.0  # seconds


class Statistics:
    """Traffic counters and histories. ``exits`` gives the names in order; ``lan`` the LAN's interfaces and networks."""

    def __init__(
        self,
        state_dir: Path,
        *,
        flowtable: bool,
        exits: Callable[[], Sequence[str]],
        lan: Callable[[], tuple[Sequence[str], Sequence[Network]]],
        on_rates: Callable[[Rates], None] = lambda _: None,
        on_problem: Callable[[str], None] = lambda _: None,
        period: float = SAMPLE_INTERVAL,
    ) -> None:
        self._database = Database(state_dir / FILE)
        self._traffic = TrafficLog(self._database)
        self._history = History(self._database)
        self.devices = DeviceHistory(self._database)
        self._journal = Journal()
        self._accounting = Accounting(flowtable=flowtable)
        self._exits = exits
        self._lan = lan
        self._on_rates = on_rates
        self._on_problem = on_problem
        self._period = period
        self._opened = asyncio.Event()
        self._installed: tuple[Sequence[str], Sequence[Network]] | None = None
        self._failing = False

    # --- the task ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until cancelled; then call :meth:`close`."""
        await asyncio.to_thread(self._open)
        self._opened.set()
        for problem in self._database.problems:
            self._on_problem(problem)
        await self._sample()
        await asyncio.to_thread(self._write)  # the starting values: a crash loses nothing counted later
        written = pruned = boottime()
        while True:
            await self._sample()
            if boottime() - written >= WRITE_INTERVAL:
                written = boottime()
                await asyncio.to_thread(self._write)
            if boottime() - pruned >= PRUNE_INTERVAL:
                pruned = boottime()
                await asyncio.to_thread(self._prune)
            await asyncio.sleep(self._period)

    async def close(self) -> None:
        """Take a last reading, write everything, close the file. The kernel goes on counting."""
        if not self._opened.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self._sample()
        await asyncio.to_thread(self._write)
        await asyncio.to_thread(self._database.close)
        self._opened.clear()

    def _open(self) -> None:
        self._database.open()
        self._traffic.load()
        self._prune()

    async def _sample(self) -> None:
        try:
            wanted = self._lan()
            if wanted != self._installed:
                await self._accounting.install(*wanted)
                self._installed = wanted
            exits = tuple(self._exits())
            counters = await self._accounting.read(exits)
            if exits != tuple(self._exits()):
                return  # read under a name that an exit no longer has
            self._on_rates(self._traffic.observe(Reading(time.time(), boottime(), counters)))
            self._failing = False
        except (GatewayError, OSError) as error:
            # The tables were flushed, or an interface has gone: install the tables again at the next reading.
            self._installed = None
            if not self._failing:
                log.warning("traffic cannot be read now: %s", error)
            self._failing = True

    def _write(self) -> None:
        self._history.flush()
        self.devices.flush()
        self._traffic.flush()

    def _prune(self) -> None:
        try:
            self._history.prune(time.time())
            self.devices.prune(time.time())
            self._traffic.prune(time.time())
        except sqlite3.Error as error:
            log.warning("old statistics could not be removed: %s", error)

    # --- transitions -------------------------------------------------------------------------------------------------

    def last_traffic(self, index: int, old: State) -> InterfaceBytes | None:
        """Call before the kernel leaves ``old``: returns the last counters of the tunnel of exit ``index``."""
        if not isinstance(old, Connected):
            return None
        name = exit_interface(index, old.tunnel.slot)
        try:
            last = interfaces().get(name)
            if last is not None:
                self._traffic.observe_some(exit_counters({name: last}, self._exits(), origin()), time.time())
        except OSError as error:
            log.warning("the last bytes of %s are lost: %s", name, error)
            return None
        return last

    def on_transition(
        self, exit_name: str, old: State, new: State, cause: str | None = None, moved: InterfaceBytes | None = None
    ) -> None:
        """Call after every transition; ``moved`` is what :meth:`last_traffic` returned before it."""
        record = self._journal.on_transition(exit_name, old, new, cause, time.time(), moved)
        if record is not None:
            self._history.append(record)

    async def rename_exit(self, old: str, new: str) -> None:
        """Keep the traffic and the history of an exit that is called ``new`` now; call it right after that."""
        subjects = Subject("exit", old), Subject("exit", new)
        self._journal.rename(old, new)
        self._traffic.rename(*subjects)
        if self._opened.is_set():
            try:
                await asyncio.to_thread(self._traffic.rename_stored, *subjects)
                await asyncio.to_thread(self._history.rename, old, new)
            except sqlite3.Error as error:
                log.warning("the statistics of exit %s are kept under the name %s: %s", new, old, error)

    # --- queries -----------------------------------------------------------------------------------------------------

    @property
    def rates(self) -> Rates:
        return self._traffic.rates

    @property
    def sending(self) -> frozenset[str]:
        """The MAC addresses of the devices whose packets were counted between the last two readings, if just now."""
        rates = self._traffic.rates
        if not 0 <= time.time() - rates.time < 2 * self._period:
            return frozenset()
        return frozenset(mac for mac, rate in rates.devices.items() if rate.up > 0 and mac != OTHER)

    def lifetime(self, kind: Kind) -> dict[str, Bytes]:
        """Bytes by name that only ever increase, for metrics."""
        return self._traffic.lifetime(kind)

    async def traffic(self, query: TrafficQuery) -> Series:
        """Raises UnavailableError."""
        return await self._query(lambda: self._traffic.series(query))

    async def traffic_by_name(self, kind: Kind, query: TrafficQuery) -> dict[str, Bytes]:
        """Raises UnavailableError."""
        return await self._query(lambda: self._traffic.by_name(kind, query))

    async def history(self, query: HistoryQuery) -> HistoryPage:
        """Raises InvalidFieldError (``limit``), UnavailableError."""
        return await self._query(lambda: self._history.page(query))

    async def history_csv(self, query: HistoryQuery) -> tuple[str, int | None]:
        """One page of 1000 as CSV, and the ``before`` of the next. Raises UnavailableError."""
        return await self._query(lambda: self._history.csv(query))

    async def device_history(self, query: DeviceHistoryQuery) -> DeviceHistoryPage:
        """Raises InvalidFieldError (``limit``), UnavailableError."""
        return await self._query(lambda: self.devices.page(query))

    async def last_presence(self) -> dict[str, bool]:
        """Whether each device was here when it was last recorded, once that can be read. Raises UnavailableError."""
        await self._opened.wait()
        return await self._query(self.devices.last_presence)

    async def _query(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.to_thread(work)
        except sqlite3.Error as error:
            raise UnavailableError(f"The statistics cannot be read now: {error}", code="storage") from error
