"""The history of each device, as the gateway's events tell it, and the answer to the question for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol, TypeVar

from msgspec.structs import replace

from app.errors import UnavailableError
from app.model import SeenDevice, VpnPolicy
from app.netd.devices.happenings import after, happened
from app.netd.devices.presence import Presence, PresenceFilter
from app.netd.devices.present_devices import ANY, PresentDevices
from app.policy_text import policy_text
from app.protocol.commands import GetDeviceHistory, HandlerEntry
from app.protocol.device_history import DeviceHappening, DeviceHistoryPage, DeviceHistoryQuery, DeviceRecord
from app.protocol.events import (
    DeviceChanged,
    Event,
    ExceptionEnded,
    ExceptionStarted,
    ExitChanged,
    SettingsChanged,
)
from app.tunnel.clock import boottime

T = TypeVar("T")

log = logging.getLogger(__name__)

LOOK_INTERVAL = 30.0  # seconds between looks at what was held back
MOST = 4096  # devices remembered; beyond, the one that was told of first is forgotten
FOR_ALL = frozenset({"default_policy", "new_device_policy"})  # settings that decide about devices without any


class Records(Protocol):
    """What is used of :class:`app.store.device_history.DeviceHistory`."""

    def append(self, device: str, record: DeviceRecord) -> None: ...

    def forget(self, device: str) -> None: ...

    def rename_policy(self, old: str, new: str) -> None: ...


class DeviceHistoryRecorder:
    """The recorder: it is told of each event as it happens, when the state is the one that the event tells of."""

    def __init__(
        self,
        *,
        records: Records,
        page: Callable[[DeviceHistoryQuery], Awaitable[DeviceHistoryPage]],
        last_presence: Callable[[], Awaitable[dict[str, bool]]],
        present: PresentDevices,
        seen: Callable[[], tuple[SeenDevice, ...]],
        get_seen: Callable[[str], SeenDevice | None],
        decided: Iterable[str],
        follow: Callable[[Callable[[Event], object]], object],
        clock: Callable[[], float] = boottime,
    ) -> None:
        """``decided`` are the devices with settings at the start; ``follow`` tells of each event from now on."""
        self._records = records
        self._page = page
        self._last_presence = last_presence
        self._present = present
        self._seen = seen
        self._get_seen = get_seen
        self._clock = clock
        self._known = {mac: present.known(mac) for mac in dict.fromkeys((*decided, *(d.mac for d in seen())))}
        self._addresses = {device.mac: device.addresses[0] for device in seen() if device.addresses}
        self._members: dict[int, frozenset[str]] = {}  # of the groups with an exception, by its id
        self._started = clock()
        self._presence: PresenceFilter | None = None
        self._early: list[tuple[DeviceChanged, float, float]] = []  # before it is known what was told last
        self._told: set[str] = set()  # of whose presence something was told before the start
        follow(self.on_event)

    def handlers(self) -> tuple[HandlerEntry, ...]:
        return (GetDeviceHistory.handled_by(self._history),)

    async def _history(self, command: GetDeviceHistory) -> DeviceHistoryPage:
        """Raises InvalidFieldError (``limit``), UnavailableError (``storage``)."""
        return await self._page(command.query)

    # --- the task ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tell, until cancelled, what was held back."""
        try:
            self.start(await self._last_presence())
        except UnavailableError as error:
            log.warning("%s", error.message)
            self.start({})
        while True:
            await asyncio.sleep(LOOK_INTERVAL)
            self.look()

    def start(self, told: dict[str, bool]) -> None:
        """Tell of presence from now on; ``told`` was told last before the start."""
        self._presence = PresenceFilter(told, self._started)
        self._told = set(told)
        early, self._early = self._early, []
        for changed, time, clock in early:
            self._on_presence(changed, time, clock, self._presence)

    def look(self) -> None:
        """Tell what was held back long enough."""
        if self._presence is not None:
            self._tell(self._presence.due(self._clock()))

    def close(self) -> None:
        """Tell whatever was held back."""
        if self._presence is not None:
            self._tell(self._presence.all(self._clock()))

    # --- events ------------------------------------------------------------------------------------------------------

    def on_event(self, numbered: Event) -> None:
        time = numbered.time
        match numbered.event:
            case DeviceChanged(mac=mac, reason="forgotten"):
                self._forget(mac)
            case DeviceChanged(reason="online" | "offline" | "appeared") as changed:
                if self._presence is None:
                    self._early.append((changed, time, self._clock()))
                else:
                    self._on_presence(changed, time, self._clock(), self._presence)
            case DeviceChanged(mac=mac, reason="lease", address=str(address)):
                self._leased(mac, time, address)
            case DeviceChanged() as changed:
                self._changed(changed, time)
            case SettingsChanged(changed=names) if FOR_ALL.intersection(names):
                for device in self._seen():  # an event of its own came for each device that is here
                    self._changed(DeviceChanged(device.mac, "policy"), time)
            case ExceptionStarted() as started:
                self._exception_started(started, time)
            case ExceptionEnded() as ended:
                self._exception_ended(ended, time)
            case ExitChanged(change="renamed", exit=new, before=str(old)):
                self._exit_renamed(policy_text(VpnPolicy(old)), policy_text(VpnPolicy(new)))
            case _:
                pass

    def _forget(self, mac: str) -> None:
        self._records.forget(mac)
        self._known.pop(mac, None)
        self._addresses.pop(mac, None)
        self._told.discard(mac)
        self._early = [each for each in self._early if each[0].mac != mac]
        if self._presence is not None:
            self._presence.forget(mac)

    def _on_presence(self, changed: DeviceChanged, time: float, clock: float, presence: PresenceFilter) -> None:
        mac, seen = changed.mac, self._get_seen(changed.mac)
        if changed.reason == "appeared" and mac not in self._told:
            self._appeared(mac, seen, time, presence)
            return
        if changed.reason == "appeared" and (seen is None or not seen.online):
            return  # one that was told of is not new: netd has lost it in a crash
        now = Presence(mac, changed.reason != "offline", time)
        if presence.observe(now, clock):
            self._tell((now,))

    def _appeared(self, mac: str, seen: SeenDevice | None, time: float, presence: PresenceFilter) -> None:
        address = seen.addresses[0] if seen is not None and seen.addresses else None
        _keep(self._known, mac, self._known.get(mac) or self._present.known(mac))
        if address is not None:
            _keep(self._addresses, mac, address)
        self._add(mac, time, "appeared", address=address, name=seen.hostname if seen is not None else None)
        presence.appeared(mac, online=seen is not None and seen.online)

    def _leased(self, mac: str, time: float, address: str) -> None:
        before = self._addresses.get(mac)
        _keep(self._addresses, mac, address)
        if before is not None and before != address:
            self._add(mac, time, "address", address=address, before=before)

    def _changed(self, changed: DeviceChanged, time: float) -> None:
        now = self._present.known(changed.mac)
        before = self._known.get(changed.mac) or self._present.known(ANY)  # nothing was decided about it before
        _keep(self._known, changed.mac, after(changed.reason, before, now))
        for change, fields in happened(changed.reason, before, now):
            self._add(changed.mac, time, change, **fields)

    def _exception_started(self, started: ExceptionStarted, time: float) -> None:
        if started.group is not None:
            self._members[started.id] = self._present.members(started.group)
        fields = {"policy": started.policy, "until": started.until, "by": started.by, "reason": started.reason}
        for mac in self._concerned(started):
            self._add(mac, time, "exception_start", **fields, group=started.group)

    def _exception_ended(self, ended: ExceptionEnded, time: float) -> None:
        for mac in self._concerned(ended):
            now = self._present.known(mac).policy
            fields = {"before": ended.policy, "policy": now, "cause": ended.cause, "group": ended.group}
            self._add(mac, time, "exception_end", **fields)
        self._members.pop(ended.id, None)

    def _concerned(self, event: ExceptionStarted | ExceptionEnded) -> Iterable[str]:
        """The device, or the members of the group: also those that have left it by what ended the exception."""
        if event.device is not None:
            return (event.device,)
        present = self._present.members(event.group) if event.group is not None else frozenset[str]()
        return sorted(present | self._members.get(event.id, frozenset()))

    def _exit_renamed(self, old: str, new: str) -> None:
        self._records.rename_policy(old, new)
        for mac, known in self._known.items():
            policy, own = (new if text == old else text for text in (known.policy, known.own))
            self._known[mac] = replace(known, policy=policy, own=own)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _tell(self, presences: Iterable[Presence]) -> None:
        for mac, online, time in presences:
            self._records.append(mac, DeviceRecord(id=0, time=time, change="online" if online else "offline"))

    def _add(self, mac: str, time: float, change: DeviceHappening, **fields: Any) -> None:
        if self._presence is not None:
            self._tell(self._presence.take(mac, self._clock()))  # it was before, and is to stand before
        self._records.append(mac, DeviceRecord(id=0, time=time, change=change, **fields))


def _keep(kept: dict[str, T], mac: str, value: T) -> None:
    kept[mac] = value
    if len(kept) > MOST:
        del kept[next(iter(kept))]
