"""A tunnel that works stays: whatever a name server answers for the next one, and however long nobody uses it."""

from __future__ import annotations

import concurrent.futures
import time

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, VPNS
from ci.labnet.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

NOBODY = "203.0.113.99"
SILENCE = 40  # seconds; an idle split tunnel was dead after 18


def add(lab: Lab, name: str, host: str, vpn: str, allowed: str) -> None:
    pair = lab.vpn.keys(vpn)
    body = {
        "name": name,
        "endpoint": f"{host}:51820",
        "public_key": pair["public_key"],
        "private_key": pair["client_private_key"],
        "address": f"{VPNS[vpn][2]}.2/32",
        "allowed_ips": allowed,
    }
    assert lab.api("POST", "/api/custom/add", body)["success"]


def connect(lab: Lab, server: str) -> None:
    answer = lab.api("POST", "/api/connect", {"server": server})
    assert answer["success"], f"{answer}\n{lab.gateway.logs()}"


def asked(lab: Lab, name: str) -> set[str]:
    """Who has asked the Internet's resolver for ``name`` since the last call."""
    path = lab.hosts.directory / "internet-dns.log"
    lines = path.read_text().splitlines()
    path.write_text("")
    return {line.split(" from ")[1].split()[0] for line in lines if f"] {name} from " in line}


def test_switch_to_a_blocked_name_keeps_the_tunnel(lab: Lab) -> None:
    """A filter in front of the WAN gives 0.0.0.0; inside the tunnel nobody knows the name."""
    lab.internet.start_isp(options=["address=/null.example/0.0.0.0"])
    add(lab, "null-name", "null.example", "vpn-de", "0.0.0.0/0")
    connect(lab, "vpn-se")
    answer = lab.api("POST", "/api/connect", {"server": "null-name"})
    assert answer["code"] == "endpoint_unresolvable", answer
    assert "the name server 10.64.0.1 in the tunnel answers REFUSED for null.example" in answer["error"]
    assert (
        "the name server 192.168.1.1 of the WAN gives 0.0.0.0 for null.example: it is blocked there" in answer["error"]
    )
    status = lab.api("GET", "/api/status")
    assert (status["state"], status["server"]) == ("connected", "vpn-se")
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=5) == VPNS["vpn-se"][0]
    lab.gateway.restart_app()
    wait_for("the same tunnel", lambda: lab.api("GET", "/api/status").get("server") == "vpn-se", 30)


def test_netd_killed_in_a_switch_comes_back_to_its_tunnel(lab: Lab) -> None:
    connect(lab, "vpn-se")
    since = lab.api("GET", "/api/status")["since"]
    lab.vpn.mute("vpn-de")
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            wish = pool.submit(lab.api.request, "POST", "/api/connect", {"server": "vpn-de"})
            wait_for("the switch", lambda: lab.api("GET", "/api/status")["switching_to"] == "vpn-de")
            lab.gateway.kill_app()
            assert wish.result(30)[0] >= 500
        lab.gateway.wait_ready()
    finally:
        lab.vpn.mute("vpn-de", False)
    status = lab.api("GET", "/api/status")
    assert (status["state"], status["server"]) == ("connected", "vpn-se")
    assert abs(status["since"] - since) < 1, "another tunnel"
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=5) == VPNS["vpn-se"][0]


@pytest.mark.parametrize("dead_first", [False, True])
def test_all_addresses_of_a_name_are_gone_through(lab: Lab, dead_first: bool) -> None:
    """One request finds the address that answers, wherever it is in the list."""
    name, alive = f"two-{int(dead_first)}", VPNS["vpn-de"][0]
    order = (NOBODY, alive) if dead_first else (alive, NOBODY)
    lab.internet.start_isp(options=["no-round-robin", *(f"host-record={name}.example,{a}" for a in order)])
    lab.api("POST", "/api/disconnect")
    given = lab.lan.dns("isp", f"{name}.example", server="192.168.1.1").records
    assert given == order
    add(lab, name, f"{name}.example", "vpn-de", "0.0.0.0/0")
    began = time.monotonic()
    connect(lab, name)
    print(f"connected after {time.monotonic() - began:.1f} s")
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=5) == alive


def test_resolver_that_refuses_hands_over_to_the_next(lab: Lab) -> None:
    """The router's own forwards to one that refuses the name; the second that DHCP gives knows it."""
    alive = VPNS["vpn-de"][0]
    second = [f"listen-address={alive}", "bind-interfaces", f"address=/second.example/{alive}"]
    lab.hosts.dnsmasq("vpn-de", "outside", second)
    lab.internet.start_isp(options=[f"dhcp-option=6,192.168.1.1,{alive}"])
    lab.wan_client.restart()
    wait_for("both", lambda: (lab.api("GET", "/api/status")["wan"] or {}).get("nameservers") == ["192.168.1.1", alive])
    lab.api("POST", "/api/disconnect")
    assert lab.lan.dns("isp", "second.example", server="192.168.1.1").rcode == "REFUSED"
    add(lab, "second", "second.example", "vpn-de", "0.0.0.0/0")
    began = time.monotonic()
    connect(lab, "second")
    print(f"connected after {time.monotonic() - began:.1f} s")
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=5) == alive


def test_name_of_the_next_server_is_asked_inside_the_tunnel(lab: Lab) -> None:
    """The positive control is the first look-up, without a tunnel: the ISP's own resolver asks then."""
    add(lab, "by-name", "vpn-de.lab", "vpn-de", "0.0.0.0/0")
    lab.api("POST", "/api/disconnect")
    asked(lab, "vpn-de.lab")
    connect(lab, "by-name")
    outside = asked(lab, "vpn-de.lab")
    assert outside
    connect(lab, "vpn-se")
    lab.internet.start_isp()  # its cache is empty again
    connect(lab, "by-name")
    inside = asked(lab, "vpn-de.lab")
    assert inside == {VPNS["vpn-se"][0]}
    assert not inside & outside


@pytest.mark.parametrize("allowed", ["10.65.0.0/24", "10.99.0.0/24"], ids=["its own network", "nobody there"])
def test_idle_split_tunnel_lives_until_its_server_dies(lab: Lab, allowed: str) -> None:
    name = f"split-{allowed.split('.')[1]}"
    add(lab, name, VPNS["vpn-de"][0], "vpn-de", allowed)
    connect(lab, name)
    since = lab.api("GET", "/api/status")["since"]
    time.sleep(SILENCE)  # nothing must happen, so there is no event to await
    status = lab.api("GET", "/api/status")
    assert (status["state"], status["since"]) == ("connected", since), lab.gateway.logs()
    lab.vpn.mute("vpn-de")
    try:  # within 20 s where nothing else needs the processor: tests/unit/tunnel/test_health.py
        wait_for("the death", lambda: lab.api("GET", "/api/status").get("state") != "connected", 40)
    finally:
        lab.vpn.mute("vpn-de", False)
    connect(lab, "vpn-se")
