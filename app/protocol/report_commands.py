"""The commands that only report: traffic, histories, counters, leak test, log, support file."""

from __future__ import annotations

from app.model import DEFAULT_EXIT
from app.protocol.answers import Counters, HistoryTable, LeakReport, LogLines, TrafficByName, TrafficSeries
from app.protocol.command import Command
from app.protocol.device_history import DeviceHistoryPage, DeviceHistoryQuery
from app.protocol.statistics import HistoryPage, HistoryQuery, Kind, TrafficQuery


class GetTraffic(Command[TrafficSeries], frozen=True, tag="get_traffic"):
    """Bytes over time. Raises UnavailableError (``storage``)."""

    during_bulk = True

    query: TrafficQuery


class GetTrafficByName(Command[TrafficByName], frozen=True, tag="get_traffic_by_name"):
    """Sums over ``query``'s range, whatever its subject. Raises UnavailableError (``storage``)."""

    during_bulk = True

    kind: Kind
    query: TrafficQuery


class GetHistory(Command[HistoryPage], frozen=True, tag="get_history"):
    """One page of the exits' transitions. Raises InvalidFieldError (``limit``), UnavailableError (``storage``)."""

    during_bulk = True

    query: HistoryQuery


class ExportHistory(Command[HistoryTable], frozen=True, tag="export_history"):
    """A page of 1000 as CSV, whatever ``query``'s limit; the first has a header. Raises UnavailableError."""

    during_bulk = True

    query: HistoryQuery


class GetDeviceHistory(Command[DeviceHistoryPage], frozen=True, tag="get_device_history"):
    """One page of a device's history. Raises InvalidFieldError (``limit``), UnavailableError (``storage``)."""

    during_bulk = True

    query: DeviceHistoryQuery


class GetCounters(Command[Counters], frozen=True, tag="get_counters"):
    """Counters that only grow, for metrics."""

    during_bulk = True


class LeakTest(Command[LeakReport], frozen=True, tag="leak_test"):
    """Test whether anything could leave in the clear; changes nothing. Raises NotFoundError (no such exit)."""

    during_bulk = True

    exit: str = DEFAULT_EXIT


class GetLogs(Command[LogLines], frozen=True, tag="get_logs"):
    """The last ``lines`` of netd's log, or the first so many after number ``after``."""

    during_bulk = True

    lines: int = 100
    after: int | None = None


class MakeSupportFile(Command[str], frozen=True, tag="make_support_file"):
    """Make a text of everything that helps to find a fault, without secrets and public addresses. Changes nothing.

    Raises TooManyRequestsError (``busy``) while one is being made.
    """

    during_bulk = True
