"""Who waits for an admission, and the policies that the network is planned with."""

from __future__ import annotations

from app import admission
from app.model import BlockedPolicy, Device, DirectPolicy, Settings, VpnPolicy, WaitingPolicy
from app.policies import planned

A, B, C, D = (f"02:00:00:00:00:0{n}" for n in "abcd")
DEVICES = (
    Device(A, own=False),
    Device(B, DirectPolicy()),
    Device(C, DirectPolicy(), admitted=False),
    Device(D, VpnPolicy()),
)


def test_new_devices_follow_the_default_policy():
    settings = Settings(devices=DEVICES)
    assert admission.default_policy(settings) == VpnPolicy()
    assert dict(planned(settings, 0.0).devices) == {B: DirectPolicy(), C: WaitingPolicy(), D: VpnPolicy()}
    assert [admission.waits(settings, mac) for mac in (A, C, "02:00:00:00:00:0e")] == [False, True, False]


def test_new_devices_wait_and_known_ones_do_not():
    settings = Settings(devices=DEVICES, default_policy=BlockedPolicy(), new_device_policy="wait")
    assert admission.default_policy(settings) == WaitingPolicy()
    assert dict(planned(settings, 0.0).devices) == {A: BlockedPolicy(), B: DirectPolicy(), D: VpnPolicy()}
    assert admission.waits(settings, "02:00:00:00:00:0e")


def test_nobody_waits_by_default():
    assert not admission.any_waits(Settings(devices=(Device(A),)))
    assert admission.any_waits(Settings(devices=DEVICES))
    assert admission.any_waits(Settings(new_device_policy="wait"))
