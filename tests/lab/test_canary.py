"""The canary on the real gateway: it sees a leak made on purpose and shuts the exits, and it sees none otherwise."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.canary.identity import mac
from app.mac_address import is_canary
from ci.labnet import Lab
from ci.labnet.addresses import GATEWAY_LAN4, INTERNET4, LAN_HOSTS, VPNS
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

INTERVAL = 0.5
RESOLVER6 = "2001:db8:6361::53"  # nobody there: the gateway answers itself
BREAK = {
    "nft": "nft flush ruleset",
    "routing": "ip rule add priority 1 lookup main; ip -6 rule add priority 1 lookup main",
    "port": "tc qdisc del dev wan0 clsact",
}


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab(f"canary{os.getpid()}")
    lab.gateway.canary_interval = INTERVAL
    lab.gateway.owned = True
    try:
        yield lab.up()
    finally:
        lab.down()


def canary(lab: Lab) -> dict[str, Any]:
    return lab.api("GET", "/api/canary")


def packets(lab: Lab) -> tuple[dict[str, Any], dict[str, Any]]:
    answer = lab.api("POST", "/api/leak-test", {})
    return answer, next(c for c in answer["checks"] if c["name"] == "packets")


def connect(lab: Lab, server: str) -> None:
    answer = lab.api("POST", "/api/connect", {"server": server})
    assert answer["success"], f"{answer}\n{lab.gateway.logs()}"


def rounds(lab: Lab, more: int) -> dict[str, Any]:
    before = canary(lab)["rounds"]
    return wait_for("rounds of probes", lambda: (now := canary(lab))["rounds"] >= before + more and now, 60)


def seen(answer: dict[str, Any], place: str) -> set[tuple[str, int]]:
    return {(e["kind"], e["family"]) for e in answer["evidence"] if e[place]}


def whole_round(lab: Lab, through: set[tuple[str, int]]) -> dict[str, Any]:
    """The answer of a leak test which has seen exactly the probes ``through`` in the tunnel, and none on the WAN ever.

    A round has 1.2 s: where a resolver or WireGuard takes longer, it is not the whole one.
    """

    def one() -> dict[str, Any] | None:
        answer, check = packets(lab)
        assert (check["result"] != "failed", seen(answer, "seen_on_wan")) == (True, set()), answer
        assert seen(answer, "seen_in_tunnel") <= through, answer
        return answer if check["result"] == "ok" and seen(answer, "seen_in_tunnel") == through else None

    return wait_for("a whole round", one, 30, interval=2)  # a result is shared for two seconds


def test_each_probe_of_a_leak_test_is_told(lab: Lab) -> None:
    lab.api("POST", "/api/provider/custom")
    connect(lab, "vpn-se")
    lab.lan.wait_address("laptop", family=6)
    wait_for(  # the gateway's own IPv6 address is tried for a moment before it answers (RFC 4862, 5.4)
        "names over IPv6", lambda: lab.lan.dns("laptop", "whoami.lab", "TXT", server=RESOLVER6).rcode == "NOERROR"
    )
    through = {"tcp", "udp", "icmp", "dns", "dns_over_tls", "other_protocol"}
    answer = whole_round(lab, {(kind, family) for kind in through for family in (4, 6)})
    assert seen(answer, "seen_on_lan") >= seen(answer, "seen_in_tunnel")
    assert "WireGuard's own packets on the WAN at the same time: seen." in answer["report"]
    lab.api("POST", "/api/disconnect")
    whole_round(lab, set())


def test_canary_sees_no_leak_in_thirty_transitions(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(14)
    with LeakWatch(lab) as watch:
        for _ in range(30):
            wish = rng.choice(["vpn-se", "vpn-de", None])
            connect(lab, wish) if wish else lab.api("POST", "/api/disconnect")
            time.sleep(rng.uniform(0, 1))
        found = rounds(lab, 4)
    with capsys.disabled():
        print(f"\n  canary: {found['rounds']} rounds, {found['probes']} probes, {found['leaked']} leaked")
    assert (found["leaked"], found["shut"]) == (0, None)
    assert {one["device"] for one in found["latest"]} == {"default", "second", "(new device)", "(blocked)"}
    assert watch.leaks == [], dump(watch.leaks)
    assert "vpn_gateway_canary_leaked_packets_total 0.0" in metrics(lab)


def metrics(lab: Lab) -> str:
    return lab.api.request("GET", "/metrics")[1].decode()


def test_all_three_locks_broken_is_seen_by_the_canary(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """netd mends the locks at once, so they are broken again and again until a round has fallen into a gap."""
    connect(lab, "vpn-se")
    drilling = drill(lab)
    try:
        found = wait_for("the leak to be seen", lambda: (now := canary(lab))["leaked"] and now, 90)
        assert found["shut"] is not None
        status = wait_for(
            "the exits to be shut", lambda: (now := lab.api("GET", "/api/status"))["reason"] == "canary_leak" and now
        )
        assert status["state"] == "blocked"
    finally:
        end(lab, drilling)
    leaked = [one for one in canary(lab)["latest"] if one["leaked"]]
    with capsys.disabled():
        print(f"\n  leak seen: {found['leaked']} packets; {[one['device'] for one in leaked]}")
    assert f"vpn_gateway_canary_leaked_packets_total {float(canary(lab)['leaked'])}" in metrics(lab)
    wait_for("the exits to be open again", lambda: canary(lab)["shut"] is None, 90)
    wait_for("the LAN to be back", lambda: lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=1, check=False), 30)
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=5) == VPNS["vpn-se"][0]
    lines = "\n".join(line["message"] for line in lab.api("GET", "/api/logs")["lines"])
    assert "leak: " in lines
    assert "the exits are open again" in lines


def drill(lab: Lab) -> subprocess.Popen[bytes]:
    script = f"while :; do {'; '.join(BREAK.values())}; sleep 0.02; done 2>/dev/null"
    return lab.hosts.popen("gateway", ["sh", "-c", script])


def end(lab: Lab, drilling: subprocess.Popen[bytes]) -> None:
    lab.hosts.exec("gateway", ["pkill", "-f", "nft flush ruleset"])  # nsenter's child would outlive it
    drilling.wait(10)


@pytest.mark.parametrize("kept", ["nft", "routing", "port", None])
def test_one_lock_left_leaks_nothing_and_none_leaks(lab: Lab, kept: str | None) -> None:
    """netd is dead, and another asks for the same probes: with all three locks broken they are seen on the WAN."""
    connect(lab, "vpn-se")
    rounds(lab, 1)  # the cable into the LAN is there
    lab.gateway.kill_app("netd", restart=False)
    try:
        lab.hosts["gateway"].shell("; ".join(command for name, command in BREAK.items() if name != kept))
        done = lab.hosts.exec("gateway", [sys.executable, "-m", "tests.lab.probe_once"], timeout=30)
        assert done.returncode == 0, done.stderr
        leaked = int(done.stdout)
    finally:
        lab.gateway.release_app("netd")
    wait_for("netd to be back", lambda: lab.api("GET", "/api/status").get("state") == "connected", 40)
    assert (leaked > 0) == (kept is None), leaked


def test_a_real_browser_on_the_laptop_proves_itself(lab: Lab) -> None:
    """Without a password: Chromium on the laptop is told what to send, and each probe is found where it went."""
    connect(lab, "vpn-se")
    # The netd before this one was killed: the gateway announces the way again, and the laptop takes it.
    wait_for("the laptop's IPv6 route", lambda: "default" in lab.hosts.exec("laptop", ["ip", "-6", "route"]).stdout, 30)
    argv = [sys.executable, "-m", "tests.lab.browser_proof", f"http://{GATEWAY_LAN4}:5000/proof"]
    done = lab.hosts.exec("laptop", argv, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    state, _, text = done.stdout.partition("\n")
    assert state == "proven", text
    rows = {
        line[:54].strip(): line[54:].split() for line in text.splitlines() if len(line) > 54 and "seen" in line[54:]
    }
    through = ["seen", "seen", "none"]
    assert rows["A page at an address, IPv4"] == through, text
    assert rows["WebRTC (STUN), as calls use it, IPv4"] == through, text
    assert rows["DNS over HTTPS, past the gateway's resolver, IPv4"] == through, text
    assert rows["A name that nobody has asked for"] == through, text
    assert rows["A page at an address, IPv6"] == through, text
    assert "encrypted packets were seen" in text


def test_nobody_sees_the_canary_or_takes_its_place(lab: Lab) -> None:
    rounds(lab, 2)
    assert not [d for d in lab.api("GET", "/api/devices")["devices"] if is_canary(d["mac"])]
    assert not [p for p in lab.api("GET", "/api/wan")["ports"] if p["name"].startswith("canary")]
    traffic = lab.api("GET", "/api/traffic/devices")["devices"]
    assert not [d for d in traffic if is_canary(d["mac"])]
    # A device that is blocked takes the address of the canary of the default exit.
    phone = LAN_HOSTS["phone"]
    blocked = lab.api("PUT", f"/api/devices/{phone}/policy", {"policy": "blocked"})
    assert blocked["success"], blocked
    host = lab.hosts["phone"]
    try:
        host.shell(f"ip link set eth0 down; ip link set eth0 address {mac(0)}; ip link set eth0 up")
        time.sleep(1)
        assert lab.hosts.http("phone", f"http://{INTERNET4}/", timeout=3, check=False) == ""
        answer = lab.api("PUT", f"/api/devices/{mac(0)}/policy", {"policy": "vpn"})
        assert (answer["success"], answer["field"]) == (False, "mac")
    finally:
        host.shell(f"ip link set eth0 down; ip link set eth0 address {phone}; ip link set eth0 up")
        lab.api("PUT", f"/api/devices/{phone}/policy", {"policy": "vpn"})
