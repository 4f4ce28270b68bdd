"""Attacks from the LAN, from the WAN and from inside the tunnel, each with a control that shows a success."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from ci.labnet import Lab, Packet
from ci.labnet.addresses import INTERNET4, LAN_HOSTS, VPNS, WAN4_NETWORKS
from ci.labnet.waiting import wait_for
from tests.lab.leakwatch import GATEWAY_WAN_MAC, LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400), pytest.mark.owned]

CRAFTED = Path(__file__).with_name("crafted.py")
GATEWAY_LAN_MAC = "02:00:00:00:00:01"
FIREWALL, PORT = "nft flush ruleset", "tc qdisc del dev wan0 clsact"
ROUTING = "ip rule add priority 1 lookup main; ip -6 rule add priority 1 lookup main"


def connect(lab: Lab) -> None:
    answer = lab.api("POST", "/api/connect", {"server": "vpn-se"})
    assert answer["success"], f"{answer}\n{lab.gateway.logs()}"


def disconnect(lab: Lab) -> None:
    assert lab.api("POST", "/api/disconnect")["success"]


def block_laptop(lab: Lab, policy: str = "blocked") -> None:
    assert lab.api("PUT", f"/api/devices/{LAN_HOSTS['laptop']}/policy", {"policy": policy})["success"]


def state(lab: Lab) -> str:
    return lab.api("GET", "/api/status").get("state", "unavailable")


def wan_address(lab: Lab) -> str:
    addresses = lab.api("GET", "/api/status")["wan"]["addresses"]
    return next(a.partition("/")[0] for a in addresses if a.startswith(WAN4_NETWORKS[0]))


def send(lab: Lab, host: str, interface: str, source: str, router: str, *arguments: str) -> int:
    argv = (sys.executable, str(CRAFTED), interface, source, router, *arguments)
    return int(lab.hosts[host].run(*argv, timeout=120).stdout)


@pytest.mark.parametrize("way", ["connected", "blocked device", "netd dead", "disconnected"])
def test_no_crafted_frame_of_a_device_leaves_in_the_clear(lab, capsys, way):
    connect(lab)
    if way == "disconnected":
        disconnect(lab)
    if way == "blocked device":
        block_laptop(lab)
    if way == "netd dead":
        lab.gateway.kill_app("netd", restart=False)
    with LeakWatch(lab) as watch, lab.hosts.capture("gateway", "lan0") as arrived:
        count = send(lab, "laptop", "eth0", LAN_HOSTS["laptop"], GATEWAY_LAN_MAC, "lan")
    lab.gateway.release_app("netd")
    wait_for("netd to answer", lambda: state(lab) in {"connected", "disconnected"})
    block_laptop(lab, "vpn")
    with capsys.disabled():
        print(f"\n  {way}: {count} frames, {dict(watch.counts)}")
    seen = sum(p.source_mac == LAN_HOSTS["laptop"] for p in arrived.packets)
    assert seen >= count * 0.95, "the frames arrived at the gateway"
    assert watch.leaks == [], dump(watch.leaks)


def test_crafted_frames_would_be_seen(lab):
    """The control of the test above: without any lock some leave in the clear."""
    connect(lab)
    lab.gateway.kill_app("netd", restart=False)
    try:
        with LeakWatch(lab) as watch:
            lab.hosts["gateway"].shell("; ".join((FIREWALL, PORT, ROUTING)))
            send(lab, "laptop", "eth0", LAN_HOSTS["laptop"], GATEWAY_LAN_MAC, "lan")
    finally:
        lab.gateway.release_app("netd")
    wait_for("netd to be back", lambda: state(lab) == "connected")
    assert len({p.protocol for p in watch.leaks}) > 100, "of most protocols"


def scan(lab: Lab, own: str) -> tuple[int, list[Packet]]:
    """The number of frames that the ISP has sent, and the answers on the WAN."""
    with lab.hosts.capture("isp", "wan") as capture:
        count = send(lab, "isp", "wan", mac_of(lab, "isp", "wan"), GATEWAY_WAN_MAC, "wan", own)
    sent = [p for p in capture.packets if p.source_mac == GATEWAY_WAN_MAC]
    return count, [p for p in sent if p.protocol in {1, 6} or (p.protocol == 17 and p.dport == 40000)]


@pytest.mark.parametrize("way", ["connected", "disconnected"])
def test_nothing_on_the_wan_is_answered(lab, way):
    """Every TCP port, UDP ports, every IP protocol and ICMP type, and the gateway used as a router."""
    connect(lab)
    if way == "disconnected":
        disconnect(lab)
    own = wan_address(lab)
    before = lab.api("GET", "/api/status")["drops"]
    with lab.hosts.capture("laptop", "eth0") as inside, lab.hosts.capture("vpn-se", "wg0") as tunnel:
        count, answers = scan(lab, own)
        wait_for("the frames to be counted", lambda: dropped(lab, before) > 0.9 * count)
    assert answers == [], dump(answers)
    assert [p for p in tunnel.packets if p.dport == 40000] == []
    assert [p for p in inside.packets if p.source_mac == GATEWAY_LAN_MAC and b"IN-THE-CLEAR" in p.payload] == []


def test_answers_on_the_wan_would_be_seen(lab):
    """The control of the test above: without any lock every closed port answers."""
    connect(lab)
    own = wan_address(lab)
    lab.gateway.kill_app("netd", restart=False)
    try:
        lab.hosts["gateway"].shell("; ".join((FIREWALL, PORT, ROUTING)))
        answers = scan(lab, own)[1]
    finally:
        lab.gateway.release_app("netd")
        wait_for("netd to be back", lambda: state(lab) == "connected")
    assert len({p.sport for p in answers if p.protocol == 6}) > 60_000


def dropped(lab: Lab, before: dict[str, int]) -> int:
    now = lab.api("GET", "/api/status")["drops"]
    return sum(now[reason] - before.get(reason, 0) for reason in now)


def mac_of(lab: Lab, host: str, interface: str) -> str:
    return json.loads(lab.hosts[host].run("ip", "-j", "link", "show", "dev", interface).stdout)[0]["address"]


def asked_from_the_wan(lab: Lab, broken: str) -> tuple[list[Packet], list[Packet]]:
    """The requests for the page that the ISP sent, and the gateway's answers, with netd dead and locks ``broken``."""
    own = wan_address(lab)
    lab.gateway.kill_app("netd", restart=False)
    try:
        lab.hosts["gateway"].shell(broken)
        with lab.hosts.capture("isp", "wan") as capture:
            for _ in range(3):
                lab.hosts.exec("isp", ["curl", "-so", "/dev/null", "-m", "1", f"http://{own}:5000/health"])
        assert lab.hosts.http("laptop", "http://192.168.77.1:5000/health", check=False), "the page itself is there"
    finally:
        lab.gateway.release_app("netd")
        wait_for("netd to be back", lambda: state(lab) in {"connected", "disconnected"})
    asked = [p for p in capture.packets if p.destination == own and p.dport == 5000]
    return asked, [p for p in capture.packets if p.source_mac == GATEWAY_WAN_MAC and p.sport == 5000]


@pytest.mark.parametrize("way", ["connected", "disconnected"])
@pytest.mark.parametrize("broken", [FIREWALL, f"{FIREWALL}; {PORT}"], ids=["no firewall", "routing alone"])
def test_the_wan_sees_no_page_without_the_firewall(lab, way, broken):
    """Routing, and the filter of the WAN's port, each keep the page inside for as long as the ruleset is gone."""
    connect(lab)
    if way == "disconnected":
        disconnect(lab)
    asked, answered = asked_from_the_wan(lab, broken)
    assert asked
    assert answered == [], dump(answered)


def test_the_page_on_the_wan_would_be_seen(lab):
    """The control of the test above."""
    connect(lab)
    assert asked_from_the_wan(lab, "; ".join((FIREWALL, PORT, ROUTING)))[1]


def test_a_hostile_vpn_server_reaches_nothing(lab):
    """From inside the tunnel: ports of the gateway, addresses of the LAN, the WAN's, forged sources."""
    connect(lab)
    server, inner = lab.hosts["vpn-se"], VPNS["vpn-se"][2]
    peer = lab.vpn.keys("vpn-se")["client_public_key"]
    server.run("wg", "set", "wg0", "peer", peer, "allowed-ips", "0.0.0.0/0,::/0")
    own, laptop = wan_address(lab), lab.lan.wait_address("laptop")
    script = f"""
import socket, struct, sys, time
sys.path.insert(0, {str(CRAFTED.parent)!r})
from crafted import ipv4, tcp, udp
out = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
sent = 0
def send(packet):
    global sent
    out.sendto(packet[2:], ("wg0", 0x0800))
    sent += 1
    if sent % 50 == 0: time.sleep(0.005)
for port in range(1, 12001):
    send(ipv4(tcp(2, 40000, port, "{inner}.1", "{inner}.2", b""), 6, "{inner}.1", "{inner}.2"))
for to in ("{laptop}", "192.168.77.1", "{own}", "192.168.1.1", "10.65.0.2", "127.0.0.1", "224.0.0.1", "{INTERNET4}"):
    for source in ("{inner}.1", "{laptop}", "192.168.77.1", "{own}", "192.168.1.1", "127.0.0.1", "{INTERNET4}"):
        for port in (53, 67, 80, 5000, 5301, 40000):
            send(ipv4(udp(port, port), source=source, to=to))
            send(ipv4(tcp(2, 40000, port, source, to, b""), 6, source, to))
print(sent)
"""
    try:
        captures = [lab.hosts.capture("laptop", "eth0"), lab.hosts.capture("isp", "wan")]
        with captures[0], captures[1], lab.hosts.capture("vpn-se", "wg0") as tunnel:
            count = int(server.run(sys.executable, "-c", script, timeout=120).stdout)
            assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0], "the tunnel carries"
    finally:
        server.run("wg", "set", "wg0", "peer", peer, "allowed-ips", f"{inner}.2/32,{VPNS['vpn-se'][3]}::2/128")
    forged = [p for p in tunnel.packets if p.dport == 40000 or p.sport == 40000]
    assert len(forged) > 0.9 * 12000, f"of {count}"
    answers = [p for p in forged if p.source != f"{inner}.1" and p.sport != 40000 and p.source == f"{inner}.2"]
    assert answers == [], dump(answers)
    for capture in captures:
        sent = [p for p in capture.packets if p.source_mac in {GATEWAY_LAN_MAC, GATEWAY_WAN_MAC}]
        through = [p for p in sent if b"IN-THE-CLEAR" in p.payload or 40000 in {p.sport, p.dport}]
        assert through == [], dump(through)


def test_what_the_gateway_itself_sends_stays_inside(lab):
    """Root on the gateway bound to the WAN's port: pages, echoes, names, the time, broadcast and multicast."""
    connect(lab)
    with LeakWatch(lab) as watch:
        lab.hosts["gateway"].shell(f"""
            for to in {INTERNET4} {VPNS["vpn-se"][0]} 192.168.1.1; do
              curl -s -m 1 --interface wan0 http://$to/ || true
              curl -s -m 1 http://$to:{51820}/ || true
              ping -c 1 -W 1 -I wan0 $to || true
              dig +time=1 +tries=1 @$to example.com || true
            done
            ping -c 1 -W 1 -I wan0 -b 255.255.255.255 || true
            ping -c 1 -W 1 -I wan0 224.0.0.251 || true
            ping -6 -c 1 -W 1 -I wan0 ff02::1 || true
        """)
        script = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wan0")
for to in ("203.0.113.80", "255.255.255.255", "224.0.0.251", "192.168.1.255"):
    for port in (53, 67, 123, 5353, 51820):
        try: s.sendto(b"IN-THE-CLEAR", (to, port))
        except OSError: pass
"""
        lab.hosts["gateway"].run(sys.executable, "-c", script)
    assert watch.leaks == [], dump(watch.leaks)


def test_dns_questions_cannot_be_guessed(lab):
    """Sixty questions by one device leave from sixty ports with sixty numbers (CVE-2008-1447); LAN names stay."""
    connect(lab)
    with lab.hosts.capture("vpn-se", "wg0", expression="udp dst port 53") as capture:
        for number in range(60):
            lab.hosts.exec("laptop", ["dig", "+time=1", "+tries=1", f"n{number}.example.org", "@192.168.77.1"])
        for name in ("vpn-gateway.lan", "laptop.lan", "nobody.lan", "nobody"):
            lab.hosts.exec("laptop", ["dig", "+time=1", "+tries=1", name, "@8.8.8.8"])
    asked = {p.payload[13:].split(b"\0")[0][:8]: p for p in capture.packets if b"example" in p.payload}
    assert len(asked) >= 55, f"{len(capture.packets)} packets"
    assert len({p.sport for p in asked.values()}) >= 0.95 * len(asked)
    assert len({p.payload[:2] for p in asked.values()}) >= 0.95 * len(asked)
    assert [p for p in capture.packets if b"nobody" in p.payload or b"\x03lan\0" in p.payload] == []


def test_keys_are_in_one_private_file_only(lab):
    connect(lab)
    support = lab.api.request("GET", "/api/support")[1]
    keys = [lab.vpn.keys(name)["client_private_key"].encode() for name in VPNS]
    directory = lab.gateway.directory
    own = {directory / f"{name}.json" for name in VPNS}  # the lab's note of them
    holders = [
        path
        for path in directory.rglob("*")
        if path.is_file() and path not in own and any(key in path.read_bytes() for key in keys)
    ]
    assert [path.name for path in holders] == ["secrets.json"]
    assert holders[0].stat().st_mode & 0o777 == 0o600
    found = lab.hosts["gateway"].run("grep", "-rlF", keys[0].decode(), "/run/vpn-gateway", check=False).stdout
    assert found == ""
    assert re.search(rb"connected|wg0a", lab.gateway.logs().encode()), "the log was there"
    texts = (lab.gateway.logs(), str(support), str(lab.api("GET", "/api/servers")))
    assert not any(key.decode() in text for key in keys for text in texts)


def test_a_blocked_device_asks_no_exits_resolver(lab):
    """A blocked device asks the resolvers of exits by their own ports and gets no answer."""
    connect(lab)
    block_laptop(lab)
    try:
        for port in (5300, 5301, 5302):
            answer = lab.hosts.exec(
                "laptop", ["dig", "+short", "+time=1", "+tries=1", "-p", str(port), "whoami.lab", "@192.168.77.1"]
            )
            assert VPNS["vpn-se"][0] not in answer.stdout
    finally:
        block_laptop(lab, "vpn")
    wait_for(
        "the device to be let in again",
        lambda: (
            VPNS["vpn-se"][0]
            in lab.hosts.exec("laptop", ["dig", "+short", "+time=1", "+tries=1", "whoami.lab", "@192.168.77.1"]).stdout
        ),
    )
