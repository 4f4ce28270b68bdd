"""A handler's access to the gateway, which the app carries; nothing is global."""

from __future__ import annotations

import asyncio
from typing import cast

from quart import current_app

from app.errors import UnavailableError
from app.protocol.gateway import Gateway
from app.protocol.status import Snapshot

SNAPSHOT_TIMEOUT = 5.0  # seconds; netd answers in milliseconds or is in trouble

EXTENSION = "vpn_gateway"


def gateway() -> Gateway:
    return cast("Gateway", current_app.extensions[EXTENSION])


async def snapshot_of(source: Gateway) -> Snapshot:
    """A snapshot from ``source``. Raises UnavailableError when netd is away or does not answer in time."""
    try:
        async with asyncio.timeout(SNAPSHOT_TIMEOUT):
            return await source.snapshot()
    except TimeoutError:
        raise UnavailableError("the gateway's network service does not answer; the last rules stay in force") from None


async def snapshot() -> Snapshot:
    return await snapshot_of(gateway())
