"""New devices that wait for their admission, and devices that no lease tells of, with captures."""

from __future__ import annotations

import json
import time

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import GATEWAY_LAN4, INTERNET4, INTERNET6, LAN_HOSTS, VPNS
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import GATEWAY_WAN_MAC
from tests.support.ws_client import WebSocketClient

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(200)]

NEWCOMER = "02:00:00:00:00:99"
WAITING, CONTROL, ADMITTED = 4444, 4445, 4446  # ports of the Internet, each for one purpose


@pytest.fixture(scope="module", autouse=True)
def connected(lab: Lab):
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    wait_for("the hosts to be known", lambda: set(LAN_HOSTS.values()) <= {d["mac"] for d in devices(lab)})


def devices(lab: Lab) -> list[dict]:
    return lab.api("GET", "/api/devices")["devices"]


def device(lab: Lab, mac: str) -> dict:
    return next((d for d in devices(lab) if d["mac"] == mac), {})


def change_mac(lab: Lab, host: str, mac: str) -> None:
    lab.hosts[host].run("pkill", "udhcpc", check=False)
    lab.hosts[host].shell(f"ip link set eth0 down; ip addr flush dev eth0; ip link set eth0 address {mac} up")


def try_everything(lab: Lab, host: str, port: int) -> None:
    """Everything that a device may do to get out: whatever the advertisements say, it sends to the gateway."""
    lab.hosts[host].shell("ip -6 route replace default via fe80::ff:fe00:1 dev eth0 metric 4096")
    for address in (INTERNET4, INTERNET6):
        lab.lan.udp(host, address, port, timeout=0.3)
        lab.lan.tcp(host, address, port, timeout=0.3)
        lab.lan.ping(host, address, timeout=0.3)
    lab.lan.dns(host, "internet.lab", server=INTERNET4, timeout=0.3)


def test_new_device_waits_and_is_admitted_by_one_call(lab: Lab):
    assert lab.api("PATCH", "/api/settings", {"new_device_policy": "wait"})["new_device_policy"] == "wait"
    with WebSocketClient(lab.api.port, headers=lab.api.headers) as client:
        client.receive()
        change_mac(lab, "tv", NEWCOMER)
        lab.lan.start_dhcp("tv", "newcomer")
        assert lab.lan.wait_address("tv").startswith("192.168.77.")
        wait_for("the newcomer to be listed", lambda: device(lab, NEWCOMER).get("online"))
        assert told(client) == {("device_change", "appeared"), ("security_alert", "device_waiting")}
    shown = device(lab, NEWCOMER)
    assert (shown["admitted"], shown["reason"], shown["hostname"]) == (False, "waiting", "newcomer")

    # What it may: the gateway's own name, and the page.
    assert lab.lan.dns("tv", "vpn-gateway.lan").records == (GATEWAY_LAN4,)
    assert lab.hosts.http("tv", f"http://{GATEWAY_LAN4}:5000/health") == "healthy"
    # What it may not: other names, the Internet.
    assert lab.lan.dns("laptop", "phone.lan").records != ()
    assert lab.lan.dns("tv", "phone.lan").records == ()
    assert lab.lan.dns("tv", "whoami.lab", "TXT").records == ()
    before = lab.api("GET", "/api/status")["drops"].get("waiting", 0)
    captures = [lab.hosts.capture("isp", "wan"), lab.hosts.capture("internet", "eth0")]
    wan, internet = (capture.start() for capture in captures)
    try_everything(lab, "tv", WAITING)
    try_everything(lab, "laptop", CONTROL)  # the positive control: the capture sees what gets out
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]
    on_wan, outside = wan.stop(), internet.stop()
    assert {p.dport for p in outside if p.dport in {WAITING, CONTROL}} == {CONTROL}
    assert [p for p in on_wan if p.source_mac == GATEWAY_WAN_MAC and p.dport in {WAITING, CONTROL}] == []
    assert lab.api("GET", "/api/status")["drops"]["waiting"] > before

    assert lab.api("POST", f"/api/devices/{NEWCOMER}/admit")["success"]
    with lab.hosts.capture("internet", "eth0") as capture:
        try_everything(lab, "tv", ADMITTED)
    assert {p.source for p in capture.packets if p.dport == ADMITTED and ":" not in p.source} == {VPNS["vpn-se"][0]}
    assert lab.hosts.http("tv", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]
    shown = device(lab, NEWCOMER)
    assert (shown["admitted"], shown["reason"], shown["own_policy"]) == (True, None, False)


def told(client: WebSocketClient) -> set[tuple[str, str]]:
    """The messages about the newcomer's coming, once both have come."""
    found: set[tuple[str, str]] = set()
    messages: list[dict] = []
    end = time.monotonic() + 20
    while len(found) < 2:
        assert time.monotonic() < end, messages
        message = client.receive()
        messages += [message] if message["type"] not in {"traffic", "heartbeat"} else []
        payload = message["payload"] or {}
        text = json.dumps(payload)  # an alert names the device as well as it can
        if (NEWCOMER in text or "newcomer" in text) and payload.get("reason") in {"appeared", "device_waiting"}:
            found.add((message["type"], payload["reason"]))
    return found


def test_waiting_holds_while_netd_is_dead_and_after_it(lab: Lab):
    """A MAC address that nobody has ever seen, while nobody looks."""
    lab.gateway.kill_app("netd", restart=False)
    try:
        change_mac(lab, "tv", "02:00:00:00:00:9a")
        lab.lan.start_dhcp("tv", "stranger")
        lab.lan.wait_address("tv")
        with lab.hosts.capture("internet", "eth0") as capture:
            try_everything(lab, "tv", WAITING)
            try_everything(lab, "laptop", CONTROL)
        assert {p.dport for p in capture.packets if p.dport in {WAITING, CONTROL}} == {CONTROL}
    finally:
        lab.gateway.release_app("netd")
    wait_for("netd to be back", lambda: lab.api("GET", "/api/status").get("state") == "connected")
    assert lab.hosts.http("tv", f"http://{INTERNET4}/", timeout=1, check=False) == ""
    wait_for("the stranger to be listed", lambda: device(lab, "02:00:00:00:00:9a").get("admitted") is False)
    assert device(lab, NEWCOMER)["admitted"]  # the decision has outlived netd


def test_device_with_a_fixed_address_and_one_with_ipv6_alone(lab: Lab):
    assert lab.api("PATCH", "/api/settings", {"new_device_policy": "default"})["new_device_policy"] == "default"
    fixed, six = "02:00:00:00:00:9b", "02:00:00:00:00:9c"
    change_mac(lab, "tv", fixed)
    lab.hosts["tv"].shell(f"ip addr add 192.168.77.9/24 dev eth0; ip route replace default via {GATEWAY_LAN4}")
    change_mac(lab, "phone", six)
    wait_for("an IPv6 address", lambda: "inet6" in global_addresses(lab, "phone"))
    assert lab.hosts.http("tv", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]
    assert lab.hosts.http("phone", f"http://[{INTERNET6}]/") == VPNS["vpn-se"][1]
    wait_for("both to be listed", lambda: device(lab, fixed).get("online") and device(lab, six).get("online"))
    assert (device(lab, fixed)["address"], device(lab, fixed)["leased"]) == ("192.168.77.9", False)
    assert device(lab, six)["address"] is None
    assert device(lab, six)["addresses"]
    for mac in (fixed, six):
        assert lab.api("PUT", f"/api/devices/{mac}/policy", {"policy": "blocked"})["success"]
    assert lab.hosts.http("tv", f"http://{INTERNET4}/", timeout=1, check=False) == ""
    assert lab.hosts.http("phone", f"http://[{INTERNET6}]/", timeout=1, check=False) == ""
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]


def global_addresses(lab: Lab, host: str) -> str:
    return lab.hosts.exec(host, ["ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "global"]).stdout


def test_fixed_address_is_given_by_dhcp(lab: Lab):
    laptop = LAN_HOSTS["laptop"]
    taken = lab.api("PATCH", f"/api/devices/{laptop}", {"address": GATEWAY_LAN4})
    assert taken["field"] == "address"
    answer = lab.api("PATCH", f"/api/devices/{laptop}", {"address": "192.168.77.5", "name": "Laptop"})
    assert answer["success"], answer
    wait_for("the fixed address", lambda: asks_again(lab, "laptop") == "192.168.77.5", interval=1)
    assert device(lab, laptop)["fixed_address"] == "192.168.77.5"
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]


def asks_again(lab: Lab, host: str) -> str:
    lab.hosts[host].run("pkill", "udhcpc", check=False)  # or it would add its address again
    lab.hosts[host].shell("ip -4 addr flush dev eth0")
    lab.lan.start_dhcp(host)
    return lab.lan.wait_address(host)
