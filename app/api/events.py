"""The WebSocket ``/ws``: the status, then every event, as ``{"type", "payload", "seq", "time"}``."""

from __future__ import annotations

import asyncio
import re
import time
from typing import cast

from quart import Blueprint, current_app, websocket

from app.api.auth.principal import principal
from app.api.errors import ErrorBody
from app.api.hub import EXPIRED, Closing, Hub, Listener, heartbeat
from app.api.operation import operation
from app.api.websocket_limits import websocket_slot
from app.errors import GatewayError, InvalidFieldError

blueprint = Blueprint("events", __name__)

HUB = "vpn_gateway_hub"
SEND_TIMEOUT = 10.0  # seconds a client may take to accept one message
HEARTBEAT = 20.0  # seconds of silence, then a heartbeat: a page cannot see TCP keep-alives


class UpgradeRequiredError(GatewayError):
    """The request came by plain HTTP and needs a WebSocket (RFC 9110 15.5.22)."""

    status = 426
    code = "upgrade_required"


def hub() -> Hub:
    return cast("Hub", current_app.extensions[HUB])


@blueprint.websocket("/ws")
async def events() -> None:
    after = _after(websocket.args.getlist("after"))
    with websocket_slot():
        await websocket.accept()
        await _send_events(after)


async def _send_events(after: int | None) -> None:
    followed = hub()
    listener = await followed.join(after)
    ignoring = asyncio.create_task(_discard_input())
    try:
        closing = await _pump(listener, good_until())
        # This side must close every WebSocket: one left open has crashed Hypercorn.
        await websocket.close(closing.code, closing.reason)
    except TimeoutError:
        pass  # the kernel drops this connection: see TCP_USER_TIMEOUT in app.web.sockets
    finally:
        followed.leave(listener)
        ignoring.cancel()


@operation(blueprint, "GET", "/ws", status=426)
async def events_by_http() -> ErrorBody:
    """Events as they happen, by WebSocket (RFC 6455).

    Each message is ``{"type", "payload", "seq", "time"}``: first a ``status_change`` with the whole status, then every
    event in order; ``heartbeat`` after 20 seconds of silence. With ``/ws?after=SEQ``, SEQ being the last ``seq`` seen,
    the first message is ``resume``: where its payload has ``complete`` true, exactly the missed events follow;
    otherwise they are no longer kept and a ``status_change`` follows. Plain HTTP gets 426.
    """
    raise UpgradeRequiredError("this path speaks WebSocket only")


def _after(given: list[str]) -> int | None:
    """The number in the query parameter ``after``. Raises InvalidFieldError."""
    if not given:
        return None
    if len(given) > 1 or not re.fullmatch(r"[0-9]{1,16}", given[0]):
        raise InvalidFieldError("after: the seq of the last message that you have", field="after")
    return int(given[0])


def good_until() -> float | None:
    """The Unix time at which the credentials of this WebSocket expire; None = never."""
    found = principal()
    return None if found is None else found.until


async def next_before(until: float | None, listener: Listener) -> str | Closing | None:
    """The next message, None after ``HEARTBEAT`` seconds without one, or ``EXPIRED`` from the Unix time ``until`` on.

    The wall clock may be set at any time, so each call reads it.
    """
    patience = HEARTBEAT if until is None else min(HEARTBEAT, max(0.01, until - time.time()))
    try:
        async with asyncio.timeout(patience):
            item = await listener.next()
    except TimeoutError:
        item = None
    return EXPIRED if until is not None and time.time() >= until else item


async def _pump(listener: Listener, until: float | None) -> Closing:
    while True:
        item = await next_before(until, listener)
        if isinstance(item, Closing):
            return item
        if item is None:
            item = heartbeat()
        async with asyncio.timeout(SEND_TIMEOUT):
            await websocket.send(item)


async def _discard_input() -> None:
    """Read and discard what the client sends, so that it does not pile up in the queue."""
    while True:
        await websocket.receive()
