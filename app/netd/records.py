"""What netd writes down: who moved how many bytes, what each exit went through; and what is asked of that."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never

from app.netd.statistics import Statistics
from app.protocol.answers import Counters, HistoryTable, ProcessUse, TrafficByName, TrafficSeries
from app.protocol.commands import ExportHistory, GetCounters, GetHistory, GetTraffic, GetTrafficByName
from app.protocol.statistics import TOTAL, Bytes, HistoryPage, InterfaceBytes, Rates, Subject
from app.tunnel.states import Connected, Connecting, Disconnected, State


class Records:
    """The core tells it of every move of an exit; commands ask it."""

    def __init__(self, statistics: Statistics) -> None:
        self.statistics = statistics
        self._causes: dict[str, str] = {}
        self._started = time.time()
        self.contacts: Mapping[str, int] = {}  # exchanges with providers by way, as their gate counts them

    # --- what the core tells -----------------------------------------------------------------------------------------

    def adopted(self, exit_name: str, state: Connected) -> None:
        """A running tunnel was found at the start."""
        self.statistics.on_transition(exit_name, Disconnected(), state)

    def resuming(self, exit_name: str) -> None:
        """The exit will be connected at the start, since that is what was wanted before."""
        self.because(exit_name, "resumed")

    def because(self, exit_name: str, cause: str | None) -> None:
        """Why the exit's next tunnel is begun, where the states alone do not tell; None = forget it."""
        if cause is None:
            self._causes.pop(exit_name, None)
        else:
            self._causes[exit_name] = cause

    def leaving(self, index: int, old: State, new: State) -> InterfaceBytes | None:
        """Before the kernel follows: the bytes of a tunnel that will be gone then."""
        if not isinstance(old, Connected) or (isinstance(new, Connected) and new.tunnel == old.tunnel):
            return None
        return self.statistics.leaving(index, old)

    def entered(self, exit_name: str, old: State, new: State, moved: InterfaceBytes | None) -> None:
        """After every move; ``moved`` is what :meth:`leaving` gave."""
        begun = isinstance(new, Connecting) or (
            isinstance(old, Connected) and isinstance(new, Connected) and new.tunnel != old.tunnel
        )
        ended = isinstance(new, Disconnected)
        cause = self._causes.pop(exit_name, None) if begun or ended else None
        self.statistics.on_transition(exit_name, old, new, cause if begun else None, moved)

    def replaced(self, exit_name: str, index: int, state: State) -> None:
        """A backup was restored: whatever the exit was, it begins anew."""
        moved = self.statistics.leaving(index, state)
        self.statistics.on_transition(exit_name, state, Disconnected(), "restored", moved)

    # --- what people ask ---------------------------------------------------------------------------------------------

    async def traffic(self, command: GetTraffic) -> TrafficSeries:
        """Raises UnavailableError (``storage``), as all of these."""
        series = await self.statistics.traffic(command.query)
        return TrafficSeries(series, _rate(self.statistics.rates, command.query.subject))

    async def traffic_by_name(self, command: GetTrafficByName) -> TrafficByName:
        rates = self.statistics.rates
        moving = rates.devices if command.kind == "device" else rates.exits if command.kind == "exit" else {}
        return TrafficByName(await self.statistics.traffic_by_name(command.kind, command.query), moving)

    async def history(self, command: GetHistory) -> HistoryPage:
        """Raises InvalidFieldError (``limit``)."""
        return await self.statistics.history(command.query)

    async def history_table(self, command: ExportHistory) -> HistoryTable:
        return HistoryTable(*await self.statistics.history_csv(command.query))

    async def counters(self, _command: GetCounters) -> Counters:
        lifetime = self.statistics.lifetime
        return Counters(
            total=lifetime("total").get(TOTAL, Bytes()),
            devices=lifetime("device"),
            exits=lifetime("exit"),
            netd=self._use(),
            contacts=dict(self.contacts),
        )

    def _use(self) -> ProcessUse:
        """Of this process and not of those it started (proc_pid_statm(5), getrusage(2))."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return ProcessUse(
            started=self._started,
            cpu=used.ru_utime + used.ru_stime,
            resident=int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize(),
            descriptors=sum(1 for _ in Path("/proc/self/fd").iterdir()),
        )


def _rate(rates: Rates, subject: Subject) -> Bytes:
    match subject.kind:
        case "total":
            return rates.total
        case "device":
            return rates.devices.get(subject.name, Bytes())
        case "exit":
            return rates.exits.get(subject.name, Bytes())
        case _:
            assert_never(subject.kind)
