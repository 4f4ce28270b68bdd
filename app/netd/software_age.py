"""A monitor reports software so old that known security holes are likely in it, until there are updates."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path

import aiofiles.os

from app.protocol.events import EventSink, SecurityAlert

log = logging.getLogger(__name__)

BUILT = Path("/usr/lib/vpn-gateway/version")  # its modification time is that of the image's newest part
OLD = 180 * 86_400  # seconds; dnsmasq, hostapd, OpenSSL and the kernel have had a security release in each half year
CHECK_INTERVAL = 3600.0  # seconds; the clock may be set late
REMIND_INTERVAL = 30 * 86_400  # seconds between reports


async def watch_age(publish: EventSink, built: Path = BUILT, now: Callable[[], float] = time.time) -> None:
    """Run until cancelled: report software older than ``OLD``, and again every ``REMIND_INTERVAL``.

    Where there is no file ``built``, as outside of an image, nothing is reported.
    """
    reported: float | None = None
    while True:
        try:
            age = now() - (await aiofiles.os.stat(built)).st_mtime
        except OSError:
            age = 0.0
        if age > OLD and (reported is None or now() - reported >= REMIND_INTERVAL):
            reported = now()
            message = (
                f"this gateway's software is {age / 86_400:.0f} days old: security holes found since are open in it."
                " Make a backup, write a newer image to the card, and restore the backup"
            )
            log.warning("%s", message)
            publish(SecurityAlert("software_old", message))
        await asyncio.sleep(CHECK_INTERVAL)
