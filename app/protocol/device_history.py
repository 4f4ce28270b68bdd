"""The history of a device as values: what happened to it, and what was decided about it (pure).

A record holds codes and names as the settings have them, no sentences; a field that says nothing is left out.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from app.policies import Source

DeviceHappening = Literal[
    "appeared",  # it was never seen before, or was forgotten
    "online",
    "offline",
    "address",  # by DHCP, and another than it had
    "policy",  # the one in effect is another
    "own_policy",  # its own is another, which does not count now
    "schedule",  # its own
    "renamed",
    "group",
    "fixed_address",
    "admitted",
    "self_service",  # what it may decide itself
    "exception_start",  # or the end of one was moved
    "exception_end",
]
EndCause = Literal["time", "ended", "replaced"]


class DeviceRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened to a device. For most changes ``before`` is what was there instead."""

    id: int  # grows; 0 = not stored yet
    time: float  # Unix time
    change: DeviceHappening
    policy: str | None = None  # from now on; left out with ``own_policy``: it has none
    before: str | None = None  # the policy, address, name or group until now
    until: float | None = None  # the end of the exception, Unix time
    by: str | None = None  # who asked for the exception
    reason: str | None = None  # why, in that person's words
    cause: Source | EndCause | None = None  # where the policy comes from, or why the exception has ended
    group: str | None = None  # that it is in now, or whose policy or exception it is
    address: str | None = None
    name: str | None = None  # its new one; of one that has appeared: what it calls itself
    allow: Literal["off", "pause", "exit", "all"] | None = None  # what it may decide; left out = as everybody


class DeviceHistoryQuery(Struct, frozen=True):
    """A query for a device's records, the newest first; ``before`` is the ``next`` of the page before."""

    device: str  # its MAC address
    limit: int = 100  # 1 to 1000
    before: int | None = None


class DeviceHistoryPage(Struct, frozen=True):
    records: tuple[DeviceRecord, ...]
    next: int | None  # None = this is the last page
