"""A restore lists what it opens, compared with the settings in force, and does it only where that is accepted."""

from __future__ import annotations

import pytest

from app.errors import ConflictError
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Group,
    LinkSettings,
    ScheduleEntry,
    SelfService,
    Settings,
    VpnPolicy,
)
from app.store.openings import check_accepted, openings

MAC = "02:00:00:00:00:01"
CLOSED = Settings()
OPEN = {
    "direct": Settings(devices=(Device(MAC, DirectPolicy(), "TV"),)),
    "default_policy": Settings(default_policy=DirectPolicy()),
    "exit_check": Settings(exit_check_url="https://example.net/ip"),
    "roles": Settings(links=LinkSettings(wan="eth1", lan=("eth0",))),
    "self_service": Settings(self_service=SelfService("pause")),
}

ALWAYS = (ScheduleEntry(frozenset(range(7)), 0, 0, DirectPolicy()),)
MEMBER = Device(MAC, VpnPolicy(), "TV", group="guests", own=False)
BY_POLICY = {
    "schedule": Settings(devices=(Device(MAC, VpnPolicy(), "TV", schedule=ALWAYS),)),
    "group": Settings(devices=(MEMBER,), groups=(Group("guests", DirectPolicy()),)),
    "group's schedule": Settings(devices=(MEMBER,), groups=(Group("guests", schedule=ALWAYS),)),
}


@pytest.mark.parametrize("way", BY_POLICY)
def test_way_into_the_clear_by_group_or_clock_is_listed(way):
    (found,) = openings(Settings(devices=(MEMBER,), groups=(Group("guests"),)), BY_POLICY[way])
    assert found.what == "direct"
    assert f"TV ({MAC})" in found.message
    assert openings(BY_POLICY[way], BY_POLICY[way]) == ()


@pytest.mark.parametrize("what", OPEN)
def test_each_opening_is_listed_and_wants_its_name(what):
    (found,) = openings(CLOSED, OPEN[what])
    assert found.what == what
    with pytest.raises(ConflictError) as refused:
        check_accepted((found,), tuple(OPEN.keys() - {what}))
    assert (refused.value.code, refused.value.field) == ("accept_openings", "accept")
    assert found.message in refused.value.message
    check_accepted((found,), (what,))


@pytest.mark.parametrize("what", OPEN)
def test_what_is_open_already_or_closes_is_no_opening(what):
    assert openings(OPEN[what], OPEN[what]) == ()
    closing = [opening.what for opening in openings(OPEN[what], CLOSED)]
    # Another URL and other ports are another choice, whichever of the two is the default.
    assert closing == ([what] if what in {"exit_check", "roles"} else [])


def test_devices_are_named():
    (found,) = openings(CLOSED, OPEN["direct"])
    assert f"TV ({MAC})" in found.message


def test_blocked_by_default_is_closed_and_vpn_opens_it():
    blocked = Settings(default_policy=BlockedPolicy())
    assert [o.what for o in openings(blocked, Settings(default_policy=VpnPolicy()))] == ["default_policy"]
    assert openings(CLOSED, blocked) == ()


def test_exit_check_that_was_turned_off_is_an_opening():
    assert [o.what for o in openings(Settings(exit_check_url=None), CLOSED)] == ["exit_check"]
    assert openings(CLOSED, Settings(exit_check_url=None)) == ()


def test_letting_in_devices_that_wait_now_is_an_opening():
    waiting = Settings(new_device_policy="wait")
    (found,) = openings(waiting, CLOSED)
    assert found.what == "new_devices"
    let_in = Settings(new_device_policy="wait", devices=(Device(MAC, name="TV", own=False),))
    (found,) = openings(waiting, let_in)
    assert (found.what, f"TV ({MAC})" in found.message) == ("new_devices", True)
    assert openings(let_in, let_in) == ()
    assert openings(CLOSED, waiting) == ()


@pytest.mark.parametrize(
    ("now", "restored", "opens"),
    [
        (SelfService(), SelfService("exit"), False),
        (SelfService(), SelfService("pause"), True),
        (SelfService("exit"), SelfService("all"), True),
        (SelfService("pause"), SelfService("all"), False),
        (SelfService("pause", None, 600), SelfService("pause", None, 601), True),
        (SelfService("all"), SelfService("off"), False),
    ],
)
@pytest.mark.parametrize("whose", ["all", "one"])
def test_pauses_that_devices_may_take_themselves(now: SelfService, restored: SelfService, opens: bool, whose: str):
    def settings(service: SelfService) -> Settings:
        if whose == "all":
            return Settings(self_service=service)
        return Settings(device_self_service={"02:00:00:00:00:01": service})

    found = openings(settings(now), settings(restored))
    assert [o.what for o in found] == (["self_service"] if opens else [])
    if opens:
        assert ("all others" if whose == "all" else "02:00:00:00:00:01") in found[0].message
