"""The times at which devices' policies were last seen to change; those from before netd's start are not known."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from app.protocol.events import DeviceChanged, Event

MOST = 2048  # devices remembered; beyond, the one that changed first is forgotten
CHANGES = frozenset({"policy", "group", "admitted", "self_service"})


class PolicyTimes:
    """Follows the gateway's events."""

    def __init__(self, subscribe: Callable[[], AsyncIterator[Event]]) -> None:
        self._subscribe = subscribe
        self._times: dict[str, float] = {}

    def changed(self, mac: str) -> float | None:
        """The Unix time of the last change of the device's policy."""
        return self._times.get(mac)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            async for event in self._subscribe():
                self.follow(event)

    def follow(self, event: Event) -> None:
        match event.event:
            case DeviceChanged(mac=mac, reason=reason) if reason in CHANGES:
                self._times.pop(mac, None)
                self._times[mac] = event.time
                if len(self._times) > MOST:
                    del self._times[next(iter(self._times))]
            case _:
                pass
