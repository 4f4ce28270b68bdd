"""The policies in the list of devices: the one in force, where it comes from, and the standing one."""

from __future__ import annotations

import time

from app.api.device_body import device_bodies
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Group,
    LanSettings,
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
