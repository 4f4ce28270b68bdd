"""Tells of devices that come, go, or change their address or name: dnsmasq writes leases to a file and tells nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import aiofiles.os

from app.model import Lease
from app.protocol.events import DeviceChanged, EventSink

PERIOD = 2.0  # seconds between looks at the file

Known = dict[str, tuple[str, str | None]]


async def watch_leases(leases: Callable[[], Iterable[Lease]], publish: EventSink, period: float = PERIOD) -> None:
    """Run until cancelled: each change becomes a ``device_change``. Those there are at the start are no news.

    ``leases`` reads the file, and is called in a thread.
    """
    read = aiofiles.os.wrap(leases)
    before = known(await read())
    while True:
        await asyncio.sleep(period)
        now = known(await read())
        if before.keys() - now.keys():  # dnsmasq writes the file in place: we may have seen half of it
            await asyncio.sleep(period / 10)
            now = known(await read())
        for mac, reason in changes(before, now):
            publish(DeviceChanged(mac, reason))
        before = now


def known(leases: Iterable[Lease]) -> Known:
    """What of a lease is worth telling; that it was renewed is not."""
    return {lease.mac: (lease.address, lease.hostname) for lease in leases}


def changes(before: Known, now: Known) -> Iterator[tuple[str, Literal["lease", "lease_ended"]]]:
    """MAC address and reason, in a fixed order."""
    for mac in sorted(before.keys() | now.keys()):
        if mac not in now:
            yield mac, "lease_ended"
        elif before.get(mac) != now[mac]:
            yield mac, "lease"
