"""The product's promise, from outside: whatever happens, nothing of the LAN leaves by the WAN in the clear.

Each test captures the ISP's end of the WAN cable while three LAN hosts send TCP, UDP, ICMP and DNS over IPv4 and IPv6,
spoofed sources among them, and ends with a positive control in the same capture. All faults are tried twice: with one
exit for all, and with a way out of its own for each host, where both VPN servers are captured too and nobody may ever
leave by another's (:mod:`tests.lab.ways`).
"""

from __future__ import annotations

import contextlib
import http.client
import random
import time

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, VPNS, WAN4_NETWORKS
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import LeakWatch, dump
from tests.lab.ways import STATES, OneExit, ask, seen_as, sender

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(400)]


@pytest.fixture(scope="module", params=STATES, ids=lambda param: param.name)
def ways(request: pytest.FixtureRequest, lab: Lab) -> OneExit:
    request.param.begin(lab)
    return request.param


@pytest.fixture(autouse=True)
def settled(lab: Lab, ways: OneExit):
    """Each test begins connected and ends in a gateway that still works: recovery is part of every fault."""
    ways.connect(lab)
    yield
    ways.connect(lab)
    ways.settled(lab)
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=5) == VPNS["vpn-se"][0]


def state(lab: Lab) -> str:
    return lab.api("GET", "/api/status").get("state", "unavailable")


def connected_again(lab: Lab) -> None:
    wait_for("the tunnel to be up again", lambda: seen_as(lab, "laptop", 1), 40)


def report(capsys, name: str, watch: LeakWatch) -> None:
    with capsys.disabled():
        print(f"\n  {name}: {dict(watch.counts)}")
    assert watch.counts["from the gateway"] > 0
    assert watch.leaks == [], dump(watch.leaks)


def test_two_hundred_transitions(lab, ways, capsys):
    """Connect, switch and disconnect in random order; fewer where each has a way of its own."""
    rng = random.Random(20)
    with ways.watch(lab) as watch:
        for _ in range(times := ways.often(200)):
            ask(lab, "POST", *ways.wish(rng))
        ways.connect(lab)
        ways.settled(lab)
    report(capsys, f"{times} transitions", watch)


def test_app_killed_and_restarted(lab, ways, capsys):
    with ways.watch(lab) as watch:
        for _ in range(ways.often(3)):
            lab.gateway.kill_app("netd", restart=False)
            # netd is down: the tunnel still carries the LAN, and nothing else does.
            assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]
            ways.nobody_else_moved(lab)
            lab.gateway.release_app("netd")
            wait_for("netd to be back", lambda: state(lab) == "connected")
        lab.gateway.kill_app("web")
        lab.gateway.wait_ready()
    report(capsys, "app killed", watch)


def test_app_killed_in_the_middle_of_a_switch(lab, ways, capsys):
    with ways.switching(lab) as watch:
        for server in ("vpn-de", "vpn-se") * ways.often(3):
            with pytest.MonkeyPatch.context():
                lab.vpn.mute(server)
                request = lab.hosts.popen(
                    "laptop",
                    [
                        "curl",
                        "-s",
                        "-m",
                        "5",
                        "-XPOST",
                        "http://192.168.77.1:5000/api/connect",
                        "-H",
                        "Content-Type: application/json",
                        "-H",
                        f"Authorization: {lab.api.headers['Authorization']}",
                        "-d",
                        f'{{"server":"{server}"}}',
                    ],
                )
                wait_for(
                    "the switch to begin",
                    lambda s=server: (
                        s
                        in (
                            lab.api("GET", "/api/status").get("switching_to"),
                            lab.api("GET", "/api/status").get("server"),
                        )
                    ),
                )
                lab.gateway.kill_app("netd")
                lab.vpn.mute(server, False)
                request.wait(timeout=10)
            wait_for("netd to be back", lambda: state(lab) in {"connected", "connecting", "blocked"})
            connected_again(lab)
    report(capsys, "app killed in a switch", watch)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("tunnel interface deleted", "for i in $(ls /sys/class/net | grep ^wg); do ip link del $i || true; done"),
        ("nft flush ruleset", "nft flush ruleset"),
        ("ip rules flushed", "ip rule flush; ip -6 rule flush"),
        (
            "routes added to main",
            (
                "for d in 203.0.113.0/25 192.168.77.128/25 0.0.0.0/1 128.0.0.0/1; do "
                "ip route replace $d via 192.168.1.1 dev wan0 onlink; done"
            ),
        ),
        (
            "our tables flushed",
            (
                "for t in $(ip route show table all | grep -o 'table 7[0-9]*' | sort -u | cut -c7-); do "
                "ip route flush table $t; ip -6 route flush table $t; done"
            ),
        ),
        ("a route in our table", "ip route replace default via 192.168.1.1 dev wan0 table 7100 onlink"),
        ("a rule before ours", "ip rule add prio 1 iif lan0 lookup main; ip -6 rule add prio 1 iif lan0 lookup main"),
        ("forwarding off and on", "sysctl -qw net.ipv4.ip_forward=0; sysctl -qw net.ipv4.ip_forward=1"),
    ],
)
def test_the_network_broken_under_the_app(lab, ways, capsys, name, command):
    with ways.watch(lab) as watch:
        for _ in range(ways.often(3)):
            lab.hosts["gateway"].shell(command)
            ways.settled(lab)
    lab.hosts["gateway"].shell(
        "for d in 203.0.113.0/25 192.168.77.128/25 0.0.0.0/1 128.0.0.0/1; do ip route del $d 2>/dev/null || true; done"
    )
    report(capsys, name, watch)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("tunnel interface deleted", "for i in $(ls /sys/class/net | grep ^wg); do ip link del $i || true; done"),
        ("nft flush ruleset", "nft flush ruleset"),
        ("ip rules flushed", "ip rule flush; ip -6 rule flush"),
        ("route added to main", "ip route replace 203.0.113.0/25 via 192.168.1.1 dev wan0 onlink"),
    ],
)
def test_one_lock_alone_holds_while_netd_is_dead(lab, ways, capsys, name, command):
    """netd is dead and stays dead, and then something breaks: the other lock alone holds for as long as it takes."""
    with ways.watch(lab) as watch:
        lab.gateway.kill_app("netd", restart=False)
        lab.hosts["gateway"].shell(command)
        time.sleep(2)  # the hosts keep trying; this is the time in which a leak would show
        lab.gateway.release_app("netd")
        wait_for("netd to be back", lambda: state(lab) in {"connected", "connecting", "blocked"})
        ways.settled(lab)
    lab.hosts["gateway"].shell("ip route del 203.0.113.0/25 || true")
    report(capsys, f"{name}, app dead", watch)


BREAK = {
    "nft": "nft flush ruleset",
    # All packets, whatever their mark, by the WAN's own default route.
    "routing": "ip rule add priority 1 lookup main; ip -6 rule add priority 1 lookup main",
    "port": "tc qdisc del dev wan0 clsact",
}


@pytest.mark.parametrize("kept", BREAK)
def test_any_two_locks_broken(lab, ways, capsys, kept):
    """netd is dead, and two of the three locks break at one instant: the third holds for as long as it takes."""
    with ways.watch(lab) as watch:
        lab.gateway.kill_app("netd", restart=False)
        lab.hosts["gateway"].shell("; ".join(command for name, command in BREAK.items() if name != kept))
        time.sleep(2)  # the hosts keep trying; this is the time in which a leak would show
        lab.gateway.release_app("netd")
        wait_for("netd to be back", lambda: state(lab) in {"connected", "connecting", "blocked"})
        ways.settled(lab)
    report(capsys, f"only {kept} left, app dead", watch)


def test_all_three_locks_broken_would_be_seen(lab, ways):
    """The control of the test above: what it breaks does open the gateway once nothing is left."""
    with ways.watch(lab) as watch:
        lab.gateway.kill_app("netd", restart=False)
        lab.hosts["gateway"].shell("; ".join(BREAK.values()))
        time.sleep(2)
        lab.gateway.release_app("netd")
        wait_for("netd to be back", lambda: state(lab) in {"connected", "connecting", "blocked"})
        ways.settled(lab)
    assert {sender(p) for p in watch.leaks} >= {"laptop", "phone"}


CHAOS = {
    **BREAK,
    "rules": "ip rule flush; ip -6 rule flush",
    "tables": "for t in 7100 7101 7102; do ip route flush table $t; ip -6 route flush table $t; done",
    "tunnel": "for i in $(ls /sys/class/net | grep ^wg); do ip link del $i || true; done",
    "sysctl": "sysctl -qw net.ipv4.ip_forward=0; sysctl -qw net.ipv4.conf.all.rp_filter=1",
    "main": "ip route replace 203.0.113.0/25 via 192.168.1.1 dev wan0 onlink",
    "dnsmasq": "pkill -KILL dnsmasq",
    "netd": "",
    "web": "",
}


@pytest.mark.parametrize("seed", [1, 2])
def test_random_pairs_of_faults(lab, ways, capsys, seed):
    """Two faults at one instant, thirty times, among switches and disconnects, while netd repairs; locks among them."""
    rng = random.Random(seed)
    done: list[str] = []
    with ways.watch(lab) as watch:
        for _ in range(ways.often(30)):
            pair = rng.sample(sorted(CHAOS), 2)
            if set(BREAK) & set(pair):
                wait_for("all three locks", lambda: locked(lab))  # else the third may break before the first is mended
            done.append("+".join(pair))
            lab.hosts["gateway"].shell("; ".join(f"({CHAOS[name]}) || true" for name in pair if CHAOS[name]) or "true")
            for name in {"netd", "web"} & set(pair):
                lab.gateway.kill_app(name)
            if rng.random() < 0.3:
                with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                    lab.api("POST", *ways.wish(rng))
            time.sleep(rng.uniform(0, 0.6))  # the next may come before the repair
        wait_for("netd to answer", lambda: answers(lab))
        lab.hosts["gateway"].shell("ip route del 203.0.113.0/25 || true")
        ways.connect(lab)
        ways.settled(lab)
    report(capsys, f"pairs of faults, seed {seed}: {' '.join(done)}", watch)


def locked(lab: Lab) -> bool:
    """Whether ruleset, routing and the port's filter are all in force."""
    checks = ("nft list table inet vpn_gateway", "! ip rule | grep -q ^1:", "tc filter show dev wan0 egress | grep .")
    return all(lab.hosts.exec("gateway", ["sh", "-c", check]).returncode == 0 for check in checks)


def answers(lab: Lab) -> bool:
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
        return state(lab) != "unavailable"
    return False


def test_vpn_server_dies(lab, ways, capsys):
    """A dead server is detected within 20 s, named as the cause, and reconnected when it is back."""
    with ways.watch(lab) as watch:
        lab.vpn.mute("vpn-se")
        began = time.monotonic()
        wait_for("the dead tunnel to be found", lambda: state(lab) != "connected", 25)
        found = time.monotonic() - began
        status = wait_for(
            "a reason", lambda: (s := lab.api("GET", "/api/status"))["reason"] == "handshake_timeout" and s, 20
        )
        ways.nobody_else_moved(lab)
        lab.vpn.mute("vpn-se", False)
        ways.settled(lab, 90)
    with capsys.disabled():
        print(f"\n  dead server found after {found:.1f} s: {status['message']}")
    assert found <= 20
    assert "198.51.100.10:51820" in status["message"]
    report(capsys, "VPN server dead", watch)


def test_wan_down_up_and_renumbered(lab, ways, capsys):
    with ways.watch(lab) as watch:
        lab.internet.wan_link(up=False)
        wait_for("the lost WAN to be noticed", lambda: not lab.api("GET", "/api/status")["wan"]["up"])
        lab.internet.wan_link(up=True)
        ways.settled(lab)
        lab.internet.renumber(WAN4_NETWORKS[1])
        ways.settled(lab)
        lab.internet.renumber(WAN4_NETWORKS[0])
        ways.settled(lab)
    report(capsys, "WAN down, up, renumbered", watch)


def test_dhcp_option_121(lab, ways, capsys):
    """TunnelVision (CVE-2024-3661): routes more specific than any default, handed out by the WAN's DHCP."""
    routes = (
        "0.0.0.0/1",
        "192.168.1.1",
        "128.0.0.0/1",
        "192.168.1.1",
        "203.0.113.0/24",
        "192.168.1.1",
        "192.168.77.0/25",
        "192.168.1.1",
        "0.0.0.0/0",
        "192.168.1.1",
    )
    with ways.switching(lab) as watch, lab.internet.option121(*routes):
        wait_for(  # the client gives itself the address first, then one route after the other
            "the routes to be resisted",
            lambda: (
                {"203.0.113.0/24", "192.168.77.0/25"} <= set(lab.hosts.exec("gateway", ["ip", "route"]).stdout.split())
            ),
        )
        connected_again(lab)
        assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]
        # For a moment the new address is not known to netd, which says so: wan_down.
        wait_for("vpn-de", lambda: lab.api("POST", "/api/connect", {"server": "vpn-de"})["success"])
        assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-de"][0]
        lab.api("POST", "/api/disconnect")
        time.sleep(1)  # blocked, with the routes in place
    lab.wan_client.restart()
    report(capsys, "option 121", watch)


def test_rogue_router_advertisement(lab, ways, capsys):
    with ways.watch(lab) as watch, lab.internet.rogue_ra():
        wait_for(
            "the rogue prefix on the WAN",
            lambda: "2001:db8:bad:" in lab.hosts.exec("gateway", ["ip", "-6", "addr"]).stdout,
        )
        assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]
        lab.api("POST", "/api/disconnect")
        time.sleep(1)
    report(capsys, "rogue RA", watch)


def test_disconnected(lab, ways, capsys):
    with ways.watch(lab) as watch:
        assert lab.api("POST", "/api/disconnect") == {
            "success": True,
            "message": "Disconnected - No internet (killswitch active)",
        }
        assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=2, check=False) == ""
        ways.nobody_else_moved(lab)
        time.sleep(1)
        ways.connect(lab)
        ways.settled(lab)
    report(capsys, "disconnected", watch)
