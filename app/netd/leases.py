"""The lease watcher publishes lease changes. dnsmasq has no notification for them, so its lease file is polled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import aiofiles.os

from app.model import Lease
from app.protocol.events import DeviceChanged, EventSink

POLL_INTERVAL = 2.0  # seconds between reads of the file

Fields = dict[str, tuple[str, str | None]]


async def watch_leases(
    leases: Callable[[], Iterable[Lease]], publish: EventSink, period: float = POLL_INTERVAL
) -> None:
    """Run until cancelled: publish a ``device_change`` for each change. Leases at the start are not published.

    ``leases`` reads the file and is called in a thread.
    """
    read = aiofiles.os.wrap(leases)
    before = published_fields(await read())
    while True:
        await asyncio.sleep(period)
        now = published_fields(await read())
        if before.keys() - now.keys():  # dnsmasq writes the file in place: the read may have been partial
            await asyncio.sleep(period / 10)
            now = published_fields(await read())
        for mac, reason in lease_changes(before, now):
            publish(DeviceChanged(mac, reason, now[mac][0] if mac in now else None))
        before = now


def published_fields(leases: Iterable[Lease]) -> Fields:
    """Address and host name by MAC address: the fields whose change is published. A renewal changes neither."""
    return {lease.mac: (lease.address, lease.hostname) for lease in leases}


def lease_changes(before: Fields, now: Fields) -> Iterator[tuple[str, Literal["lease", "lease_ended"]]]:
    """The MAC addresses that have changed, sorted, each with the reason (pure)."""
    for mac in sorted(before.keys() | now.keys()):
        if mac not in now:
            yield mac, "lease_ended"
        elif before.get(mac) != now[mac]:
            yield mac, "lease"
