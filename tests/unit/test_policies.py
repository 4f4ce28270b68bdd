"""Policies: which of a device's counts, and what of it the kernel ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.admission import default_policy
from app.in_the_clear import lets_out
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Group,
    Policy,
    PolicyException,
    ScheduleEntry,
    Settings,
    VpnPolicy,
    WaitingPolicy,
)
from app.policies import (
    PlannedException,
    effective,
    effective_all,
    openness,
    planned,
)

TV, PHONE, NAS = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
NOW = 1_800_000_000.0
ALWAYS = frozenset(range(7))
BLOCKED, DIRECT, VPN, SE = BlockedPolicy(), DirectPolicy(), VpnPolicy(), VpnPolicy("se")


def whole_day(policy: Policy) -> tuple[ScheduleEntry, ...]:
    return (ScheduleEntry(ALWAYS, 0, 0, policy),)


def exception(policy: Policy, mac: str | None = TV, group: str | None = None, **more: object) -> PolicyException:
    values: dict[str, object] = {"id": 1, "slot": 1, "started": NOW - 9, "until": NOW + 60, "deadline": 99.0}
    return PolicyException(policy=policy, by="admin", mac=mac, group=group, **(values | more))  # type: ignore[arg-type]


# From the weakest to the strongest: each is added to those before it.
LADDER = (
    ("default", lambda s, e: (replace(s, default_policy=SE), e)),
    ("group", lambda s, e: (_grouped(s, policy=DIRECT), e)),
    ("own", lambda s, e: (_device(s, policy=VPN, own=True), e)),
    ("group_schedule", lambda s, e: (_grouped(s, schedule=whole_day(DIRECT)), e)),
    ("schedule", lambda s, e: (_device(s, schedule=whole_day(SE)), e)),
    ("exception", lambda s, e: (s, (*e, exception(BLOCKED, None, "children", id=1, slot=1)))),
    ("exception", lambda s, e: (s, (*e, exception(DIRECT, id=2, slot=2)))),
    ("waiting", lambda s, e: (_device(s, admitted=False), e)),
)


def _device(settings: Settings, **changes: object) -> Settings:
    (device,) = settings.devices
    return replace(settings, devices=(replace(device, **changes),))


def _grouped(settings: Settings, **changes: object) -> Settings:
    (group,) = settings.groups
    return replace(settings, groups=(replace(group, **changes),))


def test_each_source_outranks_all_weaker_ones() -> None:
    settings = Settings(devices=(Device(TV, BLOCKED, group="children", own=False),), groups=(Group("children"),))
    exceptions: tuple[PolicyException, ...] = ()
    wanted = (SE, DIRECT, VPN, DIRECT, SE, BLOCKED, DIRECT, BLOCKED)
    for (source, change), policy in zip(LADDER, wanted, strict=True):
        settings, exceptions = change(settings, exceptions)
        found = effective(settings, TV, NOW, exceptions)
        assert (found.source, found.policy) == (source, policy)


def test_device_that_is_not_listed_has_the_default() -> None:
    assert effective(Settings(default_policy=SE), PHONE, NOW).policy == SE
    assert effective(Settings(), PHONE, NOW, (exception(DIRECT, PHONE),)).policy == DIRECT


def test_group_without_settings_gives_no_policy() -> None:
    settings = Settings(devices=(Device(TV, BLOCKED, group="unknown", own=False),))
    assert effective(settings, TV, NOW).source == "default"


def test_exception_whose_time_is_over_counts_no_more() -> None:
    late = exception(DIRECT, until=NOW)
    assert effective(Settings(), TV, NOW, (late,)).source == "default"
    assert planned(Settings(), NOW, (late,)).exceptions == ()


def test_what_opens_is_apart_and_what_closes_is_standing() -> None:
    settings = Settings(devices=(Device(TV, VPN), Device(PHONE, DIRECT)))
    found = planned(settings, NOW, (exception(DIRECT), exception(BLOCKED, PHONE, id=2, slot=2)))
    assert dict(found.devices) == {TV: VPN, PHONE: BLOCKED}
    assert found.exceptions == (PlannedException(1, DIRECT, (TV,), 99.0),)


def test_other_exit_for_a_while_ends_in_the_kernel_too() -> None:
    found = planned(Settings(devices=(Device(TV, VPN),)), NOW, (exception(SE),))
    assert dict(found.devices) == {TV: VPN}
    assert found.exceptions == (PlannedException(1, SE, (TV,), 99.0),)


def test_group_exception_opens_every_member_in_one_slot() -> None:
    members = (Device(mac, BLOCKED, group="children") for mac in (PHONE, TV))
    devices = (*members, Device(NAS, BLOCKED))
    found = planned(Settings(devices=devices), NOW, (exception(VPN, None, "children"),))
    assert found.exceptions == (PlannedException(1, VPN, (TV, PHONE), 99.0),)


def test_after_an_opening_within_a_closing_it_is_closed() -> None:
    """The device may use the VPN for ten minutes while its group is blocked: with netd dead, blocked follows."""
    settings = Settings(devices=(Device(TV, DIRECT, group="children"),))
    both = (exception(BLOCKED, None, "children", id=1, slot=1), exception(VPN, TV, id=2, slot=2))
    found = planned(settings, NOW, both)
    assert dict(found.devices) == {TV: BLOCKED}
    assert [(e.slot, e.policy) for e in found.exceptions] == [(2, VPN)]


def test_device_that_waits_gets_nothing_by_an_exception() -> None:
    settings = Settings(devices=(Device(TV, DIRECT, admitted=False),))
    found = planned(settings, NOW, (exception(DIRECT),))
    assert (dict(found.devices), found.exceptions) == ({TV: WaitingPolicy()}, ())


policies = st.sampled_from((BLOCKED, VPN, SE, DIRECT))
groups = st.sampled_from((None, "a", "b"))


devices = st.builds(
    Device,
    mac=st.sampled_from((TV, PHONE)),
    policy=policies,
    group=groups,
    own=st.booleans(),
    admitted=st.booleans(),
    schedule=policies.map(whole_day) | st.just(()),
)
of_group = st.builds(Group, st.just("a"), policies | st.none(), policies.map(whole_day) | st.just(()))
any_settings = st.builds(
    Settings,
    devices=st.lists(devices, unique_by=lambda d: d.mac).map(tuple),
    groups=of_group.map(lambda g: (g,)),
    default_policy=policies,
    new_device_policy=st.sampled_from(("default", "wait")),
)
any_exception = st.builds(
    exception,
    policies,
    st.sampled_from((TV, PHONE, None)),
    st.sampled_from(("a", "b")),
    until=st.floats(NOW - 9, NOW + 9),
)


@given(any_settings, st.lists(any_exception, max_size=4))
def test_plan_is_the_policy_and_never_more_without_netd(settings: Settings, some: list[PolicyException]) -> None:
    exceptions = tuple(replace(e, id=n, slot=n, group=None if e.mac else e.group) for n, e in enumerate(some))
    found = planned(settings, NOW, exceptions)
    standing = dict(found.devices)
    opened = {mac: e.policy for e in found.exceptions for mac in e.macs}
    for mac, now in effective_all(settings, NOW, exceptions, (TV, PHONE)).items():
        there = standing.get(mac, default_policy(settings))
        without = BLOCKED if isinstance(there, WaitingPolicy) else there
        assert (there == WaitingPolicy()) == (now.source == "waiting")
        assert opened.get(mac, without) == now.policy
        # What is left when the kernel has ended everything opens no more than what was to follow.
        assert openness(without) <= openness(effective(settings, mac, NOW).policy)
        assert openness(without) <= openness(now.policy)


STEPS = (
    Settings(devices=(Device(TV, VPN),)),
    Settings(devices=(Device(TV, DIRECT),)),
    Settings(devices=(Device(TV, DIRECT),), groups=(Group("g", schedule=whole_day(DIRECT)),)),
    Settings(
        devices=(Device(TV, DIRECT), Device(PHONE, VPN, group="g")), groups=(Group("g", schedule=whole_day(DIRECT)),)
    ),
    Settings(devices=(Device(TV, DIRECT), Device(PHONE, VPN, group="g")), groups=(Group("g", DIRECT),),
             default_policy=DIRECT),
)  # fmt: skip


@pytest.mark.parametrize(("before", "after"), list(pairwise(STEPS)))
def test_every_new_way_out_in_the_clear_is_noticed(before: Settings, after: Settings) -> None:
    assert lets_out(before, after)
    assert not lets_out(after, after)
    assert not lets_out(after, replace(after, default_policy=BLOCKED))
