"""The list of devices: from policies, leases and the neighbour table."""

from __future__ import annotations

import time

from app.api.device_body import DeviceBody, device_bodies
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Group,
    LanSettings,
    Lease,
    Neighbour,
    PolicyException,
    ScheduleEntry,
    VpnPolicy,
)
from app.protocol.status import Attestation, ExitState, ExitStatus, Snapshot

SNAPSHOT = {
    "seq": 1,
    "version": "0.1.0",
    "provider": "mullvad",
    "exits": (),
    "attestation": Attestation(ok=True),
    "wireguard": "kernel",
    "wan": None,
    "lan": LanSettings(),
}
NAS, PHONE, TV = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"


def test_device_without_a_lease_is_listed_with_all_that_is_known():
    now = time.time()
    snapshot = Snapshot(
        **SNAPSHOT,
        devices=(Device(TV, BlockedPolicy(), "TV"),),
        leases=(Lease(PHONE, "192.168.77.21", "phone", now + 60),),
        neighbours=(
            Neighbour(NAS, "192.168.77.9", now - 5),
            Neighbour(NAS, "fe80::9", now - 2),
            Neighbour(PHONE, "192.168.77.21", now),
            Neighbour(PHONE, "fd12::21", now - 9),
        ),
    )
    nas = DeviceBody(NAS, None, None, "192.168.77.9", ("192.168.77.9", "fe80::9"), False, now - 2, "vpn", False)
    phone = DeviceBody(PHONE, None, "phone", "192.168.77.21", ("192.168.77.21", "fd12::21"), True, now, "vpn", False)
    tv = DeviceBody(TV, "TV", None, None, (), False, None, "blocked", True, "blocked", "own")
    assert device_bodies(snapshot) == (nas, phone, tv)


def test_device_with_ipv6_alone_has_no_ipv4_address():
    seen = (Neighbour(NAS, "fe80::9", 1.0),)
    snapshot = Snapshot(**SNAPSHOT, neighbours=seen)
    (body,) = device_bodies(snapshot)
    assert (body.address, body.addresses, body.seen) == (None, ("fe80::9",), 1.0)


def test_policy_in_force_and_the_standing_one():
    now = time.time()
    always = (ScheduleEntry(frozenset(range(7)), 0, 0, BlockedPolicy()),)
    snapshot = Snapshot(
        **SNAPSHOT,
        devices=(
            Device(NAS, BlockedPolicy(), group="children", own=False),
            Device(PHONE, DirectPolicy(), schedule=always),
            Device(TV, VpnPolicy()),
        ),
        groups=(Group("children", VpnPolicy("se")),),
        exceptions=(PolicyException(7, 7, DirectPolicy(), now - 9, now + 9, 1.0, "admin", TV),),
    )
    found = [(d.policy, d.standing_policy, d.policy_source, d.own_policy, d.exception) for d in device_bodies(snapshot)]
    assert found == [
        ("vpn:se", "vpn:se", "group", False, None),
        ("blocked", "direct", "schedule", True, None),
        ("direct", "vpn", "exception", True, 7),
    ]


def test_chosen_exit_is_the_policy_and_not_the_standing_one():
    exits = (ExitStatus("default", ExitState.CONNECTED), ExitStatus("de", ExitState.CONNECTED))
    seen = (Neighbour(NAS, "192.168.77.9", 1.0), Neighbour(TV, "192.168.77.10", 1.0))
    devices = (Device(TV, BlockedPolicy()),)
    snapshot = Snapshot(**{**SNAPSHOT, "exits": exits}, neighbours=seen, devices=devices, choices={NAS: "de", TV: "de"})
    nas, tv = device_bodies(snapshot)
    assert (nas.policy, nas.policy_source, nas.standing_policy, nas.own_policy) == ("vpn:de", "choice", "vpn", False)
    assert (tv.policy, tv.policy_source, tv.standing_policy) == ("blocked", "own", "blocked")
