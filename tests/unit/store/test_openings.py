"""A restore lists what it opens, compared with the settings in force, and does it only where that is accepted."""

from __future__ import annotations

import pytest

from app.errors import ConflictError
from app.model import BlockedPolicy, Device, DirectPolicy, LinkSettings, Settings, VpnPolicy
from app.store.openings import check_accepted, openings

MAC = "02:00:00:00:00:01"
CLOSED = Settings()
OPEN = {
    "direct": Settings(devices=(Device(MAC, DirectPolicy(), "TV"),)),
    "default_policy": Settings(default_policy=DirectPolicy()),
    "exit_check": Settings(exit_check_url="https://example.net/ip"),
    "roles": Settings(links=LinkSettings(wan="eth1", lan=("eth0",))),
}


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
