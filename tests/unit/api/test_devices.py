"""The list of devices, from all that is known of them; and what people decide about one."""

from __future__ import annotations

import time
from ipaddress import IPv4Address, ip_interface

import pytest
from msgspec.structs import replace

from app.api.device_body import DeviceBody, device_bodies, device_body
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    LanSettings,
    Lease,
    Neighbour,
    Policy,
    SeenDevice,
    VpnPolicy,
    WanLink,
)
from app.protocol.commands import AdmitDevice, ChangeDevice, ForgetDevice
from app.protocol.status import Attestation, ExitState, ExitStatus, Snapshot

WAN = WanLink("eth0", up=True, addresses=(ip_interface("192.168.1.20/24"),))
NAS, PHONE, TV = "00:11:32:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"


def snapshot(**known: object) -> Snapshot:
    exits = (
        ExitStatus("default", ExitState.CONNECTED),
        ExitStatus("second", ExitState.BLOCKED, reason="handshake_timeout"),
    )
    given = {"exits": exits, "wan": WAN, **known}
    return Snapshot(1, "0", "mullvad", attestation=Attestation(ok=True), wireguard="kernel", lan=LanSettings(), **given)  # type: ignore[arg-type]


def test_device_without_a_lease_is_listed_with_all_that_is_known():
    now = time.time()
    state = snapshot(
        devices=(Device(TV, BlockedPolicy(), "TV", "Living", IPv4Address("192.168.77.9")),),
        leases=(Lease(PHONE, "192.168.77.21", "phone", now + 60),),
        neighbours=(
            Neighbour(NAS, "192.168.77.9", now - 5),
            Neighbour(NAS, "fe80::9", now - 2),
            Neighbour(PHONE, "192.168.77.21", now),
            Neighbour(PHONE, "fd12::21", now - 9),
        ),
        seen=(SeenDevice(NAS, 1.0, now - 2, online=True, hostname="files", vendor="Synology", kind="storage"),),
    )
    nas = DeviceBody(
        NAS,
        None,
        "files",
        "192.168.77.9",
        ("192.168.77.9", "fe80::9"),
        False,
        now - 2,
        "vpn",
        False,
        vendor="Synology",
        kind="storage",
        first_seen=1.0,
        last_seen=now - 2,
        online=True,
        exit="default",
    )
    phone = DeviceBody(
        PHONE,
        None,
        "phone",
        "192.168.77.21",
        ("192.168.77.21", "fd12::21"),
        True,
        now,
        "vpn",
        False,
        randomised=True,
        last_seen=now,
        exit="default",
    )
    tv = DeviceBody(
        TV,
        "TV",
        None,
        None,
        (),
        False,
        None,
        "blocked",
        True,
        "blocked",
        "own",
        group="Living",
        fixed_address="192.168.77.9",
        randomised=True,
        reason="device_blocked",
    )
    assert device_bodies(state) == (nas, phone, tv)
    assert device_body(state, PHONE) == phone
    assert device_body(state, "02:00:00:00:00:99") is None


def test_device_with_ipv6_alone_has_no_ipv4_address():
    (body,) = device_bodies(snapshot(neighbours=(Neighbour(NAS, "fe80::9", 1.0),)))
    assert (body.address, body.addresses, body.seen) == (None, ("fe80::9",), 1.0)


def test_device_that_is_away_keeps_its_last_addresses():
    away = SeenDevice(NAS, 1.0, 2.0, addresses=("192.168.77.9", "fe80::9"))
    (body,) = device_bodies(snapshot(seen=(away,)))
    assert (body.address, body.addresses, body.online, body.seen) == ("192.168.77.9", away.addresses, False, None)


@pytest.mark.parametrize(
    ("policy", "exit_name", "reason"),
    [
        (VpnPolicy(), "default", None),
        (VpnPolicy("second"), "second", "handshake_timeout"),
        (VpnPolicy("gone"), "gone", "no_such_exit"),
        (BlockedPolicy(), None, "device_blocked"),
        (DirectPolicy(), None, None),
    ],
)
def test_reason_why_a_device_has_no_internet(policy: Policy, exit_name: str | None, reason: str | None):
    (body,) = device_bodies(snapshot(devices=(Device(TV, policy),)))
    assert (body.exit, body.reason) == (exit_name, reason)


@pytest.mark.parametrize("wan", [None, replace(WAN, up=False), replace(WAN, addresses=())])
def test_direct_device_has_no_internet_without_a_usable_wan(wan: WanLink | None):
    (body,) = device_bodies(snapshot(devices=(Device(TV, DirectPolicy()),), wan=wan))
    assert body.reason == "wan_down"


def test_new_device_waits_where_that_is_set():
    new = SeenDevice(PHONE, 1.0, 2.0)
    known = (Device(TV, own=False), Device(NAS, DirectPolicy(), admitted=False))
    state = snapshot(seen=(new,), devices=known, new_device_policy="wait")
    waiting = {body.mac: (body.admitted, body.reason) for body in device_bodies(state)}
    assert waiting == {PHONE: (False, "waiting"), NAS: (False, "waiting"), TV: (True, None)}


@pytest.mark.owned
def test_device_is_changed_admitted_and_forgotten(call, gateway):
    path = "/api/devices/02:00:00:00:00:07"
    body = {"name": "Camera", "group": "Watchers", "address": "192.168.77.9"}
    assert call("PATCH", path, json=body).json() == {"success": True}
    shown = call("GET", path).json()
    assert (shown["name"], shown["group"], shown["fixed_address"]) == ("Camera", "Watchers", "192.168.77.9")
    assert not shown["own_policy"]
    assert shown["traffic"].keys() == {"up", "down", "rate"}
    assert call("PATCH", path, json={"group": None}).json() == {"success": True}
    assert call("POST", f"{path}/admit").json() == {"success": True}
    assert call("DELETE", path).json() == {"success": True}
    assert call("GET", path).status_code == 404
    kinds = [type(command) for command in gateway.commands]
    assert [k for k in kinds if k in {ChangeDevice, AdmitDevice, ForgetDevice}] == [
        ChangeDevice,
        ChangeDevice,
        AdmitDevice,
        ForgetDevice,
    ]


@pytest.mark.owned
@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("01:00:5e:00:00:01", {"name": "x"}, "mac"),
        ("nonsense", {"name": "x"}, "mac"),
        ("02:00:00:00:00:07", {"address": "192.168.77.1"}, "address"),
        ("02:00:00:00:00:07", {"address": "fd12::1"}, "address"),
        ("02:00:00:00:00:07", {"name": "x" * 65}, "name"),
        ("02:00:00:00:00:07", {"colour": "red"}, "colour"),
    ],
)
def test_bad_change_names_the_field(call, path, body, field):
    answer = call("PATCH", f"/api/devices/{path}", json=body)
    assert answer.status_code in {400, 422}
    assert answer.json()["field"] == field


@pytest.mark.owned
def test_unknown_device_is_not_found(call):
    for method, path in (("GET", ""), ("DELETE", "")):
        answer = call(method, f"/api/devices/02:00:00:00:00:99{path}")
        assert (answer.status_code, answer.json()["field"]) == (404, "mac")


@pytest.mark.owned
def test_default_policy_of_another_form_is_refused(call):
    for policy in ("blocked*", "vpn:", "inherit", ""):
        answer = call("PATCH", "/api/settings", json={"default_policy": policy})
        assert (answer.status_code, answer.json()["field"]) == (422, "default_policy")


@pytest.mark.owned
def test_direct_as_the_default_needs_the_password(call):
    answer = call("PATCH", "/api/settings", json={"default_policy": "direct"})
    assert (answer.status_code, answer.json()["field"]) == (422, "password")
