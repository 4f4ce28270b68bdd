"""The history recorder: it passes transitions to the statistics and answers queries about traffic and history."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import assert_never

from app.netd.statistics import Statistics
from app.netd.transition import ExitTransition
from app.protocol.answers import Counters, HistoryTable, ProcessUse, TrafficByName, TrafficSeries
from app.protocol.canary import CanaryCounters
from app.protocol.commands import ExportHistory, GetCounters, GetHistory, GetTraffic, GetTrafficByName, HandlerEntry
from app.protocol.statistics import TOTAL, Bytes, HistoryPage, Rates, Subject


class HistoryRecorder:
    """The recorder of transitions; ``contacts`` counts exchanges with providers by egress path."""

    def __init__(
        self, statistics: Statistics, contacts: Mapping[str, int], canary: Callable[[], CanaryCounters | None]
    ) -> None:
        self._canary = canary
        self._statistics = statistics
        self._contacts = contacts
        self._started = time.time()

    def on_transition(self, move: ExitTransition) -> None:
        self._statistics.on_transition(move.exit, move.old, move.new, move.cause, move.traffic)

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (
            GetTraffic.handled_by(self._traffic),
            GetTrafficByName.handled_by(self._traffic_by_name),
            GetHistory.handled_by(self._history),
            ExportHistory.handled_by(self._history_table),
            GetCounters.handled_by(self._counters),
        )

    # --- queries -----------------------------------------------------------------------------------------------------

    async def _traffic(self, command: GetTraffic) -> TrafficSeries:
        """Raises UnavailableError (``storage``), as the queries below do."""
        series = await self._statistics.traffic(command.query)
        return TrafficSeries(series, _rate(self._statistics.rates, command.query.subject))

    async def _traffic_by_name(self, command: GetTrafficByName) -> TrafficByName:
        rates = self._statistics.rates
        moving = rates.devices if command.kind == "device" else rates.exits if command.kind == "exit" else {}
        return TrafficByName(await self._statistics.traffic_by_name(command.kind, command.query), moving)

    async def _history(self, command: GetHistory) -> HistoryPage:
        """Raises InvalidFieldError (``limit``)."""
        return await self._statistics.history(command.query)

    async def _history_table(self, command: ExportHistory) -> HistoryTable:
        return HistoryTable(*await self._statistics.history_csv(command.query))

    async def _counters(self, _command: GetCounters) -> Counters:
        lifetime = self._statistics.lifetime
        return Counters(
            total=lifetime("total").get(TOTAL, Bytes()),
            devices=lifetime("device"),
            exits=lifetime("exit"),
            netd=self._process_use(),
            contacts=dict(self._contacts),
            canary=self._canary(),
        )

    def _process_use(self) -> ProcessUse:
        """The resources used by netd without its child processes (proc_pid_statm(5), getrusage(2))."""
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
