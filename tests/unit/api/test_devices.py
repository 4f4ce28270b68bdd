"""The list of devices: from policies, leases and the neighbour table."""

from __future__ import annotations

import time
from types import SimpleNamespace

from app.api.devices import DeviceBody, device_bodies
from app.model import BlockedPolicy, Device, Lease, Neighbour, VpnPolicy

NAS, PHONE, TV = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"


def test_device_without_a_lease_is_listed_with_all_that_is_known():
    now = time.time()
    snapshot = SimpleNamespace(
        default_policy=VpnPolicy(),
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
    tv = DeviceBody(TV, "TV", None, None, (), False, None, "blocked", True)
    assert device_bodies(snapshot) == (nas, phone, tv)  # type: ignore[arg-type]


def test_device_with_ipv6_alone_has_no_ipv4_address():
    seen = (Neighbour(NAS, "fe80::9", 1.0),)
    snapshot = SimpleNamespace(default_policy=VpnPolicy(), devices=(), leases=(), neighbours=seen)
    (body,) = device_bodies(snapshot)  # type: ignore[arg-type]
    assert (body.address, body.addresses, body.seen) == (None, ("fe80::9",), 1.0)
