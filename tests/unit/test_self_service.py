"""What a device may decide itself: never more than its admin allows, at any time."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model import BlockedPolicy, Device, DirectPolicy, Group, ScheduleEntry, SelfService, Settings, VpnPolicy
from app.policies import effective, effective_all
from app.self_service import end_of_pause, exits_to_choose, granted, may_pause, with_choice

TV, PHONE = "02:00:00:00:00:01", "02:00:00:00:00:02"
EXITS = ("default", "de", "", "se")

services = st.builds(
    SelfService,
    st.sampled_from(["off", "pause", "exit", "all"]),
    st.none() | st.lists(st.sampled_from([*EXITS, "gone"]), max_size=3).map(tuple),
)
policies = st.sampled_from([VpnPolicy(), VpnPolicy("de"), VpnPolicy("gone"), DirectPolicy(), BlockedPolicy()])


@given(services, services | st.none(), policies | st.none(), policies, st.sampled_from([*EXITS, "gone"]))
def test_a_choice_is_an_allowed_exit_or_nothing(everybody, own, policy, default, choice):
    settings = Settings(
        exits=EXITS,
        default_policy=default,
        devices=(Device(TV, policy),) if policy is not None else (),
        self_service=everybody,
        device_self_service={} if own is None else {TV: own},
        chosen_exits={TV: choice},
    )
    admins = policy if policy is not None else default
    found = with_choice(settings, TV, admins)
    service = own if own is not None else everybody
    if found != admins:
        assert isinstance(admins, VpnPolicy)
        assert found == VpnPolicy(choice)
        assert service.allow in {"exit", "all"}
        assert service.exits is None or choice in service.exits
        assert choice in EXITS
        assert choice
    in_force = effective(settings, TV, 0.0)
    assert (in_force.policy, in_force.source == "choice") == (found, found != admins)


def test_only_those_with_a_choice_are_added_to_the_policies():
    settings = Settings(exits=EXITS, devices=(Device(PHONE, BlockedPolicy()),), chosen_exits={TV: "de"})
    assert policies_of(settings) == {PHONE: BlockedPolicy(), TV: VpnPolicy()}
    allowed = msgspec.structs.replace(settings, self_service=SelfService("exit"))
    assert policies_of(allowed) == {PHONE: BlockedPolicy(), TV: VpnPolicy("de")}


def policies_of(settings):
    return {mac: found.policy for mac, found in effective_all(settings, 0.0).items()}


def test_schedule_and_group_that_block_leave_no_choice():
    always = ScheduleEntry(frozenset(range(7)), 0, 0, BlockedPolicy())
    settings = Settings(exits=EXITS, chosen_exits={TV: "de"}, self_service=SelfService("exit"))
    for device, groups in (
        (Device(TV, schedule=(always,)), ()),
        (Device(TV, group="kids", own=False), (Group("kids", BlockedPolicy()),)),
        (Device(TV, group="kids"), (Group("kids", None, (always,)),)),
        (Device(TV, admitted=False), ()),
    ):
        found = effective(msgspec.structs.replace(settings, devices=(device,), groups=groups), TV, 0.0)
        assert found.policy == BlockedPolicy()
    follows = (Device(TV, BlockedPolicy(), group="kids", own=False),)
    open_group = msgspec.structs.replace(settings, devices=follows, groups=(Group("kids", VpnPolicy("se")),))
    assert effective(open_group, TV, 0.0).policy == VpnPolicy("de")


def test_own_rule_of_a_device_counts_before_that_of_all():
    settings = Settings(
        exits=EXITS, self_service=SelfService("all"), device_self_service={TV: SelfService("exit", ("se",))}
    )
    assert exits_to_choose(settings, TV) == ("se",)
    assert not may_pause(granted(settings, TV))
    assert exits_to_choose(settings, PHONE) == ("default", "de", "se")
    assert may_pause(granted(settings, PHONE))


@pytest.mark.parametrize("allow", ["off", "pause"])
def test_without_leave_there_is_no_exit_to_choose(allow):
    assert exits_to_choose(Settings(exits=EXITS, self_service=SelfService(allow)), TV) == ()


@given(st.floats(0, 1e9), st.integers(60, 86400), st.floats(-100, 90000), policies)
def test_pause_never_outlasts_the_vpn(now, seconds, bedtime, at_bedtime):
    """At bedtime, a whole minute of the clock, the admin's policy is another one."""
    bed = (now + bedtime) // 60 * 60

    def policy_at(at):
        return VpnPolicy() if at < bed else at_bedtime

    end = end_of_pause(policy_at, now, now + seconds)
    assert now <= end <= now + seconds
    if isinstance(at_bedtime, VpnPolicy):
        assert end == now + seconds
    elif bed >= now:
        assert end == pytest.approx(min(bed, now + seconds), abs=1e-3)
    else:
        assert end == now
