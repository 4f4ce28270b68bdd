"""A WAN without DHCP of its own: the tunnel works over it, and nothing leaks, as captured on the ISP's end.

networkd and pppd, which carry out gateway.toml on the image, are played by ip(8) and by small programs: a kernel may
have no VLANs and no PPP. What the real ones make of their files is seen in tests/unit/firstboot.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.model import LinkSettings
from ci.labnet import Lab, leaks
from ci.labnet.addresses import INTERNET4, INTERNET_DNS4, LAN_HOSTS, VPNS, WAN4_NETWORKS
from ci.labnet.gateway import Gateway
from ci.labnet.hosts import Hosts
from ci.labnet.internet import Internet
from ci.labnet.owner import PASSWORD
from ci.labnet.paths import PROJECT
from ci.labnet.waiting import wait_for
from ci.labnet.wan_client import WanClient
from ci.labnet.wires import Wires
from image.qemu import pppoe_server
from tests.lab.leakwatch import CONTROL, GATEWAY_WAN_MAC, LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

NETWORK = WAN4_NETWORKS[0]
ADDRESS, ROUTER = f"{NETWORK}.7", f"{NETWORK}.1"  # outside of what the ISP's DHCP server hands out

VLAN = 7
UNTAGGED_ROUTER = "10.99.0.1"
LOGIN = ("0123@provider.example", "a password of the lab's")
SESSIONS = {pppoe_server.DISCOVERY, pppoe_server.SESSION}
CLIENT = "tests.lab.pppoe_client"
TAGGER = Path(__file__).with_name("tagger.py")


class StaticWan(WanClient):
    """The WAN has a fixed address, although there is a DHCP server out there."""

    def start(self) -> None:
        self._hosts["gateway"].shell(f"""
            ip addr add {ADDRESS}/24 dev wan0; ip route add default via {ROUTER} dev wan0
            echo nameserver {INTERNET_DNS4} >/run/vpn-gateway/wan.resolv
        """)


def tag(hosts: Hosts, host: str, port: str, tap: str) -> None:
    hosts[host].shell(f"ip tuntap add {tap} mode tap; ip link set {tap} mtu 1500")
    hosts[host].start(sys.executable, str(TAGGER), port, tap, str(VLAN), log=hosts.directory / f"{tap}.log")


class VlanWires(Wires):
    """The ISP's network has a tag on the cable, and something else is there without one."""

    def wire(
        self, one: str, one_if: str, other: str, other_if: str, macs: tuple[str | None, str | None] = (None, None)
    ) -> None:
        if (one, one_if) != ("gateway", "wan0"):
            super().wire(one, one_if, other, other_if, macs)
            return
        super().wire("gateway", "wan0", "isp", "cable", macs)
        self._hosts["isp"].shell(f"ip link set cable up; ip addr add {UNTAGGED_ROUTER}/24 dev cable")
        tag(self._hosts, "isp", "cable", "wan")


class VlanWan(WanClient):
    """A fixed address within the tagged network."""

    def start(self) -> None:
        tag(self._hosts, "gateway", "wan0", "wan-vlan")
        self._hosts["gateway"].shell(f"""
            ip link set wan-vlan address {GATEWAY_WAN_MAC} up
            ip addr add {ADDRESS}/24 dev wan-vlan; ip route add default via {ROUTER} dev wan-vlan
            echo nameserver {INTERNET_DNS4} >/run/vpn-gateway/wan.resolv
        """)


class VlanGateway(Gateway):
    """The LAN is a bridge."""

    def boot(self) -> None:
        self.host.shell("""
            sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
            ip link add br-lan address 02:00:00:00:00:01 type bridge forward_delay 0 mcast_snooping 0
            ip link set br-lan up
            sysctl -qw net.ipv6.conf.wan0.addr_gen_mode=1
        """)
        super().boot()

    def seed(self, **changes: object) -> None:
        links = LinkSettings(wan="wan-vlan", lan=("br-lan",), carrier="wan0")
        super().seed(**{"links": links, **changes})


@pytest.fixture
def vlan() -> Iterator[Lab]:
    lab = Lab(f"vlan{os.getpid()}", wires=VlanWires, wan_client=VlanWan, gateway=VlanGateway)
    try:
        yield lab.up()
    finally:
        lab.down()


class PppoeInternet(Internet):
    """The provider opens a session for a name and a password. There is a DHCP server on the bare wire, too."""

    def start(self) -> None:
        super().start()
        log = self._hosts.directory / "isp-pppoe.log"
        self._hosts["isp"].start(sys.executable, pppoe_server.__file__, "wan", *LOGIN, log=log)


class PppoeGateway(Gateway):
    def boot(self) -> None:
        self.host.shell("sysctl -qw net.ipv6.conf.wan0.addr_gen_mode=1")
        super().boot()

    def seed(self, **changes: object) -> None:
        links = LinkSettings(wan="wan-ppp", lan=("lan0",), carrier="wan0")
        super().seed(**{"links": links, **changes})


class PppoeWan(WanClient):
    def start(self) -> None:
        self._hosts["gateway"].shell(f"echo nameserver {INTERNET_DNS4} >/run/vpn-gateway/wan.resolv")
        dial(self._hosts)


def dial(hosts: Hosts) -> None:
    client = (sys.executable, "-m", CLIENT, "wan0", "wan-ppp", *LOGIN)
    hosts["gateway"].start(*client, log=hosts.directory / "pppoe.log", cwd=PROJECT)


def hang_up(hosts: Hosts) -> None:
    gateway = hosts["gateway"]
    gateway.run("pkill", "-f", CLIENT)
    wait_for(
        "the end of the session",
        lambda: gateway.run("ip", "link", "show", "wan-ppp", check=False).returncode != 0,
    )


@pytest.fixture
def session() -> Iterator[Lab]:
    lab = Lab(f"pppoe{os.getpid()}", internet=PppoeInternet, wan_client=PppoeWan, gateway=PppoeGateway)
    lab.gateway.owned = True
    try:
        yield lab.up()
    finally:
        lab.down()


@pytest.fixture
def static() -> Iterator[Lab]:
    lab = Lab(f"static{os.getpid()}", wan_client=StaticWan)
    try:
        yield lab.up()
    finally:
        lab.down()


def through_the_tunnel_or_not_at_all(lab: Lab) -> None:
    """Connected, switched, disconnected, and with netd killed in each state."""
    for server in ("vpn-se", "vpn-de"):
        answer = lab.api("POST", "/api/connect", {"server": server})
        assert answer["success"], f"{answer}\n{lab.gateway.logs()}"
        assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=5) == VPNS[server][0]
    lab.gateway.kill_app()
    time.sleep(2)  # the capture needs the packets that the hosts send during this time
    lab.gateway.wait_ready()
    lab.api("POST", "/api/disconnect")
    assert not lab.lan.tcp("laptop", INTERNET4, 80)


def test_a_fixed_address(static: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with static.hosts.capture("isp", "wan") as wire, LeakWatch(static) as watch:
        through_the_tunnel_or_not_at_all(static)
    wan = static.api("GET", "/api/status")["wan"]
    assert (wan["gateway4"], wan["nameservers"]) == (ROUTER, [INTERNET_DNS4])
    assert f"{ADDRESS}/24" in wan["addresses"]
    with capsys.disabled():
        print(f"\n  a fixed address: {dict(watch.counts)}")
    assert watch.counts["from the gateway"] > 0
    assert watch.leaks == [], dump(watch.leaks)
    asked = [p for p in wire.packets if p.source_mac == GATEWAY_WAN_MAC and p.dport == 67]
    assert asked == [], dump(asked)


def test_a_vlan(vlan: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = vlan.hosts["gateway"]
    with vlan.hosts.capture("isp", "cable") as wire, LeakWatch(vlan, wire="cable") as watch:
        through_the_tunnel_or_not_at_all(vlan)
    status = vlan.api("GET", "/api/status")
    assert (status["wan"]["name"], status["wan"]["port"], status["wan_problem"]) == ("wan-vlan", "wan0", None)
    assert {p["name"]: p["role"] for p in status["ports"]} == {"lan0": "lan", "wan0": "wan"}
    with capsys.disabled():
        print(f"\n  a VLAN: {dict(watch.counts)}")
    assert watch.counts["from the gateway"] > 0
    assert watch.leaks == [], dump(watch.leaks)
    sent = [p for p in wire.packets if p.source_mac == GATEWAY_WAN_MAC]
    assert {p.vlan for p in sent} == {VLAN, None}
    untagged = [p for p in sent if p.vlan is None and not p.payload.startswith(CONTROL)]
    assert untagged == [], dump(untagged)
    # However the port gets into the bridge, out it goes, and the LAN's stay.
    gateway.shell("ip link set wan0 master br-lan")
    wait_for("the port's release", lambda: "master" not in gateway.run("ip", "link", "show", "wan0").stdout)
    assert "master br-lan" in gateway.run("ip", "link", "show", "lan0").stdout


def test_the_tunnel_fits_what_the_wan_takes(vlan: Lab) -> None:
    """1492 bytes are PPPoE's; the laptop gets an answer that is larger than that through it."""
    gateway = vlan.hosts["gateway"]
    gateway.shell("ip link set wan-vlan mtu 1492")
    wait_for("the smaller WAN", lambda: vlan.api("GET", "/api/status")["wan"]["mtu"] == 1492)
    assert vlan.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    links = json.loads(gateway.run("ip", "-j", "link", "show").stdout)
    assert {link["mtu"] for link in links if link["ifname"].startswith("wg")} == {1492 - 80}
    assert len(vlan.hosts.http("laptop", f"http://{INTERNET4}/bytes/100000", timeout=10)) == 100000


def test_a_session_that_comes_and_goes(session: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with session.hosts.capture("isp", "wan") as wire, LeakWatch(session) as watch:
        through_the_tunnel_or_not_at_all(session)
        assert session.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
        wan = session.api("GET", "/api/status")["wan"]
        assert (wan["name"], wan["port"], wan["mtu"]) == ("wan-ppp", "wan0", 1492)
        assert (wan["addresses"], wan["gateway4"]) == ([f"{pppoe_server.THEIRS}/32"], pppoe_server.OURS)
        hang_up(session.hosts)
        wait_for("the WAN to be down", lambda: not session.api("GET", "/api/status")["wan"]["up"])
        status = session.api("GET", "/api/status")
        assert (status["wan"]["name"], status["wan_problem"]) == ("wan-ppp", None)
        assert not session.lan.tcp("laptop", INTERNET4, 80)
        dial(session.hosts)
        wait_for("the tunnel over the next session", lambda: reaches(session, VPNS["vpn-se"][0]), 60)
    with capsys.disabled():
        print(f"\n  PPPoE: {dict(watch.counts)}")
    assert watch.leaks == [], dump(watch.leaks)
    sent = [p for p in wire.packets if p.source_mac == GATEWAY_WAN_MAC]
    assert len([p for p in sent if p.session]) > 100
    bare = [p for p in sent if not p.session and p.ethertype not in SESSIONS and not p.payload.startswith(CONTROL)]
    assert bare == [], dump(bare)
    # The control: all locks broken on purpose; a clear packet within a session is seen to be one.
    session.gateway.stop_app()
    with session.hosts.capture("isp", "wan") as wire:
        session.hosts["gateway"].shell(
            "nft flush ruleset; ip rule flush; ip rule add pref 1 table main;"
            " for link in wan0 wan-ppp; do tc qdisc del dev $link clsact; done"
        )
        session.lan.ping("gateway", INTERNET4)
    found = leaks(wire.packets, GATEWAY_WAN_MAC)
    assert [p for p in found if p.session and p.destination == INTERNET4] != [], dump(wire.packets)


def test_a_direct_device_over_a_session_outlives_it(session: Lab) -> None:
    """The rules for packets in the clear stand on an interface that comes and goes."""
    policy = {"policy": "direct", "password": PASSWORD}
    assert session.api("PUT", f"/api/devices/{LAN_HOSTS['tv']}/policy", policy)["success"]
    wait_for("the TV to come out directly", lambda: reaches(session, pppoe_server.THEIRS, "tv"))
    hang_up(session.hosts)
    wait_for("the WAN to be down", lambda: not session.api("GET", "/api/status")["wan"]["up"])
    assert session.api("PUT", f"/api/devices/{LAN_HOSTS['phone']}/policy", policy)["success"]  # a plan without a link
    dial(session.hosts)
    for host in ("tv", "phone"):
        wait_for(f"{host} after it", lambda host=host: reaches(session, pppoe_server.THEIRS, host), 30)
    assert not session.lan.tcp("laptop", INTERNET4, 80)
    assert session.api("GET", "/api/status")["killswitch_active"]


def reaches(lab: Lab, address: str, host: str = "laptop") -> bool:
    """Whether ``host`` gets to the Internet, and is seen there as ``address``."""
    return lab.hosts.http(host, f"http://{INTERNET4}/", timeout=2, check=False) == address
