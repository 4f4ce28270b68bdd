"""Limits on concurrent WebSockets: for each client, and in all.

A WebSocket holds a file descriptor and some memory for as long as its client likes. Without a limit, one device that
opens a thousand of them takes the last descriptor, and the LAN gets no answer any more.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Generator

from quart import current_app, websocket

from app.api.limits import client_address
from app.errors import TooManyRequestsError

MAX_PER_CLIENT = 600
MAX_OPEN = 2000
_EXTENSION = "vpn_gateway_websockets"


@contextlib.contextmanager
def websocket_slot() -> Generator[None]:
    """Hold a slot for the current WebSocket, taken before it is accepted. Raises TooManyRequestsError."""
    taken: Counter[str] = current_app.extensions.setdefault(_EXTENSION, Counter())
    client = client_address(websocket.remote_addr)
    if taken[client] >= MAX_PER_CLIENT or taken.total() >= MAX_OPEN:
        raise TooManyRequestsError("too many WebSockets are open", code="too_many_websockets", retry_after=10)
    taken[client] += 1
    try:
        yield
    finally:
        taken[client] -= 1
        if not taken[client]:
            del taken[client]
