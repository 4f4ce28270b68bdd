"""The event bus: events are numbered, kept for resuming listeners, and never wait for a slow listener."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from app.protocol.events import Event, GatewayEvent, TrafficRates
from app.protocol.statistics import Rates
from app.tunnel.clock import boottime

log = logging.getLogger(__name__)

MAX_KEPT = 1000  # events for listeners that resume
MAX_BACKLOG = 500  # events that a listener may be behind before it is dropped
MAX_DEVICES = 100  # devices in one event of rates; the busiest are shown

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # random(4)


def first_number(boot_id: str, since_boot: float) -> int:
    """The number at which netd starts: above all earlier ones of this boot (up to one a millisecond), and below 2**52.

    The high bits come from the boot ID, so that a client that missed a reboot recognises new numbers as such.
    """
    return (int(boot_id.strip().replace("-", ""), 16) % 4096 << 40) + int(since_boot * 1000)


class EventBus:
    """The bus numbers events consecutively; numbers grow across restarts of netd and differ between boots."""

    def __init__(self) -> None:
        self._seq = self._first = first_number(BOOT_ID.read_text(), boottime())
        self._recent: deque[Event] = deque(maxlen=MAX_KEPT)
        self._listeners: set[asyncio.Queue[Event | None]] = set()
        self._followers: list[Callable[[Event], object]] = []

    @property
    def seq(self) -> int:
        return self._seq

    @property
    def kept_after(self) -> int:
        """The number after which all events are still kept."""
        return self._recent[0].seq - 1 if self._recent else self._first

    def publish(self, event: GatewayEvent) -> Event:
        self._seq += 1
        numbered = Event(self._seq, time.time(), event)
        self._recent.append(numbered)
        self._deliver(numbered)
        for follower in self._followers:
            try:
                follower(numbered)
            except Exception:  # what the event tells of has happened: nobody who made it happen must fail by this
                log.exception("an event could not be followed")
        return numbered

    def follow(self, follower: Callable[[Event], object]) -> None:
        """Call ``follower`` with every event from now on, as it happens: the state is that which it tells of."""
        self._followers.append(follower)

    def publish_rates(self, rates: Rates) -> None:
        """Send ``rates`` to the present listeners, not numbered and not replayed: they are soon outdated."""
        if not rates.period:
            return
        busiest = sorted(rates.devices.items(), key=lambda item: -item[1].up - item[1].down)[:MAX_DEVICES]
        shown = msgspec.structs.replace(rates, devices=dict(busiest))
        self._deliver(Event(self._seq, time.time(), TrafficRates(**msgspec.structs.asdict(shown))))

    def _deliver(self, event: Event) -> None:
        for queue in list(self._listeners):
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self._drop(queue)

    async def subscribe(self, after: int | None = None) -> AsyncIterator[Event]:
        """Yield the kept events numbered above ``after``, then new ones. Ends if the listener is too slow."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(MAX_BACKLOG)
        kept = [e for e in self._recent if after is not None and e.seq > after]
        self._listeners.add(queue)
        try:
            for event in kept:
                yield event
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._listeners.discard(queue)

    def _drop(self, queue: asyncio.Queue[Event | None]) -> None:
        self._listeners.discard(queue)
        while not queue.empty():
            queue.get_nowait()
        queue.put_nowait(None)
