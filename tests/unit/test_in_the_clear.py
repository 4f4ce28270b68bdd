"""What may leave in the clear, minute by minute, as schedules have it."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.in_the_clear import ALWAYS, in_the_clear, lets_out
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Group,
    PolicyException,
    ScheduleEntry,
    Settings,
    VpnPolicy,
)
from app.policies import effective

TV = "02:00:00:00:00:01"
MONDAY = datetime.fromisoformat("2026-11-30T00:00Z")

policies = st.sampled_from([VpnPolicy(), DirectPolicy(), BlockedPolicy()])
times = st.sampled_from([0, 1, 600, 1200, 1439])
days = st.frozensets(st.integers(0, 6), min_size=1)
schedules = st.lists(
    st.builds(
        ScheduleEntry, days=st.frozensets(st.integers(0, 6), min_size=1), start=times, end=times, policy=policies
    ),
    max_size=3,
).map(tuple)
groups = st.builds(Group, name=st.just("g"), policy=st.none() | policies, schedule=schedules)
devices = st.builds(
    Device, mac=st.just(TV), policy=policies, group=st.sampled_from([None, "g"]), own=st.booleans(), schedule=schedules,
    admitted=st.booleans(),
)  # fmt: skip
worlds = st.builds(
    Settings, default_policy=policies, devices=st.lists(devices, max_size=1).map(tuple), groups=st.tuples(groups),
    new_device_policy=st.sampled_from(["default", "wait"]),
)  # fmt: skip
LOOKS = [MONDAY + timedelta(days=d, minutes=m) for d in range(7) for m in (0, 1, 599, 600, 1199, 1200, 1438, 1439)]


def out(world: Settings) -> list[bool]:
    return [isinstance(effective(world, TV, at.timestamp()).policy, DirectPolicy) for at in LOOKS]


@given(worlds, worlds)
@settings(max_examples=300, deadline=None)
def test_whatever_is_out_at_another_minute_is_noticed(before: Settings, after: Settings) -> None:
    more = any(new and not old for old, new in zip(out(before), out(after), strict=True))
    assert lets_out(before, after) or not more
    assert not lets_out(after, after)


@given(worlds)
@settings(max_examples=100, deadline=None)
def test_what_never_leaves_in_the_clear_is_not_listed(world: Settings) -> None:
    assert (TV in in_the_clear(world)) == (any(out(world)) and bool(world.devices))


def test_time_zone_moves_what_is_out_at_times_alone() -> None:
    entry = ScheduleEntry(frozenset(range(7)), 0, 60, DirectPolicy())
    always, at_times = (
        Settings(devices=(Device(TV, DirectPolicy()),)),
        Settings(devices=(Device(TV, schedule=(entry,)),)),
    )
    assert not lets_out(always, replace(always, time_zone="Asia/Tokyo"))
    assert lets_out(at_times, replace(at_times, time_zone="Asia/Tokyo"))
    assert ALWAYS.bit_length() == 7 * 24 * 60


def test_exception_counts_until_its_end() -> None:
    world = Settings(devices=(Device(TV, DirectPolicy()),))
    blocked = PolicyException(1, 1, BlockedPolicy(), 0.0, 100.0, 100.0, "test", TV)
    assert lets_out(world, world, (blocked,), ())
    assert lets_out(world, world, (blocked,), (replace(blocked, deadline=99.0),))
    assert not lets_out(world, world, (blocked,), (replace(blocked, id=2, deadline=101.0),))
    assert not lets_out(Settings(), Settings(), (blocked,), ())
