"""The hub: one subscription to netd, broadcast to any number of WebSocket clients without waiting for any of them.

A change is encoded once, for all listeners. While netd is away the clients know (``unavailable``); when it is back they
get the missed events and a fresh snapshot, so that none shows an outdated state.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

import msgspec

from app import serialization
from app.api.context import snapshot_of
from app.api.device_body import device_body
from app.api.errors import error_body
from app.api.messages import DeviceChange, Message, Resume
from app.api.replay import EncodedMessage, Replay
from app.api.status import status_body
from app.errors import GatewayError
from app.protocol.events import (
    DeviceChanged,
    Event,
    GatewayEvent,
    SettingsChanged,
    StatusChanged,
    TrafficRates,
    kind,
    payload,
)
from app.protocol.gateway import Gateway
from app.protocol.status import Snapshot

log = logging.getLogger(__name__)

QUEUE = 256  # messages a client may be behind before it is dropped
MIN_RETRY, MAX_RETRY = 0.2, 2.0  # seconds

GOING_AWAY = 1001  # RFC 6455 7.4.1
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013  # IANA WebSocket close codes


class Closing(msgspec.Struct, frozen=True):
    code: int
    reason: str


EXPIRED = Closing(POLICY_VIOLATION, "sign in again")


class Listener:
    """The queue of one client. It collects from the moment of joining, before the first message is made."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[EncodedMessage | Closing] = asyncio.Queue(QUEUE)
        self._included = 0  # the last event that the first message includes

    def begin(self, first: Iterable[EncodedMessage], included: int) -> None:
        """Put ``first`` before everything collected so far, less the events up to ``included``, which it includes."""
        self._included = included
        collected = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        for message in first:
            self._queue.put_nowait(message)
        for item in collected:
            if isinstance(item, Closing):
                self.close(item)
            else:
                self.put(item)

    async def next(self) -> str | Closing:
        item = await self._queue.get()
        return item.text if isinstance(item, EncodedMessage) else item

    def put(self, message: EncodedMessage) -> bool:
        """Queue ``message``. False when the client is too far behind; then it is closed."""
        if message.event is not None and message.event <= self._included:
            return True
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.close(Closing(TRY_AGAIN_LATER, "too slow; connect again"))
            return False
        return True

    def close(self, closing: Closing) -> None:
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(closing)


class Hub:
    def __init__(
        self,
        gateway: Gateway,
        on_snapshot: Callable[[Snapshot], None],
        notices: Callable[[], Iterable[GatewayEvent]] = tuple,
    ) -> None:
        """``notices`` are the events of this process that a new listener gets after the status."""
        self._gateway = gateway
        self._on_snapshot = on_snapshot
        self._notices = notices
        self._listeners: set[Listener] = set()
        self._closing: Closing | None = None
        self._joining: asyncio.Task[tuple[EncodedMessage, int]] | None = None
        self._replay = Replay()
        self._latest: Snapshot | None = None
        self._unavailable: EncodedMessage | None = None  # while netd is away

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    async def run(self) -> None:
        """Follow netd for ever."""
        delay = MIN_RETRY
        while True:
            try:
                snapshot = await self._snapshot()
                delay, self._unavailable = MIN_RETRY, None
                await self._follow(snapshot)
            except GatewayError as error:
                if self._unavailable is None:
                    log.warning("netd: %s", error.message)
                    self._unavailable = _unavailable(error)
                    self._broadcast(self._unavailable)
            await asyncio.sleep(delay)
            delay = min(delay * 2, MAX_RETRY)

    async def _follow(self, snapshot: Snapshot) -> None:
        """Broadcast the missed events, then the status that includes them, then every event as it comes.

        Raises GatewayError; ends when netd does.
        """
        if not snapshot.events_after <= self._replay.last <= snapshot.seq:
            self._replay.restart(snapshot.events_after)  # numbers of another netd, or too many missed events
        behind = self._replay.last < snapshot.seq
        if not behind:
            self._broadcast(_status(snapshot))
        async for event in self._gateway.subscribe(self._replay.last):
            await self._relay(event, snapshot if event.seq <= snapshot.seq else None)
            if behind and event.seq >= snapshot.seq:
                behind = False
                self._broadcast(_status(snapshot))

    async def join(self, after: int | None = None) -> Listener:
        """A new listener. Its first message is the present status, or with ``after`` a :class:`Resume`."""
        listener = Listener()
        if self._closing is not None:
            listener.close(self._closing)
            return listener
        self._listeners.add(listener)
        before: list[EncodedMessage] = []
        if after is not None:
            missed = self._replay.since(after)
            before = [_encoded(Message("resume", Resume(missed is not None, len(missed or ())), after, time.time()))]
            if missed is not None:
                away = [self._unavailable] if self._unavailable is not None else []
                listener.begin([*before, *missed, *away], self._replay.last)
                return listener
        # Many may join at once, for instance after a restart of the web service: they share one snapshot.
        if self._joining is None or self._joining.done():
            self._joining = asyncio.create_task(self._now())
        try:
            first, included = await asyncio.shield(self._joining)
        except BaseException:
            self.leave(listener)
            raise
        listener.begin([*before, first, *(_of_this_process(event) for event in self._notices())], included)
        return listener

    def leave(self, listener: Listener) -> None:
        self._listeners.discard(listener)

    def close(self) -> None:
        """Close every connection: the web service is shutting down."""
        self._closing = Closing(GOING_AWAY, "the gateway's web service is restarting")
        self.expel(self._closing)

    def expel(self, closing: Closing, after: float = 0.0) -> None:
        """Close the present connections, ``after`` seconds from now; clients with valid credentials may come back."""
        if after > 0:
            here = frozenset(self._listeners)
            asyncio.get_running_loop().call_later(after, lambda: self._send_away(here, closing))
        else:
            self._send_away(frozenset(self._listeners), closing)

    def _send_away(self, who: frozenset[Listener], closing: Closing) -> None:
        for listener in who & self._listeners:
            listener.close(closing)
        self._listeners -= who

    def announce(self, event: GatewayEvent) -> None:
        """Broadcast an event of this process, not of netd; it has no number."""
        self._broadcast(_of_this_process(event))

    async def _snapshot(self) -> Snapshot:
        snapshot = await snapshot_of(self._gateway)
        self._on_snapshot(snapshot)
        self._latest = snapshot
        return snapshot

    async def _including(self, seq: int) -> Snapshot:
        """A snapshot that includes the event ``seq``: one for many devices that come at once."""
        latest = self._latest
        return latest if latest is not None and latest.seq >= seq else await self._snapshot()

    async def _now(self) -> tuple[EncodedMessage, int]:
        try:
            snapshot = await self._snapshot()
        except GatewayError as error:
            return _unavailable(error), 0
        return _status(snapshot), snapshot.seq

    async def _relay(self, event: Event, known: Snapshot | None) -> None:
        """Broadcast ``event`` as the state that it leads to, in the shapes of the API.

        ``known`` is a snapshot that includes the event, where there is one already.
        """
        match event.event:
            case TrafficRates() as rates:  # it has the number of the event before, and is not kept
                self._broadcast(_encoded(Message(kind(rates), payload(rates), event.seq, event.time)))
                return
            case StatusChanged():
                message = _status(known or await self._snapshot(), event)
            case DeviceChanged() as changed:
                change = _device_change(changed, known or await self._including(event.seq))
                message = _encoded(Message(kind(changed), change, event.seq, event.time), event.seq)
            case SettingsChanged() as changed:
                if known is None:
                    await self._snapshot()  # for this process itself, which has settings to follow
                message = _encoded(Message(kind(changed), payload(changed), event.seq, event.time), event.seq)
            case other:
                message = _encoded(Message(kind(other), payload(other), event.seq, event.time), event.seq)
        self._replay.add(event.seq, message)
        self._broadcast(message)

    def _broadcast(self, message: EncodedMessage) -> None:
        dropped = [listener for listener in self._listeners if not listener.put(message)]
        self._listeners.difference_update(dropped)


def heartbeat() -> str:
    return _encoded(Message("heartbeat", None, None, time.time())).text


def _of_this_process(event: GatewayEvent) -> EncodedMessage:
    return _encoded(Message(kind(event), payload(event), None, time.time()))


def _status(snapshot: Snapshot, event: Event | None = None) -> EncodedMessage:
    body = status_body(snapshot)
    if event is None:
        return _encoded(Message("status_change", body, snapshot.seq, time.time()))
    return _encoded(Message("status_change", body, event.seq, event.time), event.seq)


def _device_change(changed: DeviceChanged, snapshot: Snapshot) -> DeviceChange:
    return DeviceChange(changed.mac, changed.reason, device_body(snapshot, changed.mac))


def _unavailable(error: GatewayError) -> EncodedMessage:
    return _encoded(Message("unavailable", error_body(error), None, time.time()))


def _encoded(message: Message, event: int | None = None) -> EncodedMessage:
    return EncodedMessage(serialization.encode(message).decode(), event)
