"""Statistics for the fake gateway: one device and one exit with known bytes, a history to page through."""

from __future__ import annotations

import time

from app.protocol.answers import Counters, HistoryTable, ProcessUse, TrafficByName, TrafficSeries
from app.protocol.canary import CanaryCounters
from app.protocol.commands import ExportHistory, GetCounters, GetHistory, GetTraffic, GetTrafficByName
from app.protocol.statistics import SECONDS, Bytes, HistoryPage, Point, Series, Transition

PHONE = "02:00:00:00:00:02"
SUMS = {"device": {PHONE: Bytes(1000, 90_000), "other": Bytes(0, 7)}, "exit": {"default": Bytes(1100, 90_100)}}
RATES = {"device": {PHONE: Bytes(10, 900)}, "exit": {"default": Bytes(11, 901)}}

Question = GetTraffic | GetTrafficByName | GetHistory | ExportHistory | GetCounters
Answer = TrafficSeries | TrafficByName | HistoryPage | HistoryTable | Counters


class FakeRecords:
    def __init__(self) -> None:
        self.history = [
            Transition(
                id=n,
                time=1_700_000_000.0 + n,
                exit="default",
                before="connecting",
                after="connected",
                cause="handshake",
            )
            for n in range(250, 0, -1)
        ]

    def answer(self, question: Question) -> Answer:
        match question:
            case GetTraffic(query=query):
                size = SECONDS[query.step]
                start = int(time.time()) // size * size
                sums = Bytes(1100, 90_007)
                if query.subject.kind != "total":
                    sums = SUMS[query.subject.kind].get(query.subject.name, Bytes())
                points = (Point(start - size, None, None, 0.0), Point(start, sums.up, sums.down, 0.5))
                return TrafficSeries(
                    Series(query.subject, query.step, start - size, start + size, points, sums),
                    RATES.get(query.subject.kind, {}).get(query.subject.name, Bytes()),
                )
            case GetTrafficByName(kind=kind):
                return TrafficByName(SUMS[kind], RATES[kind])
            case GetHistory(query=query):
                found = [r for r in self.history if query.before is None or r.id < query.before]
                found = [r for r in found if r.time >= (query.since or 0) and query.exit in {None, r.exit}]
                more = len(found) > query.limit
                return HistoryPage(tuple(found[: query.limit]), found[query.limit - 1].id if more else None)
            case ExportHistory(query=query):
                if query.before is None:
                    return HistoryTable("time_utc,id\r\n2023-11-14T22:13:22Z,2\r\n", 2)
                return HistoryTable("2023-11-14T22:13:21Z,1\r\n", None)
            case GetCounters():
                return Counters(
                    Bytes(1100, 90_007),
                    SUMS["device"],
                    SUMS["exit"],
                    ProcessUse(1.7e9, 1.5, 40 << 20, 20),
                    {"clear": 3, "tunnel": 40},
                    CanaryCounters(rounds=3, probes=54, leaked=0, last_round=1.7e9, shut=False),
                )
