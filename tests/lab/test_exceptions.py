"""Policies for a while and by the clock: who comes out where, and what ends with nobody there to end it."""

from __future__ import annotations

import time

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import LAN_HOSTS, VPNS
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch
from tests.lab.test_devices import connect, policy, resolver_of
from tests.lab.ways import exit_address, seen_as

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(200)]

SE = VPNS["vpn-se"][0]
GRACE = 0.3  # seconds after the end that a packet on its way may take


@pytest.fixture(scope="module", autouse=True)
def connected(lab):
    connect(lab, "vpn-se")


@pytest.fixture(autouse=True)
def nothing_left(lab):
    yield
    wait_for("netd to answer", lambda: "exceptions" in lab.api("GET", "/api/exceptions"))
    for one in lab.api("GET", "/api/exceptions")["exceptions"]:
        lab.api("DELETE", f"/api/exceptions/{one['id']}")
    for host in LAN_HOSTS:
        lab.api("PUT", f"/api/devices/{LAN_HOSTS[host]}/schedule", {"schedule": []})
        policy(lab, host, "vpn")


def start(lab: Lab, host: str, text: str, seconds: float) -> dict[str, object]:
    body = {"device": LAN_HOSTS[host], "policy": text, "for": seconds, "reason": "a test", "password": PASSWORD}
    answer = lab.api("POST", "/api/exceptions", body)
    assert answer["success"], answer
    return answer["exception"]


def wan_address(lab: Lab) -> str:
    return lab.api("GET", "/api/status")["wan"]["addresses"][0].partition("/")[0]


def test_direct_for_seconds_ends_while_netd_is_dead(lab):
    """The TV tries everything all the time, on open connections too; the other hosts never get out in the clear."""
    wan = wan_address(lab)
    try:
        with LeakWatch(lab) as watch:
            begin = time.time()
            made = start(lab, "tv", "direct", 15)
            end = made["until"]
            assert made["kernel"] is True
            wait_for("the TV to come out directly", lambda: seen_as(lab, "tv") == wan)
            assert exit_address(lab, "laptop") == SE
            wait_for("the WAN's resolver to answer the TV", lambda: resolver_of(lab, "tv") == "internet")
            assert resolver_of(lab, "laptop") == "vpn-se"
            lab.gateway.kill_app("netd", restart=False)
            assert exit_address(lab, "tv") == wan  # its death ends nothing
            time.sleep(max(0.0, end - time.time()))
            time.sleep(GRACE)
            wait_for("the TV to come out of the tunnel again", lambda: seen_as(lab, "tv") == SE)
            assert (exit_address(lab, "laptop"), resolver_of(lab, "tv")) == (SE, "vpn-se")
            time.sleep(max(0.0, end + 6 - time.time()))
    finally:
        lab.gateway.release_app("netd")
    in_time = [p for p in watch.leaks if begin <= p.time <= end]
    assert len(in_time) > 100, "the capture sees what is in the clear"
    assert max(p.time for p in in_time) > end - 3, "to the end"
    assert {p.source for p in in_time if ":" not in p.source} == {wan}
    assert [f"{p.time - end:+.2f} s: {p}" for p in watch.leaks if p.time < begin or p.time > end + GRACE] == []
    wait_for("netd to be back", lambda: lab.api("GET", "/api/status").get("state") == "connected")
    assert lab.api("GET", "/api/exceptions") == {"exceptions": []}
    assert lab.api("GET", "/api/status")["attestation"]["ok"]


def test_exceptions_end_is_no_drift_and_told_to_all(lab):
    before = lab.api("GET", "/api/status")["attestation"]["repairs"]
    start(lab, "phone", "direct", 4)
    wan = wan_address(lab)
    wait_for("the phone to come out directly", lambda: seen_as(lab, "phone") == wan)
    wait_for("the phone to be back in the tunnel", lambda: seen_as(lab, "phone") == SE)
    wait_for("the end", lambda: lab.api("GET", "/api/exceptions") == {"exceptions": []})
    time.sleep(3)  # a look of the attestation
    after = lab.api("GET", "/api/status")["attestation"]
    assert (after["ok"], after["repairs"]) == (True, before)


def test_restart_of_netd_gives_no_more_time(lab):
    wan = wan_address(lab)
    end = start(lab, "tv", "direct", 12)["until"]
    lab.gateway.kill_app("netd")
    wait_for("netd to be back", lambda: lab.api("GET", "/api/status").get("state") == "connected")
    (left,) = lab.api("GET", "/api/exceptions")["exceptions"]
    assert abs(left["until"] - end) < 0.5
    assert exit_address(lab, "tv") == wan
    time.sleep(max(0.0, end + GRACE - time.time()))
    assert seen_as(lab, "tv") != wan


def test_blocked_for_a_while_stays_blocked_without_netd(lab):
    """What an exception closes is opened by netd alone."""
    end = start(lab, "tv", "blocked", 5)["until"]
    assert seen_as(lab, "tv") == ""
    lab.gateway.kill_app("netd", restart=False)
    try:
        time.sleep(max(0.0, end + 1 - time.time()))
        assert seen_as(lab, "tv") == ""
    finally:
        lab.gateway.release_app("netd")
    wait_for("the TV to be back in the tunnel", lambda: seen_as(lab, "tv") == SE)
    wait_for("netd to be back", lambda: lab.api("GET", "/api/status").get("state") == "connected")


def test_schedule_moves_its_device_at_once_and_no_other(lab):
    always = {"days": list(range(7)), "start": 0, "end": 0, "policy": "blocked"}
    path = f"/api/devices/{LAN_HOSTS['tv']}/schedule"
    assert exit_address(lab, "tv") == SE
    assert lab.api("PUT", path, {"schedule": [always]})["success"]
    assert (seen_as(lab, "tv"), seen_as(lab, "laptop")) == ("", SE)
    assert lab.api("PUT", path, {"schedule": []})["success"]
    assert exit_address(lab, "tv") == SE
