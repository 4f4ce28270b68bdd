"""Whether devices are here, as their history tells it: at most one change of a device in ten minutes (no I/O).

What a device does within them is told once they are over, if it is then another state than the one told last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from msgspec import Struct

HOLD = 600.0  # seconds
MOST = 4096  # devices remembered; beyond, the one that was told of first is forgotten


class Presence(NamedTuple):
    mac: str
    online: bool
    time: float  # Unix time


class _Told(Struct):
    online: bool
    clock: float
    since: float | None = None  # the Unix time since which it is otherwise


class PresenceFilter:
    """The filter. ``told`` is what was told last before the start, at which no device has been seen yet."""

    def __init__(self, told: Mapping[str, bool], clock: float) -> None:
        self._told = {mac: _Told(online, float("-inf")) for mac, online in told.items()}
        self._unseen = set(self._told)  # since the start
        self._unseen_until = clock + HOLD

    def observe(self, seen: Presence, clock: float) -> bool:
        """Whether this is to be told now; else it is remembered."""
        mac, online, time = seen
        self._unseen.discard(mac)
        told = self._told.get(mac)
        if told is None or (told.online != online and clock - told.clock >= HOLD):
            self._put(mac, _Told(online, clock))
            return True
        told.since = None if told.online == online else told.since or time
        return False

    def appeared(self, mac: str, *, online: bool) -> None:
        """A new device was told of, whose first change is told whenever it comes."""
        self._unseen.discard(mac)
        self._put(mac, _Told(online, float("-inf")))

    def due(self, clock: float) -> Iterator[Presence]:
        """What was remembered and is to be told now."""
        if self._unseen and clock >= self._unseen_until:
            for mac in self._unseen:  # it has left while nobody looked: that it comes is news again
                self._told.pop(mac, None)
            self._unseen.clear()
        for mac, told in tuple(self._told.items()):
            if told.since is not None and clock - told.clock >= HOLD:
                yield from self.take(mac, clock)

    def take(self, mac: str, clock: float) -> Iterator[Presence]:
        """What was remembered of the device, which is to be told now whatever the time."""
        told = self._told.get(mac)
        if told is not None and told.since is not None:
            yield Presence(mac, not told.online, told.since)
            self._put(mac, _Told(not told.online, clock))

    def all(self, clock: float) -> Iterator[Presence]:
        """Whatever was remembered."""
        for mac in tuple(self._told):
            yield from self.take(mac, clock)

    def forget(self, mac: str) -> None:
        self._unseen.discard(mac)
        self._told.pop(mac, None)

    def _put(self, mac: str, told: _Told) -> None:
        self._told.pop(mac, None)
        self._told[mac] = told
        if len(self._told) > MOST:
            self.forget(next(iter(self._told)))
