"""A device as clients see it: made of what people decided, of leases, and of what was seen of it (pure)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Annotated

from msgspec import Meta, Struct
from msgspec.structs import replace

from app.mac_address import is_randomised
from app.model import (
    BlockedPolicy,
    Device,
    DeviceKind,
    DirectPolicy,
    Lease,
    Neighbour,
    Policy,
    ScheduleEntry,
    SeenDevice,
    SelfService,
    Settings,
    VpnPolicy,
)
from app.policies import Effective, Source, effective_all
from app.policy_text import parse_policy, policy_text
from app.protocol.preferences import PolicyText
from app.protocol.statistics import Bytes
from app.protocol.status import ExitState, Snapshot


class RecentTraffic(Struct, frozen=True):
    """Bytes of the last 24 hours, and a second just now."""

    up: int
    down: int
    rate: Bytes


class ScheduleBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An entry of a schedule: ``policy`` from ``start`` to ``end``, begun on ``days``, in the gateway's time zone."""

    days: Annotated[tuple[Annotated[int, Meta(ge=0, le=6)], ...], Meta(min_length=1, max_length=7)]  # 0 = Monday
    start: Annotated[int, Meta(ge=0, le=1439)]  # minutes after midnight
    end: Annotated[int, Meta(ge=0, le=1439)]  # at or before ``start``: on the next day
    policy: PolicyText

    def entry(self) -> ScheduleEntry:
        """Raises InvalidFieldError."""
        return ScheduleEntry(frozenset(self.days), self.start, self.end, parse_policy(self.policy))


def schedule_bodies(schedule: Iterable[ScheduleEntry]) -> tuple[ScheduleBody, ...]:
    return tuple(ScheduleBody(tuple(sorted(e.days)), e.start, e.end, policy_text(e.policy)) for e in schedule)


class DeviceBody(Struct, frozen=True):
    mac: str
    name: str | None  # given by the user
    hostname: str | None  # sent by the device
    address: str | None  # its IPv4 address
    addresses: tuple[str, ...]  # all that the gateway knows of it, also link-local ones
    leased: bool  # False = the address was set on the device itself, or another DHCP server gave it
    seen: float | None  # Unix time at which it last answered the gateway
    policy: str  # "vpn", "vpn:<exit>", "direct" or "blocked": the one in force now
    own_policy: bool  # False = it follows its group or the default
    standing_policy: str = "vpn"  # without schedules and exceptions
    policy_source: Source = "default"  # where ``policy`` comes from
    exception: int | None = None  # the id of the open exception that it comes from
    schedule: tuple[ScheduleBody, ...] = ()
    group: str | None = None
    fixed_address: str | None = None  # that DHCP gives to it and to no other device
    admitted: bool = True  # False = it waits, and reaches the gateway's name and page only
    vendor: str | None = None  # by its MAC address
    kind: DeviceKind = "unknown"  # a guess
    randomised: bool = False  # it made its MAC address up, as phones do; a new one makes it another device
    first_seen: float | None = None  # Unix time
    last_seen: float | None = None
    online: bool = False
    exit: str | None = None  # of a device whose policy is an exit
    reason: str | None = None  # why it has no Internet now: a code
    traffic: RecentTraffic | None = None  # None in events


def settings_of(snapshot: Snapshot) -> Settings:
    """The settings that decide about policies."""
    return Settings(
        devices=snapshot.devices,
        groups=snapshot.groups,
        default_policy=snapshot.default_policy,
        new_device_policy=snapshot.new_device_policy,
        time_zone=snapshot.time_zone,
        exits=tuple(e.name for e in snapshot.exits),
        self_service=SelfService("exit"),  # of the choices those are left that may be made
        chosen_exits=snapshot.choices,
    )


def device_bodies(snapshot: Snapshot) -> tuple[DeviceBody, ...]:
    """Every device that something was decided about, with a lease, or seen on the LAN, by MAC address."""
    return tuple(_bodies(snapshot, None))


def device_body(snapshot: Snapshot, mac: str) -> DeviceBody | None:
    """The device of this MAC address."""
    return next(_bodies(snapshot, mac), None)


def _bodies(snapshot: Snapshot, only: str | None) -> Iterator[DeviceBody]:
    def wanted(mac: str) -> bool:
        return only is None or mac == only

    known = {d.mac: d for d in snapshot.devices if wanted(d.mac)}
    leases = {lease.mac: lease for lease in snapshot.leases if wanted(lease.mac)}
    sightings = {s.mac: s for s in snapshot.seen if wanted(s.mac)}
    neighbours: dict[str, list[Neighbour]] = {}
    for neighbour in snapshot.neighbours:
        if wanted(neighbour.mac):
            neighbours.setdefault(neighbour.mac, []).append(neighbour)
    problems = {exit_.name: _problem(exit_.state, exit_.reason) for exit_ in snapshot.exits}
    macs = sorted(known.keys() | leases.keys() | neighbours.keys() | sightings.keys())
    policies, standing = _policies(replace(snapshot, devices=tuple(known.values())), macs)
    for mac in macs:
        made = _body(mac, known.get(mac), leases.get(mac), neighbours.get(mac, []), sightings.get(mac))
        found = policies[mac]
        made = replace(
            made,
            policy=policy_text(found.policy),
            standing_policy=policy_text(standing[mac].policy),
            policy_source=found.source,
            exception=found.exception.id if found.exception is not None else None,
            admitted=found.source != "waiting",
        )
        yield _with_exit(made, found.policy, problems, wan_up=snapshot.wan is not None and snapshot.wan.usable)


def _policies(snapshot: Snapshot, macs: list[str]) -> tuple[dict[str, Effective], dict[str, Effective]]:
    """The policies of the devices now, and those without schedules, exceptions and choices."""
    settings, now = settings_of(snapshot), time.time()
    bare = replace(
        settings,
        chosen_exits={},
        devices=tuple(replace(d, schedule=()) for d in settings.devices),
        groups=tuple(replace(g, schedule=()) for g in settings.groups),
    )
    return effective_all(settings, now, snapshot.exceptions, macs), effective_all(bare, now, (), macs)


def _body(
    mac: str,
    device: Device | None,
    lease: Lease | None,
    neighbours: list[Neighbour],
    sighting: SeenDevice | None,
) -> DeviceBody:
    leased = [lease.address] if lease else []
    known = sighting.addresses if sighting is not None and not (leased or neighbours) else ()
    addresses = tuple(dict.fromkeys((*leased, *(n.address for n in neighbours), *known)))
    seen = max((n.seen for n in neighbours), default=None)
    return DeviceBody(
        mac=mac,
        name=device.name if device else None,
        hostname=(lease.hostname if lease else None) or (sighting.hostname if sighting else None),
        address=next((a for a in addresses if ":" not in a), None),
        addresses=addresses,
        leased=lease is not None,
        seen=seen,
        policy="vpn",
        own_policy=device is not None and device.own,
        group=device.group if device else None,
        fixed_address=str(device.address) if device is not None and device.address is not None else None,
        schedule=schedule_bodies(device.schedule if device else ()),
        vendor=sighting.vendor if sighting else None,
        kind=sighting.kind if sighting else "unknown",
        randomised=is_randomised(mac),
        first_seen=_earliest(device.first_seen if device else None, sighting.first_seen if sighting else None),
        last_seen=sighting.last_seen if sighting else seen,
        online=sighting.online if sighting else False,
    )


def _earliest(*times: float | None) -> float | None:
    return min((time for time in times if time is not None), default=None)


def _with_exit(body: DeviceBody, policy: Policy, problems: dict[str, str | None], *, wan_up: bool) -> DeviceBody:
    """``body`` with the exit of the device, and the reason why it has no Internet."""
    exit_ = policy.exit if isinstance(policy, VpnPolicy) else None
    if not body.admitted:
        reason = "waiting"
    elif isinstance(policy, BlockedPolicy):
        reason = "device_blocked"
    elif isinstance(policy, DirectPolicy):
        reason = None if wan_up else "wan_down"
    else:
        reason = problems.get(policy.exit, "no_such_exit")
    return replace(body, exit=exit_, reason=reason)


def _problem(state: ExitState, reason: str | None) -> str | None:
    return None if state is ExitState.CONNECTED else reason or str(state.value)


def with_traffic(
    bodies: Iterable[DeviceBody], sums: dict[str, Bytes], rates: dict[str, Bytes]
) -> tuple[DeviceBody, ...]:
    """``bodies`` with the bytes of each device."""
    return tuple(_with_traffic(body, sums.get(body.mac, Bytes()), rates.get(body.mac, Bytes())) for body in bodies)


def _with_traffic(body: DeviceBody, total: Bytes, rate: Bytes) -> DeviceBody:
    return replace(body, traffic=RecentTraffic(total.up, total.down, rate))
