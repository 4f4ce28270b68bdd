"""Each device its own way out, all at once: the laptop at vpn-se, the phone at vpn-de, the TV by the WAN for a while.

Everything is captured at each way out, with a control there; what breaks in this state is in test_leaks.py.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ci.labnet import Capture, Lab
from ci.labnet.addresses import GATEWAY_LAN4, INTERNET4, LAN_HOSTS, VPNS
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import GATEWAY_WAN_MAC, dump
from tests.lab.test_canary import INTERVAL, canary, drill, end
from tests.lab.test_devices import resolver_of
from tests.lab.test_exits import Crossing, Stream, interface_of
from tests.lab.test_waiting import change_mac, device
from tests.lab.ways import BERLIN, DIRECT, WAN_SOURCE, ThreeWays, WayWatch, ask, exit_address, policy, seen_as

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(200)]

SE, DE = VPNS["vpn-se"][0], VPNS["vpn-de"][0]
SECONDS = 10  # of the TV's exception
GRACE = 0.3  # seconds after the end that a packet on its way may take
TUNNEL_GRACE = 3.0  # the same through WireGuard outside the kernel, which is a process at either end
DOWNLOAD = 20_000_000  # bytes, at two megabytes a second longer than any phase


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    lab = Lab(f"ways{os.getpid()}")
    lab.gateway.canary_interval = INTERVAL
    lab.gateway.owned = True
    try:
        yield lab.up()
    finally:
        lab.down()


@pytest.fixture(scope="module", autouse=True)
def three_ways(lab: Lab) -> ThreeWays:
    ways = ThreeWays()
    ways.begin(lab)
    ways.connect(lab)
    return ways


@pytest.fixture(autouse=True)
def everybody_their_own_way(lab: Lab, three_ways: ThreeWays) -> None:
    policy(lab, "laptop", "vpn")
    policy(lab, "phone", f"vpn:{BERLIN}")
    policy(lab, "tv", "direct")
    three_ways.settled(lab)


def test_tvs_minute_ends_with_netd_dead(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Three ways at once; when the TV's time is over, with nobody there to end it, it leaves as the laptop does."""
    policy(lab, "tv", "vpn")
    wait_for("the TV in the tunnel", lambda: seen_as(lab, "tv") == SE)
    body = {"device": LAN_HOSTS["tv"], "policy": "direct", "for": SECONDS, "reason": "a film", "password": PASSWORD}
    until: Any = ask(lab, "POST", "/api/exceptions", body)["exception"]
    wait_for("the TV to leave by the WAN", lambda: WAN_SOURCE.fullmatch(seen_as(lab, "tv")))
    try:
        wait_for("the WAN's resolver to answer the TV", lambda: resolver_of(lab, "tv") == "internet")
        with WayWatch(lab, {"laptop": ("vpn-se",), "phone": ("vpn-de",), "tv": (DIRECT, "vpn-se")}) as watch:
            assert (exit_address(lab, "laptop"), exit_address(lab, "phone")) == (SE, DE)
            assert WAN_SOURCE.fullmatch(exit_address(lab, "tv"))
            # The forwarders of the three: nobody's names are asked for by another's way.
            assert [resolver_of(lab, host) for host in LAN_HOSTS] == ["vpn-se", "vpn-de", "internet"]
            lab.gateway.kill_app("netd", restart=False)
            assert time.time() < until["until"] - 1, "too slow a machine to see both sides of the end"
            time.sleep(max(0.0, until["until"] + GRACE - time.time()))
            wait_for("the TV in the tunnel again", lambda: seen_as(lab, "tv") == SE)
            assert (exit_address(lab, "laptop"), exit_address(lab, "phone")) == (SE, DE)
            time.sleep(2)  # the hosts keep trying; this is the time in which a leak would show
    finally:
        lab.gateway.release_app("netd")
        wait_for("netd to be back", lambda: lab.api("GET", "/api/status").get("state") == "connected")
    with capsys.disabled():
        print(f"\n  three ways: {dict(watch.counts)}")
    assert watch.leaks == [], dump(watch.leaks)
    assert [f"{p.time - until['until']:+.2f} s: {p}" for p in late(watch, until["until"])] == []
    assert min(p.time for p in watch.seen["tv", "vpn-se"]) > until["until"] - GRACE
    assert max(p.time for p in watch.seen["tv", DIRECT]) > until["until"] - 3, "to the end"


def late(watch: WayWatch, moment: float) -> list[Any]:
    return [p for p in watch.seen["tv", DIRECT] if p.time > moment + GRACE]


def test_a_stray_would_be_seen(lab: Lab) -> None:
    """The control of all watches of this kind: the laptop leaves by the phone's exit, since it was told to."""
    with WayWatch(lab, ThreeWays.ways) as watch:
        wait_for("the laptop at its own exit", lambda: seen_as(lab, "laptop") == SE)
        policy(lab, "laptop", f"vpn:{BERLIN}")
        wait_for("the laptop at the phone's exit", lambda: seen_as(lab, "laptop") == DE)
        assert [exit_address(lab, "laptop") for _ in range(3)] == [DE] * 3, "each asks with at least four packets"
    assert {(host, place) for host, place in watch.seen if place not in ThreeWays.ways[host]} == {("laptop", "vpn-de")}
    assert len(watch.leaks) == len(watch.seen["laptop", "vpn-de"]) > 10
    assert {":" in p.source for found in watch.seen.values() for p in found} == {False, True}, "either family is known"
    for name in VPNS:  # a forwarder asks for its own device's names alone
        assert any(p.dport == 53 and p.payload for p in watch.seen["phone" if name == "vpn-de" else "laptop", name])


MOVES = {"laptop": f"vpn:{BERLIN}", "phone": "vpn", "tv": "vpn"}
HOME = {"laptop": "vpn", "phone": f"vpn:{BERLIN}", "tv": "direct"}


def test_each_is_moved_and_nobody_else_loses_a_packet(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    """Downloads and numbered packets on the two others, and the same again without any move, to compare with."""
    places = {"laptop": "vpn-se", "phone": "vpn-de", "tv": DIRECT}
    captures = everywhere(lab)
    for capture in captures.values():
        capture.start()
    moved: dict[str, tuple[float, float]] = {}  # from the move to the return
    lost: dict[str, dict[str, list[int]]] = {}
    for mover in (None, *MOVES):
        with contextlib.ExitStack() as stack:
            others = [host for host in MOVES if host != mover]
            downloads = {host: stack.enter_context(download(lab, host)) for host in others}
            crossings = {host: Crossing(lab, host, way_of(lab, host)) for host in others}
            shown = [] if mover is None else [Stream(lab, mover)]  # where the mover is
            stack.enter_context(at_once([*crossings.values(), *shown]))
            began = time.time()
            if mover is not None:
                policy(lab, mover, MOVES[mover])
                expected = {"laptop": DE, "phone": SE, "tv": SE}[mover]
                wait_for(f"{mover} at the other exit", lambda m=mover, e=expected: seen_as(lab, m) == e)
                policy(lab, mover, HOME[mover])
                moved[mover] = (began, time.time())
            time.sleep(max(0.0, began + 1.5 - time.time()))  # the phases are to be alike
            assert {host: process.poll() for host, process in downloads.items()} == dict.fromkeys(others)
        lost[mover or "nobody"] = {host: crossing.lost for host, crossing in crossings.items()}
        assert min(crossing.crossed for crossing in crossings.values()) > 200
        with capsys.disabled():
            counts = {host: f"{len(one.lost)} of {one.crossed}" for host, one in crossings.items()}
            print(f"\n  lost while {mover or 'nobody'} moves: {counts}")
    for mover in MOVES:
        for host, numbers in lost[mover].items():
            assert len(numbers) <= len(lost["nobody"][host]), (mover, host, numbers)
    strays, at_home = 0, set[str]()
    for place, capture in captures.items():
        for packet in capture.stop():
            host = packet.payload.split(b" ")[0].decode(errors="replace")
            if (
                packet.dport != 9
                or host not in MOVES
                or packet.source_mac not in {GATEWAY_WAN_MAC, "00:00:00:00:00:00"}
            ):
                continue
            if place == places[host]:
                at_home.add(host)
                continue
            start, stop = moved.get(host, (0.0, 0.0))
            grace = GRACE if place == DIRECT else TUNNEL_GRACE
            assert start <= packet.time <= stop + grace, (
                f"{host} at {place}: {packet.time - stop:+.2f} s after its return"
            )
            strays += 1
    assert at_home == set(MOVES)
    assert strays > 10, "the captures see who is where"


def everywhere(lab: Lab) -> dict[str, Capture]:
    captures = {name: lab.hosts.capture(name, "wg0", lab.directory / f"at-{name}.pcap", "udp") for name in VPNS}
    return {**captures, DIRECT: lab.hosts.capture("isp", "wan", lab.directory / "at-wan.pcap", "udp port 9")}


def way_of(lab: Lab, host: str) -> str:
    return {"laptop": interface_of(lab, "default"), "phone": interface_of(lab, BERLIN), "tv": "wan0"}[host]


@contextlib.contextmanager
def at_once(contexts: Sequence[contextlib.AbstractContextManager[Any]]) -> Generator[None]:
    """Enter all of them, and leave all of them, side by side: each waits for its own packets."""
    with ThreadPoolExecutor(len(contexts)) as pool:
        list(pool.map(lambda one: one.__enter__(), contexts))
        try:
            yield
        finally:
            list(pool.map(lambda one: one.__exit__(None, None, None), contexts))


@contextlib.contextmanager
def download(lab: Lab, host: str) -> Generator[subprocess.Popen[bytes]]:
    url = f"http://{INTERNET4}/bytes/{DOWNLOAD}"
    process = lab.hosts.popen(host, ["curl", "-s", "--limit-rate", "2M", "-m", "60", "-o", "/dev/null", url])
    try:
        yield process
    finally:
        lab.hosts.exec(host, ["pkill", "curl"])
        process.wait(10)


def test_a_device_without_a_lease_appears_and_obeys(lab: Lab) -> None:
    """It comes with an address of its own choice, in the TV's place, and takes each way that it is told to."""
    mac = "02:00:00:00:00:9d"
    try:
        change_mac(lab, "tv", mac)
        lab.hosts["tv"].shell(f"ip addr add 192.168.77.9/24 dev eth0; ip route replace default via {GATEWAY_LAN4}")
        assert exit_address(lab, "tv") == SE  # as all that nobody has decided about
        wait_for("it to be listed", lambda: device(lab, mac).get("address") == "192.168.77.9")
        assert device(lab, mac)["leased"] is False
        for text, expected in ((f"vpn:{BERLIN}", DE), ("direct", None), ("blocked", ""), ("vpn", SE)):
            ask(lab, "PUT", f"/api/devices/{mac}/policy", {"policy": text, "password": PASSWORD})
            found = seen_as(lab, "tv", 1 if expected == "" else 10)
            assert WAN_SOURCE.fullmatch(found) if expected is None else found == expected, text
            assert (exit_address(lab, "laptop"), exit_address(lab, "phone")) == (SE, DE)
    finally:
        change_mac(lab, "tv", LAN_HOSTS["tv"])
        lab.lan.start_dhcp("tv")
        lab.lan.wait_address("tv")


def test_the_canary_sees_a_leak_made_on_purpose(lab: Lab, three_ways: ThreeWays) -> None:
    """Both exits are shut then, until they are opened by hand; who is meant to be in the clear stays so."""
    assert canary(lab)["leaked"] == 0  # in all of the above
    wait_for("a round", lambda: canary(lab)["rounds"])
    drilling = drill(lab)
    try:
        wait_for("the leak to be seen", lambda: (now := canary(lab))["leaked"] and now["shut"], 90)
        wait_for("both exits to be shut", lambda: set(reasons(lab).values()) == {"canary_leak"})
    finally:
        end(lab, drilling)
    wait_for("the ruleset to be whole", lambda: WAN_SOURCE.fullmatch(seen_as(lab, "tv", 1)))
    assert (seen_as(lab, "laptop", 1), seen_as(lab, "phone", 1)) == ("", "")
    ask(lab, "POST", "/api/canary/open")
    three_ways.settled(lab)


def reasons(lab: Lab) -> dict[str, str]:
    """Why the exits that are in use are blocked."""
    return {
        one["name"]: one["status"]["reason"] for one in lab.api("GET", "/api/exits")["exits"] if one["name"] != "second"
    }
