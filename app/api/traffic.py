"""Traffic statistics: by device, by exit and in all; history and present rates.

Counts are bytes of IP packets, ``up`` to the Internet and ``down`` from it; an exit's are those of its interface.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field
from quart import Blueprint

from app.api.context import gateway, snapshot
from app.api.operation import operation
from app.protocol.answers import TrafficByName
from app.protocol.commands import GetTraffic, GetTrafficByName
from app.protocol.statistics import OTHER, Bytes, Kind, Point, Step, TrafficQuery, traffic_query

blueprint = Blueprint("traffic", __name__)

Text = Annotated[str, Meta(min_length=1, max_length=255)]


class SeriesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """The query for a series: ``range`` as ``90m``, ``24h``, ``7d``, ``4w`` or seconds; ``step`` as fits by default."""

    device: Text | None = None  # a MAC address, or "other"
    exit: Text | None = None
    range: Text | None = None
    step: Step | None = None


class SumQuery(Struct, frozen=True, forbid_unknown_fields=True):
    range: Text | None = None
    step: Step | None = None


class SeriesBody(Struct, frozen=True):
    device: str | None
    exit: str | None
    step: Step
    start: int  # Unix time
    end: int
    sum: Bytes
    rate: Bytes  # bytes a second, over the last few seconds
    points: tuple[Point, ...]  # oldest first, none left out


class DeviceTraffic(Struct, frozen=True):
    mac: str  # or "other": devices beyond the number that is counted one by one
    name: str | None
    hostname: str | None
    up: int
    down: int
    rate: Bytes


class DevicesBody(Struct, frozen=True):
    range: int  # seconds
    step: Step
    devices: tuple[DeviceTraffic, ...]  # the most bytes first


class ExitTraffic(Struct, frozen=True):
    exit: str
    up: int
    down: int
    rate: Bytes


class ExitsBody(Struct, frozen=True):
    range: int  # seconds
    step: Step
    exits: tuple[ExitTraffic, ...] = field(default_factory=tuple)


@operation(blueprint, "GET", "/api/traffic")
async def traffic(query: SeriesQuery) -> SeriesBody:
    """Get bytes over time: of one device, of one exit, or in all.

    A point whose ``up`` and ``down`` are null lies before the first count or while the machine was off; ``covered`` is
    the share of it in which the counters were read.
    """
    wanted = traffic_query(query.device, query.exit, query.range, query.step)
    result = await gateway().submit(GetTraffic(wanted))
    series = result.series
    return SeriesBody(
        device=series.subject.name if series.subject.kind == "device" else None,
        exit=series.subject.name if series.subject.kind == "exit" else None,
        step=series.step,
        start=series.start,
        end=series.end,
        sum=series.sum,
        rate=result.rate,
        points=series.points,
    )


@operation(blueprint, "GET", "/api/traffic/devices")
async def traffic_by_device(query: SumQuery) -> DevicesBody:
    """Get each device's bytes in the range, and its present rate."""
    wanted, found = await _by_name("device", query)
    now = await snapshot()
    names = {d.mac: d.name for d in now.devices}
    hostnames = {lease.mac: lease.hostname for lease in now.leases}
    devices = [
        DeviceTraffic(mac, names.get(mac), hostnames.get(mac), sums.up, sums.down, found.rates.get(mac, Bytes()))
        for mac, sums in found.sums.items()
    ]
    devices.sort(key=lambda d: (d.mac == OTHER, -(d.up + d.down), d.mac))
    return DevicesBody(wanted.range, wanted.step, tuple(devices))


@operation(blueprint, "GET", "/api/traffic/exits")
async def traffic_by_exit(query: SumQuery) -> ExitsBody:
    """Get each exit's bytes in the range, and its present rate."""
    wanted, found = await _by_name("exit", query)
    names = dict.fromkeys([*(e.name for e in (await snapshot()).exits), *sorted(found.sums)])
    return ExitsBody(
        wanted.range,
        wanted.step,
        tuple(
            ExitTraffic(name, sums.up, sums.down, found.rates.get(name, Bytes()))
            for name in names
            for sums in (found.sums.get(name, Bytes()),)
        ),
    )


async def _by_name(kind: Kind, query: SumQuery) -> tuple[TrafficQuery, TrafficByName]:
    wanted = traffic_query(range_=query.range, step=query.step)
    return wanted, await gateway().submit(GetTrafficByName(kind, wanted))
