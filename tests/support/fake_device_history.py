"""The history of devices for the fake gateway: of each, what a test puts in."""

from __future__ import annotations

from app.protocol.device_history import DeviceHistoryPage, DeviceHistoryQuery, DeviceRecord

TV = "02:00:00:00:00:01"
START = 1_700_000_000.0

HISTORY = (
    DeviceRecord(id=1, time=START, change="appeared", address="192.168.77.20", name="lgwebostv"),
    DeviceRecord(id=2, time=START + 60, change="renamed", name="Telly"),
    DeviceRecord(id=3, time=START + 120, change="policy", policy="blocked", before="vpn", cause="own"),
    DeviceRecord(
        id=5,
        time=START + 180,
        change="exception_start",
        policy="direct",
        until=START + 3780,
        by="admin",
        reason="football",
    ),
    DeviceRecord(id=8, time=START + 3780, change="exception_end", policy="blocked", before="direct", cause="time"),
    DeviceRecord(id=9, time=START + 3900, change="offline"),
)


class FakeDeviceHistory:
    def __init__(self) -> None:
        self.records: dict[str, tuple[DeviceRecord, ...]] = {TV: HISTORY}

    def page(self, query: DeviceHistoryQuery) -> DeviceHistoryPage:
        """The newest first."""
        found = [r for r in reversed(self.records.get(query.device, ())) if query.before is None or r.id < query.before]
        more = len(found) > query.limit
        return DeviceHistoryPage(tuple(found[: query.limit]), found[query.limit - 1].id if more else None)
