"""Hypercorn with the gateway's limits and a graceful shutdown."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, cast

from hypercorn.asyncio.run import worker_serve
from hypercorn.config import Sockets
from hypercorn.utils import wrap_app

from app.api.events import HUB
from app.api.hub import Hub
from app.web import http1
from app.web.app import WebApp

HEADER_TIMEOUT = 15.0  # seconds for a whole request head, also the most that an idle connection is kept
GRACE = 5.0  # seconds for the requests in flight
LAST_GRACE = 8.0  # seconds, then they are cancelled


def config() -> http1.Http1Config:
    made = http1.Http1Config()
    made.include_server_header = False
    made.alpn_protocols = ["http/1.1"]
    made.keep_alive_timeout = HEADER_TIMEOUT
    made.graceful_timeout = GRACE
    made.h11_max_incomplete_size = 16 * 1024
    made.websocket_max_message_size = 4 * 1024  # clients have little to say
    # No websocket_ping_interval: its task outlives the connection and holds up the shutdown. See app.api.events.
    made.backlog = 512
    made.errorlog = logging.getLogger("hypercorn.error")
    return made


async def serve(app: WebApp, sockets: list[socket.socket], stop: asyncio.Event) -> None:
    """Serve ``app`` on ``sockets`` until ``stop`` is set; in-flight requests get a few seconds."""
    http1.install()
    hub = cast("Hub", app.extensions[HUB])

    async def stopping(*_: object) -> None:
        await stop.wait()
        hub.close()

    wrapped: Any = wrap_app(cast("Any", app), 0, "asgi")
    serving = asyncio.create_task(
        worker_serve(wrapped, config(), sockets=Sockets([], sockets, []), shutdown_trigger=stopping)
    )
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(LAST_GRACE):
            await serving
    except TimeoutError:
        logging.getLogger(__name__).warning("some requests did not end in time")
    finally:
        stopped.cancel()
