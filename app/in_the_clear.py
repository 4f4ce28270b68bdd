"""What may leave in the clear, past the VPN: whoever opens more of that needs the owner's password (pure).

The minutes of the week in which a device may do so are compared, as the bits of a number: a schedule that is moved, a
group that is left or a device that is forgotten may open as much as a policy does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from app.model import DirectPolicy, Policy, PolicyException, ScheduleEntry, Settings
from app.self_service import more_pauses

DAY = 24 * 60  # minutes
WEEK = 7 * DAY
ALWAYS = (1 << WEEK) - 1
NEVER = 0

DEFAULT, NEW_DEVICES = "default", "new devices"  # beside the MAC addresses and ``group NAME``


def in_the_clear(settings: Settings) -> frozenset[str]:
    """What may leave in the clear at some time: MAC addresses, ``group NAME``, and the two names above."""
    view = _View(settings)
    return frozenset(name for name in view.names if view.minutes(name))


def opened(before: Settings, after: Settings) -> Iterator[str]:
    """What ``after`` lets out in the clear at a time at which ``before`` does not."""
    old, new = _View(before), _View(after)
    moved = before.time_zone != after.time_zone  # the clock that schedules go by
    for name in dict.fromkeys((*new.names, *old.devices)):  # one that is forgotten is treated as a new device
        minutes = new.minutes(name)
        if minutes & ~old.minutes(name) or (moved and minutes not in {NEVER, ALWAYS}):
            yield name


def lets_out(
    before: Settings,
    after: Settings,
    open_before: Sequence[PolicyException] = (),
    open_after: Sequence[PolicyException] | None = None,
) -> bool:
    """Whether ``after`` lets anything out in the clear that ``before`` does not, at whatever time.

    The exceptions are those that are open before and after; None = the same.
    """
    old, new = _View(before, open_before), _View(after, open_before if open_after is None else open_after)
    macs = dict.fromkeys((*old.macs, *new.macs))
    return (
        any(True for _ in opened(before, after))
        or any(True for _ in more_pauses(before, after))
        or any(_exceptions_open(mac, old, new) for mac in macs)
    )


def _exceptions_open(mac: str, old: _View, new: _View) -> bool:
    """Whether a device leaves in the clear by an exception that is new to it, or is no longer kept from that by one."""
    mine, before = new.exceptions(mac), old.exceptions(mac)
    if old.minutes(mac) != ALWAYS and not _cover(before, mine, direct=True):
        return True
    open_at_all = new.minutes(mac) != NEVER or any(_is_direct(e.policy) for e in mine)
    return open_at_all and not _cover(mine, before, direct=False)


def _cover(some: Sequence[PolicyException], others: Sequence[PolicyException], *, direct: bool) -> bool:
    """Whether, of those that are ``direct`` or are not, ``some`` last as long as any of ``others``."""
    longest = max((e.deadline for e in some if _is_direct(e.policy) is direct), default=0.0)
    return all(e.deadline <= longest for e in others if _is_direct(e.policy) is direct)


class _View:
    """The settings and the open exceptions of one moment."""

    def __init__(self, settings: Settings, exceptions: Sequence[PolicyException] = ()) -> None:
        self._settings = settings
        self._exceptions = exceptions
        self.devices = {device.mac: device for device in settings.devices}
        self._groups = {group.name: group for group in settings.groups}

    @property
    def names(self) -> Iterable[str]:
        return (DEFAULT, NEW_DEVICES, *(f"group {name}" for name in self._groups), *self.devices)

    @property
    def macs(self) -> Iterable[str]:
        return (*self.devices, *(e.mac for e in self._exceptions if e.mac is not None))

    def exceptions(self, mac: str) -> list[PolicyException]:
        """Those of the device and its group; a device that waits has none."""
        device = self.devices.get(mac)
        if self._settings.new_device_policy == "wait" if device is None else not device.admitted:
            return []
        group = device.group if device is not None else None
        return [e for e in self._exceptions if e.mac == mac or (group is not None and e.group == group)]

    def minutes(self, name: str) -> int:
        """The minutes of the week in which what is called so may leave in the clear."""
        if name == DEFAULT:
            return _always(self._settings.default_policy)
        if name.startswith("group "):
            group = self._groups.get(name.removeprefix("group "))
            return NEVER if group is None else _minutes(group.schedule, _always(group.policy))
        return self._of_device(name)

    def _of_device(self, mac: str) -> int:
        settings, device = self._settings, self.devices.get(mac)
        if device is None:
            return NEVER if settings.new_device_policy == "wait" else _always(settings.default_policy)
        if not device.admitted:
            return NEVER
        group = self._groups.get(device.group) if device.group is not None else None
        policy = device.policy if device.own else (group and group.policy) or settings.default_policy
        standing = _minutes(group.schedule, _always(policy)) if group is not None else _always(policy)
        return _minutes(device.schedule, standing)


def _is_direct(policy: Policy | None) -> bool:
    return isinstance(policy, DirectPolicy)


def _always(policy: Policy | None) -> int:
    return ALWAYS if _is_direct(policy) else NEVER


@lru_cache(maxsize=1024)
def _minutes(schedule: tuple[ScheduleEntry, ...], otherwise: int) -> int:
    """Those of a schedule, whose first entry that holds counts; ``otherwise`` are those where none does."""
    found, left = NEVER, ALWAYS
    for entry in schedule:
        held = _held(entry) & left
        if _is_direct(entry.policy):
            found |= held
        left &= ~held
    return found | (otherwise & left)


def _held(entry: ScheduleEntry) -> int:
    """The minutes in which the entry holds, as :func:`app.schedules.entry_at` has it."""
    length = entry.end - entry.start if entry.start < entry.end else DAY - entry.start + entry.end
    found = NEVER
    for day in entry.days:
        bits = ((1 << length) - 1) << (day * DAY + entry.start)
        found |= (bits | bits >> WEEK) & ALWAYS  # Sunday's night ends on Monday
    return found
