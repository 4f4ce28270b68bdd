"""One subscription to netd, told on to any number of WebSocket clients; none of them is ever waited for.

A change is turned into its message once, whoever listens. While netd is away the clients are told so, and when it is
back they get a fresh snapshot: nobody is left looking at an old truth.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import msgspec

from app import codec
from app.api.context import snapshot_of
from app.api.errors import error_body
from app.api.status import status_body
from app.errors import GatewayError
from app.gateway import Gateway
from app.model import Event, Snapshot

log = logging.getLogger(__name__)

QUEUE = 256  # messages a client may be behind before it is dropped
RETRY_FIRST, RETRY_MOST = 0.2, 2.0  # seconds

GOING_AWAY = 1001  # RFC 6455 7.4.1
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013  # IANA WebSocket close codes


class Message(msgspec.Struct, frozen=True):
    """What a client receives, as JSON."""

    type: str
    payload: object
    seq: int | None
    time: float  # Unix time


class Told(msgspec.Struct, frozen=True):
    """A message ready to be sent. ``event`` is the event's number; None for a snapshot, which is news to everybody."""

    text: str
    event: int | None = None


class Closing(msgspec.Struct, frozen=True):
    code: int
    reason: str


class Listener:
    """What one client still has to be sent. It collects from when it joins, before its first message is made."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Told | Closing] = asyncio.Queue(QUEUE)
        self._included = 0  # the last event that the first message includes

    def begin(self, first: Told, included: int) -> None:
        """Put ``first`` before everything collected so far, less what it includes already."""
        self._included = included
        collected = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        self._queue.put_nowait(first)
        for item in collected:
            if isinstance(item, Closing):
                self.close(item)
            else:
                self.put(item)

    async def next(self) -> str | Closing:
        item = await self._queue.get()
        return item.text if isinstance(item, Told) else item

    def put(self, told: Told) -> bool:
        """False when the client is too far behind; then it is sent away."""
        if told.event is not None and told.event <= self._included:
            return True
        try:
            self._queue.put_nowait(told)
        except asyncio.QueueFull:
            self.close(Closing(TRY_AGAIN_LATER, "too slow; connect again"))
            return False
        return True

    def close(self, closing: Closing) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(closing)


class Hub:
    def __init__(self, gateway: Gateway, on_snapshot: Callable[[Snapshot], None]) -> None:
        self._gateway = gateway
        self._on_snapshot = on_snapshot
        self._listeners: set[Listener] = set()
        self._closing: Closing | None = None
        self._joining: asyncio.Task[tuple[Told, int]] | None = None

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    async def run(self) -> None:
        """Follow netd for ever."""
        delay = RETRY_FIRST
        told = False
        while True:
            try:
                snapshot = await self._snapshot()
                self._tell(_status(snapshot))
                delay, told = RETRY_FIRST, False
                async for event in self._gateway.subscribe(snapshot.seq):
                    await self._relay(event)
            except GatewayError as error:
                if not told:
                    log.warning("netd: %s", error.message)
                    self._tell(_unavailable(error))
                    told = True
            await asyncio.sleep(delay)
            delay = min(delay * 2, RETRY_MOST)

    async def join(self) -> Listener:
        """A new listener, whose first message is what is so now."""
        listener = Listener()
        if self._closing is not None:
            listener.close(self._closing)
            return listener
        self._listeners.add(listener)
        # Many may join at once, after a restart of ours for instance: they share one look at netd.
        if self._joining is None or self._joining.done():
            self._joining = asyncio.create_task(self._now())
        try:
            listener.begin(*await asyncio.shield(self._joining))
        except BaseException:
            self.leave(listener)
            raise
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def close(self) -> None:
        """Send everybody away: the web service is shutting down."""
        self._closing = Closing(GOING_AWAY, "the gateway's web service is restarting")
        self.expel(self._closing)

    def expel(self, closing: Closing) -> None:
        """Send everybody away who is here now; they may come back, if they still may."""
        for listener in self._listeners:
            listener.close(closing)
        self._listeners.clear()

    def announce(self, kind: str, payload: dict[str, object]) -> None:
        """Tell everybody of what happened in this process and not in netd; it has no number."""
        self._tell(_told(Message(kind, payload, None, time.time())))

    async def _snapshot(self) -> Snapshot:
        snapshot = await snapshot_of(self._gateway)
        self._on_snapshot(snapshot)
        return snapshot

    async def _now(self) -> tuple[Told, int]:
        try:
            snapshot = await self._snapshot()
        except GatewayError as error:
            return _unavailable(error), 0
        return _status(snapshot), snapshot.seq

    async def _relay(self, event: Event) -> None:
        """From netd comes what changed; clients get the whole status, in the shape of ``GET /api/status``."""
        if event.type == "status_change":
            self._tell(_status(await self._snapshot(), event))
        elif event.type == "traffic":  # told in passing, with the number of the event before
            self._tell(_told(Message(event.type, event.payload, event.seq, event.time)))
        else:
            self._tell(_told(Message(event.type, event.payload, event.seq, event.time), event.seq))

    def _tell(self, told: Told) -> None:
        dropped = [listener for listener in self._listeners if not listener.put(told)]
        self._listeners.difference_update(dropped)


def heartbeat() -> str:
    return _told(Message("heartbeat", None, None, time.time())).text


def _status(snapshot: Snapshot, event: Event | None = None) -> Told:
    body = status_body(snapshot)
    if event is None:
        return _told(Message("status_change", body, snapshot.seq, time.time()))
    return _told(Message("status_change", body, event.seq, event.time), event.seq)


def _unavailable(error: GatewayError) -> Told:
    return _told(Message("unavailable", error_body(error), None, time.time()))


def _told(message: Message, event: int | None = None) -> Told:
    return Told(codec.encode(message).decode(), event)
