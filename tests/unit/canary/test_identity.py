"""Who the canary is: one device for each exit, none that may leave in the clear, at addresses that nobody has."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.canary.identity import BLOCKED, NEWCOMER, TARGETS4, identities, own_address, policies, target_network
from app.capture import limits
from app.errors import InvalidFieldError
from app.mac_address import is_canary, is_device, parse_device
from app.model import BlockedPolicy, DirectPolicy, LanSettings, VpnPolicy, WaitingPolicy
from app.network.canary_link import DEVICE
from app.network.plan import MARK_CANARY


def test_it_is_a_device_of_each_exit_and_two_more():
    found = identities(("default", "", "work"), VpnPolicy("work"))
    assert [(one.name, one.exit) for one in found] == [
        ("default", "default"),
        ("work", "work"),
        (NEWCOMER, "work"),
        (BLOCKED, None),
    ]
    assert len({one.mac for one in found}) == 4
    assert all(is_device(one.mac) and is_canary(one.mac) for one in found)
    assert all(int(one.mac[:2], 16) & 2 for one in found), "locally administered"


@pytest.mark.parametrize(
    ("default", "newcomer"),
    [(DirectPolicy(), []), (BlockedPolicy(), [None]), (VpnPolicy("gone"), [None]), (WaitingPolicy(), [None])],
)
def test_a_new_device_is_tried_unless_it_may_go_out(default, newcomer):
    assert [one.exit for one in identities(("default",), default) if one.name == NEWCOMER] == newcomer


def test_no_policy_of_its_is_direct_and_the_new_device_has_none():
    exits = ("default", "", "work")
    planned = dict(policies(exits))
    known = {one.mac: one for one in identities(exits, VpnPolicy())}
    assert {known[mac].name for mac in planned} == {"default", "work", BLOCKED}
    assert not any(isinstance(policy, DirectPolicy) for policy in planned.values())


def test_nobody_else_gets_its_mac_address():
    with pytest.raises(InvalidFieldError, match="the gateway's own"):
        parse_device(policies(("default",))[0][0])


def test_its_address_is_free_and_outside_of_dhcp():
    lan = LanSettings()
    address = own_address(lan, ())
    assert address in lan.address.network
    assert not lan.dhcp_start <= address <= lan.dhcp_end
    assert own_address(lan, {str(address)}) not in {address, lan.address.ip, None}
    hosts = {str(host) for host in lan.address.network.hosts()}
    assert own_address(lan, hosts - {"192.168.77.99"}) == ip_address("192.168.77.99")
    assert own_address(lan, hosts) is None


@settings(deadline=None)
@given(st.lists(st.sampled_from(["192.0.2.20", "203.0.113.80", "198.51.100.10", "10.0.0.1", "2001:db8::1"])))
def test_targets_are_where_nothing_else_is(avoid):
    found = target_network([ip_address(a) for a in avoid] + [ip_network("192.168.77.0/24")])
    assert found in TARGETS4
    free = [n for n in TARGETS4 if not any(ip_address(a) in n for a in avoid)]
    assert not free or found == free[0]


def test_capture_knows_the_same_cable_and_mark():
    assert (limits.DEVICE, limits.MARK) == (DEVICE, MARK_CANARY)
