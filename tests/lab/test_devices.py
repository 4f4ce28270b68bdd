"""One policy a device, one exit a policy: who comes out where, and who nowhere."""

from __future__ import annotations

import json

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, INTERNET6, LAN_HOSTS, VPNS
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import GATEWAY_WAN_MAC
from tests.lab.ways import exit_address, seen_as

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(200)]


def policy(lab: Lab, host: str, text: str) -> None:
    answer = lab.api("PUT", f"/api/devices/{LAN_HOSTS[host]}/policy", {"policy": text, "password": PASSWORD})
    assert answer["success"], answer


def connect(lab: Lab, server: str, exit_name: str = "default") -> None:
    answer = lab.api("POST", "/api/connect", {"server": server, "exit": exit_name})
    assert answer["success"], f"{answer}\n{lab.gateway.logs()}"


@pytest.fixture(scope="module", autouse=True)
def two_exits(lab):
    connect(lab, "vpn-se")
    connect(lab, "vpn-de", "second")


@pytest.fixture(autouse=True)
def everybody_by_default(lab):
    yield
    for host in LAN_HOSTS:
        policy(lab, host, "vpn")


def resolver_of(lab: Lab, host: str) -> str:
    return lab.hosts.exec(host, ["dig", "+short", "+time=5", "+tries=1", "txt", "whoami.lab"]).stdout.strip().strip('"')


def test_two_exits_at_once(lab):
    policy(lab, "phone", "vpn:second")
    assert exit_address(lab, "laptop") == VPNS["vpn-se"][0]
    assert exit_address(lab, "phone") == VPNS["vpn-de"][0]
    # Each asks the resolver of its own tunnel.
    assert resolver_of(lab, "laptop") == "vpn-se"
    assert resolver_of(lab, "phone") == "vpn-de"


def test_a_change_moves_a_device_and_no_other(lab):
    policy(lab, "phone", "vpn:second")
    assert (exit_address(lab, "laptop"), exit_address(lab, "phone")) == (VPNS["vpn-se"][0], VPNS["vpn-de"][0])
    policy(lab, "phone", "vpn")
    assert (exit_address(lab, "laptop"), exit_address(lab, "phone")) == (VPNS["vpn-se"][0], VPNS["vpn-se"][0])


def test_direct_is_direct_for_one_device_only(lab):
    policy(lab, "tv", "direct")
    with lab.hosts.capture("isp", "wan") as capture:
        own = wait_for("the TV to come out directly", lambda: seen_as(lab, "tv"))
        assert exit_address(lab, "laptop") == VPNS["vpn-se"][0]
    wan = lab.api("GET", "/api/status")["wan"]["addresses"][0].partition("/")[0]
    assert own == wan
    clear = [p for p in capture.packets if p.source_mac == GATEWAY_WAN_MAC and p.destination == INTERNET4]
    assert clear, "the capture sees what is in the clear"
    assert {p.source for p in clear} == {wan}


def test_direct_taken_back_is_gone_at_once(lab):
    policy(lab, "tv", "direct")
    wait_for("the TV to come out directly", lambda: seen_as(lab, "tv"))
    policy(lab, "tv", "vpn")
    with lab.hosts.capture("isp", "wan") as capture:
        assert exit_address(lab, "tv") == VPNS["vpn-se"][0]
    assert any(p.destination == VPNS["vpn-se"][0] for p in capture.packets), "the capture sees the tunnel's packets"
    assert [p for p in capture.packets if p.source_mac == GATEWAY_WAN_MAC and p.destination == INTERNET4] == []


def test_blocked_reaches_the_gateway_and_nothing_else(lab):
    before = lab.api("GET", "/api/status")["drops"]
    policy(lab, "tv", "blocked")
    assert seen_as(lab, "tv") == ""
    assert lab.hosts.http("tv", "http://192.168.77.1:5000/health") == "healthy"
    assert resolver_of(lab, "tv") == ""
    name = lab.hosts.exec("tv", ["dig", "+short", "+time=2", "+tries=1", "vpn-gateway.lan"]).stdout.strip()
    assert name == "192.168.77.1"
    after = lab.api("GET", "/api/status")["drops"]
    assert after["device_blocked"] > before.get("device_blocked", 0)


def test_one_exit_down_does_not_touch_the_other(lab):
    policy(lab, "phone", "vpn:second")
    assert lab.api("POST", "/api/disconnect", {"exit": "second"})["success"]
    assert seen_as(lab, "phone") == ""
    assert exit_address(lab, "laptop") == VPNS["vpn-se"][0]
    connect(lab, "vpn-de", "second")
    assert exit_address(lab, "phone") == VPNS["vpn-de"][0]


def test_ipv6_goes_through_the_tunnel(lab):
    wait_for("an IPv6 default route", lambda: "default" in lab.hosts.exec("laptop", ["ip", "-6", "route"]).stdout)
    assert lab.hosts.http("laptop", f"http://[{INTERNET6}]/") == VPNS["vpn-se"][1]


def test_no_ipv6_route_is_announced_when_there_is_no_ipv6_exit(lab):
    lab.api("POST", "/api/disconnect")
    wait_for(
        "the route to be withdrawn", lambda: "default" not in lab.hosts.exec("laptop", ["ip", "-6", "route"]).stdout
    )
    connect(lab, "vpn-se")
    wait_for("the route to be back", lambda: "default" in lab.hosts.exec("laptop", ["ip", "-6", "route"]).stdout)


def test_leases_and_names_survive_the_app(lab):
    before = json.loads(lab.api.request("GET", "/api/leases")[1])["leases"]
    assert {lease["hostname"] for lease in before} >= set(LAN_HOSTS)
    lab.gateway.kill_app("netd", restart=False)
    try:
        lab.lan.start_dhcp("phone")
        address = lab.lan.wait_address("phone")
        assert address in {lease["address"] for lease in before if lease["hostname"] == "phone"}
        assert lab.hosts.exec("laptop", ["dig", "+short", "phone.lan"]).stdout.strip() == address
    finally:
        lab.gateway.release_app("netd")
    wait_for("netd to be back", lambda: lab.api("GET", "/api/status").get("state") == "connected")


def test_history_of_a_device_outlives_netd(lab):
    def told() -> list[dict[str, object]]:
        return lab.api("GET", f"/api/devices/{LAN_HOSTS['tv']}/history?limit=20")["history"]

    def online() -> bool:
        return lab.api("GET", f"/api/devices/{LAN_HOSTS['tv']}").get("online", False)

    wait_for("the TV to be online", online)
    policy(lab, "tv", "blocked")
    policy(lab, "tv", "vpn:second")
    changed, blocked, *before = told()
    assert "appeared" in {record["change"] for record in before}
    assert (blocked["change"], blocked["policy"], blocked["before"], blocked["cause"]) == (
        "policy",
        "blocked",
        "vpn",
        "own",
    )
    assert (changed["policy"], changed["before"]) == ("vpn:second", "blocked")
    lab.gateway.kill_app("netd")
    wait_for("netd to be back", lambda: lab.api("GET", "/api/status").get("state") == "connected")
    wait_for("the TV to be online again", online)
    assert told() == [changed, blocked, *before]  # that it is online again is no news
