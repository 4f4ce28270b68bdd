"""Exits made, renamed and removed while others carry traffic: who comes out where, and nobody else loses a packet."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

import pytest

from app.network.plan import NFT_TABLE
from ci.labnet import Lab, Packet
from ci.labnet.addresses import INTERNET4, LAN_HOSTS, VPNS
from ci.labnet.waiting import wait_for
from tests.lab.ways import exit_address, seen_as

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(280)]

NEW_PREFIX = "2001:db8:77:7"
RATE = 200  # packets a second
# Sends numbered packets to the echo server until standard input ends, and at least two seconds' worth, then says which
# came back.
STREAM = f"""
import json, select, socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.connect(("{INTERNET4}", 9)); sock.setblocking(False)
sent, back, ending, ends = 0, set(), False, None
start = time.monotonic()
print("sending", flush=True)
while ends is None or time.monotonic() < ends:
    if ends is None and time.monotonic() >= start + sent / {RATE}:
        sock.send(b"{{host}} %d" % sent); sent += 1
    readable, _, _ = select.select([sock] + ([] if ending else [sys.stdin]), [], [], 0.001)
    ending = ending or sys.stdin in readable
    if ending and ends is None and sent >= {2 * RATE}:
        ends = time.monotonic() + 2.0
    if sock in readable:
        back.add(int(sock.recv(100).split()[1]))
print(json.dumps({{"sent": sent, "lost": sorted(set(range(sent)) - back)}}))
"""


class Stream:
    """``with Stream(lab, "laptop") as stream: ...``; then ``stream.sent`` and ``stream.lost`` are known."""

    def __init__(self, lab: Lab, host: str) -> None:
        script = STREAM.replace("{host}", host)
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = lab.hosts.popen(host, [sys.executable, "-c", script], **pipes)
        self.sent, self.lost = 0, list[int]()

    def __enter__(self) -> Stream:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"sending\n"
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        output, _ = self._process.communicate(timeout=30)
        found = json.loads(output)
        self.sent, self.lost = found["sent"], found["lost"]


class Crossing:
    """``with Crossing(lab, "laptop", "wg0a") as crossing: ...``; then ``lost`` is what the gateway did not pass on.

    The numbered packets of the host are captured on both of the gateway's sides, those that leave and those that come
    back. A queue that overflows elsewhere, as under a download, is not the gateway's rules' or routes' doing.
    """

    def __init__(self, lab: Lab, host: str, interface: str) -> None:
        self._word = host.encode()
        self._stream = Stream(lab, host)
        self._lan = lab.hosts.capture("gateway", "lan0", lab.directory / f"{host}-lan.pcap", "udp port 9")
        self._tunnel = lab.hosts.capture("gateway", interface, lab.directory / f"{host}-tunnel.pcap", "udp port 9")
        self.crossed, self.lost = 0, list[str]()

    def __enter__(self) -> Crossing:
        for capture in (self._lan, self._tunnel):
            capture.start()
        self._stream.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.__exit__()
        lan, tunnel = self._numbers(self._lan.stop()), self._numbers(self._tunnel.stop())
        self.crossed = len(tunnel[0])
        whole = range(min(tunnel[0]), max(tunnel[0]))  # what both captures were there for
        ways = (("out", lan[0] - tunnel[0]), ("back", tunnel[1] - lan[1]))
        self.lost = [f"{way} {n} of {max(whole)}" for way, numbers in ways for n in sorted(numbers) if n in whole]

    def _numbers(self, packets: list[Packet]) -> tuple[set[int], set[int]]:
        """The numbers that left, and those that came back."""
        own = [p for p in packets if p.payload.split(b" ")[0] == self._word]
        number = {id(p): int(p.payload.split(b" ")[1].rstrip(b"\0")) for p in own}
        return {number[id(p)] for p in own if p.dport == 9}, {number[id(p)] for p in own if p.sport == 9}


def table_handle(lab: Lab) -> int:
    """The number that the kernel gave the ruleset's table: another one after each whole load."""
    tables = json.loads(lab.hosts["gateway"].run("nft", "-j", "list", "tables").stdout)["nftables"]
    named = {(t["table"]["family"], t["table"]["name"]): t["table"]["handle"] for t in tables if "table" in t}
    return named["inet", NFT_TABLE]


def interface_of(lab: Lab, exit_name: str) -> str:
    return exits(lab)[exit_name]["status"]["interface"]


def api(lab: Lab, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = lab.api(method, path, body)
    assert answer.get("success", True), f"{method} {path}: {answer}\n{lab.gateway.logs()}"
    return answer


def policy(lab: Lab, host: str, text: str) -> None:
    api(lab, "PUT", f"/api/devices/{LAN_HOSTS[host]}/policy", {"policy": text})


def exits(lab: Lab) -> dict[str, Any]:
    return {one["name"]: one for one in api(lab, "GET", "/api/exits")["exits"]}


@pytest.fixture(scope="module", autouse=True)
def two_exits(lab: Lab) -> None:
    """The laptop leaves by vpn-se, the phone by the exit tv, which has connected by itself to vpn-de."""
    api(lab, "DELETE", "/api/exits/second")
    api(lab, "POST", "/api/connect", {"server": "vpn-se"})
    api(lab, "POST", "/api/exits", {"name": "tv", "target": "vpn-de"})
    wait_for("exit tv to connect by itself", lambda: exits(lab)["tv"]["status"]["state"] == "connected", 20)
    policy(lab, "phone", "vpn:tv")


def test_each_exit_carries_its_own_devices_alone(lab: Lab) -> None:
    """Captures at both exits, at once: the servers see the packets of their own device and none of the other's."""
    captures = {name: lab.hosts.capture(name, "wg0") for name in VPNS}
    for capture in captures.values():
        capture.start()
    with Stream(lab, "laptop") as laptop, Stream(lab, "phone") as phone:
        assert (exit_address(lab, "laptop"), exit_address(lab, "phone")) == (VPNS["vpn-se"][0], VPNS["vpn-de"][0])
        time.sleep(2)
    words = {
        name: {p.payload.split()[0] for p in capture.stop(exact=False) if p.dport == 9 and p.payload}
        for name, capture in captures.items()
    }
    assert words == {"vpn-se": {b"laptop"}, "vpn-de": {b"phone"}}
    assert min(laptop.sent, phone.sent) > RATE


def test_exits_come_and_go_without_a_lost_packet_elsewhere(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    download = lab.hosts.popen(
        "laptop",
        ["curl", "-s", "--limit-rate", "2M", "-m", "60", "-o", "/dev/null", "-w", "%{size_download} %{http_code}",
         f"http://{INTERNET4}/bytes/20000000"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    watched = (Crossing(lab, "laptop", interface_of(lab, "default")), Crossing(lab, "phone", interface_of(lab, "tv")))
    with watched[0] as laptop, watched[1] as phone:
        numbers, loaded = exits(lab), table_handle(lab)
        for name in ("guest", "work", "games"):
            api(lab, "POST", "/api/exits", {"name": name})
        api(lab, "PATCH", "/api/exits/tv", {"name": "television", "label": "The big one"})
        policy(lab, "tv", "vpn:guest")
        assert seen_as(lab, "tv") == ""  # an exit without a tunnel lets nobody out
        assert lab.api("DELETE", "/api/exits/guest")["code"] == "exit_in_use"
        api(lab, "DELETE", "/api/exits/guest", {"then": "blocked"})
        api(lab, "DELETE", "/api/exits/work")
        api(lab, "POST", "/api/exits", {"name": "new"})
        api(lab, "DELETE", "/api/exits/new")
        api(lab, "DELETE", "/api/exits/games")
        api(lab, "PATCH", "/api/exits/television", {"name": "tv", "label": None})
    with capsys.disabled():
        print(f"\n  {laptop.crossed} and {phone.crossed} packets, lost {len(laptop.lost)} and {len(phone.lost)}")
    # A whole load drops packets that are on their way through the old chains.
    assert table_handle(lab) == loaded, lab.gateway.logs()
    assert (laptop.lost, phone.lost) == ([], [])
    size, code = (download.communicate(timeout=60)[0] or b"").decode().split()
    assert (size, code) == ("20000000", "200")
    assert exits(lab).keys() == numbers.keys()
    assert exit_address(lab, "phone") == VPNS["vpn-de"][0]
    assert seen_as(lab, "tv") == ""
    policy(lab, "tv", "vpn")


def test_another_prefix_of_the_wan_loads_no_ruleset(lab: Lab) -> None:
    """The router announces it seconds after the start, and another one when the uplink has changed."""
    gateway, loaded = lab.hosts["gateway"], table_handle(lab)

    def prefixes() -> str:
        return gateway.run("nft", "list", "set", "inet", NFT_TABLE, "wan_network6").stdout

    try:
        for verb, known in (("add", True), ("del", False)):
            gateway.run("ip", "address", verb, f"{NEW_PREFIX}::5/64", "dev", "wan0", "nodad")
            wait_for("the prefix in the ruleset", lambda known=known: (f"{NEW_PREFIX}::/64" in prefixes()) == known)
        assert table_handle(lab) == loaded, lab.gateway.logs()
    finally:
        gateway.run("ip", "address", "del", f"{NEW_PREFIX}::5/64", "dev", "wan0", check=False)


def test_one_exit_removed_and_made_again_moves_only_its_devices(lab: Lab) -> None:
    with Crossing(lab, "laptop", interface_of(lab, "default")) as laptop:
        api(lab, "DELETE", "/api/exits/tv", {"then": "blocked"})
        assert seen_as(lab, "phone") == ""
        api(lab, "POST", "/api/exits", {"name": "tv", "target": "vpn-de", "auto_connect": False})
        policy(lab, "phone", "vpn:tv")
        assert seen_as(lab, "phone") == ""
        api(lab, "POST", "/api/connect", {"exit": "tv"})
        assert exit_address(lab, "phone") == VPNS["vpn-de"][0]
    assert laptop.crossed > RATE
    assert laptop.lost == []


def test_one_server_is_not_dialled_by_two_exits(lab: Lab) -> None:
    """Refused with the reason, left out of random, and refused as a file with the same keys."""
    answer = lab.api("POST", "/api/connect", {"server": "vpn-se", "exit": "tv"})
    assert answer["code"] == "server_in_use"
    assert "default" in answer["error"]
    api(lab, "POST", "/api/connect", {"server": "random", "exit": "tv"})
    assert exits(lab)["tv"]["status"]["server"] == "vpn-de"
    pair = lab.vpn.keys("vpn-se")
    config = (
        f"[Interface]\nPrivateKey = {pair['client_private_key']}\nAddress = {VPNS['vpn-se'][2]}.2/32\n"
        f"[Peer]\nPublicKey = {pair['public_key']}\nEndpoint = {VPNS['vpn-se'][0]}:51820\nAllowedIPs = 0.0.0.0/0\n"
    )
    api(lab, "POST", "/api/import", {"name": "twin", "config": config})
    answer = lab.api("POST", "/api/connect", {"server": "twin", "provider": "imported", "exit": "tv"})
    assert answer["code"] == "server_in_use"
    assert exit_address(lab, "phone") == VPNS["vpn-de"][0]


def test_a_fallback_of_another_provider_takes_over(lab: Lab) -> None:
    """The exit's server dies: its devices come out at the imported file's, and nobody else notices."""
    pair = lab.vpn.keys("vpn-de")
    api(lab, "DELETE", "/api/exits/tv", {"then": "blocked"})
    api(lab, "POST", "/api/disconnect")
    config = (
        f"[Interface]\nPrivateKey = {pair['client_private_key']}\nAddress = {VPNS['vpn-de'][2]}.2/32\n"
        f"[Peer]\nPublicKey = {pair['public_key']}\nEndpoint = {VPNS['vpn-de'][0]}:51820\nAllowedIPs = 0.0.0.0/0\n"
    )
    api(lab, "POST", "/api/import", {"name": "berlin", "config": config})
    ranks = [{"provider": "imported", "target": "berlin"}]
    api(lab, "POST", "/api/exits", {"name": "tv", "target": "vpn-se", "fallbacks": ranks, "auto_connect": False})
    api(lab, "POST", "/api/connect", {"exit": "tv"})
    policy(lab, "phone", "vpn:tv")
    assert exit_address(lab, "phone") == VPNS["vpn-se"][0]
    lab.vpn.mute("vpn-se")
    try:
        wait_for("the fallback", lambda: seen_as(lab, "phone") == VPNS["vpn-de"][0], 60)
    finally:
        lab.vpn.mute("vpn-se", mute=False)
    status = exits(lab)["tv"]["status"]
    assert (status["server"], status["provider"], status["asked"]) == ("berlin", "imported", "vpn-se")
