"""A monitor reports a full table of connections: new connections of all devices then fail."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from app import async_files
from app.protocol.events import EventSink, SecurityAlert

log = logging.getLogger(__name__)

FILES = Path("/proc/sys/net/netfilter")
POLL_INTERVAL = 5.0  # seconds
FULL, ROOM = 0.95, 0.75  # parts of the table: reported from the first on, and again after it was below the second


async def watch_connections(publish: EventSink, files: Path = FILES) -> None:
    """Run until cancelled: report once each time that the table fills.

    A kernel without connection tracking has no such files, and nothing is reported.
    """
    reported = False
    while True:
        try:
            count = int(await async_files.read_text(files / "nf_conntrack_count"))
            most = int(await async_files.read_text(files / "nf_conntrack_max"))
        except (OSError, ValueError):
            count, most = 0, 1
        if count >= FULL * most and not reported:
            reported = True
            message = (
                f"{count} of {most} connections are in use: new ones of all devices fail now. One device seldom has"
                " more than a few hundred: look for one that scans or shares files, and block it"
            )
            log.warning("%s", message)
            publish(SecurityAlert("connections_full", message))
        elif count < ROOM * most:
            reported = False
        await asyncio.sleep(POLL_INTERVAL)
