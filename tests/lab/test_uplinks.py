"""A WAN without DHCP of its own: the tunnel works over it, and nothing leaks, as captured on the ISP's end.

networkd, which carries out gateway.toml on the image, is played by ip(8): ``boot`` sets up what the files say that
tests/unit/overlay/test_uplink.py reads.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.model import LinkSettings
from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, INTERNET_DNS4, VPNS, WAN4_NETWORKS
from ci.labnet.lab import wait_for
from tests.lab.leakwatch import CONTROL, GATEWAY_WAN_MAC, LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

NETWORK = WAN4_NETWORKS[0]
ADDRESS, ROUTER = f"{NETWORK}.7", f"{NETWORK}.1"  # outside of what the ISP's DHCP server hands out

VLAN = 7
UNTAGGED_ROUTER = "10.99.0.1"
TAGGER = Path(__file__).with_name("tagger.py")


class StaticLab(Lab):
    """The WAN has a fixed address, although there is a DHCP server out there."""

    def start_wan_dhcp(self) -> None:
        self.hosts["gateway"].shell(f"""
            ip addr add {ADDRESS}/24 dev wan0; ip route add default via {ROUTER} dev wan0
            echo nameserver {INTERNET_DNS4} >/run/vpn-gateway/wan.resolv
        """)


class VlanLab(StaticLab):
    """The ISP's network has a tag on the cable, and something else is there without one. The LAN is a bridge."""

    def _wire(
        self, one: str, one_if: str, other: str, other_if: str, macs: tuple[str | None, str | None] = (None, None)
    ) -> None:
        if (one, one_if) != ("gateway", "wan0"):
            super()._wire(one, one_if, other, other_if, macs)
            return
        super()._wire("gateway", "wan0", "isp", "cable", macs)
        self.hosts["isp"].shell(f"ip link set cable up; ip addr add {UNTAGGED_ROUTER}/24 dev cable")
        self.tag("isp", "cable", "wan")

    def tag(self, host: str, port: str, tap: str) -> None:
        self.hosts[host].shell(f"ip tuntap add {tap} mode tap; ip link set {tap} mtu 1500")
        self.hosts[host].start(sys.executable, str(TAGGER), port, tap, str(VLAN), log=self.directory / f"{tap}.log")

    def boot(self) -> None:
        gateway = self.hosts["gateway"]
        gateway.shell("""
            sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
            ip link add br-lan address 02:00:00:00:00:01 type bridge forward_delay 0 mcast_snooping 0
            ip link set br-lan up
            sysctl -qw net.ipv6.conf.wan0.addr_gen_mode=1
        """)
        super().boot()

    def start_wan_dhcp(self) -> None:
        gateway = self.hosts["gateway"]
        self.tag("gateway", "wan0", "wan-vlan")
        gateway.shell(f"""
            ip link set wan-vlan address {GATEWAY_WAN_MAC} up
            ip addr add {ADDRESS}/24 dev wan-vlan; ip route add default via {ROUTER} dev wan-vlan
            echo nameserver {INTERNET_DNS4} >/run/vpn-gateway/wan.resolv
        """)

    def seed(self, **changes: object) -> None:
        links = LinkSettings(wan="wan-vlan", lan=("br-lan",), carrier="wan0")
        super().seed(**{"links": links, **changes})


@pytest.fixture
def vlan() -> Iterator[VlanLab]:
    lab = VlanLab(f"vlan{os.getpid()}")
    try:
        yield lab.up()
    finally:
        lab.down()


@pytest.fixture
def static() -> Iterator[StaticLab]:
    lab = StaticLab(f"static{os.getpid()}")
    try:
        yield lab.up()
    finally:
        lab.down()


def through_the_tunnel_or_not_at_all(lab: Lab) -> None:
    """Connected, changed, disconnected, and with netd killed meanwhile."""
    for server in ("vpn-se", "vpn-de"):
        answer = lab.api("POST", "/api/connect", {"server": server})
        assert answer["success"], f"{answer}\n{lab.logs()}"
        assert lab.http("laptop", f"http://{INTERNET4}/", timeout=5) == VPNS[server][0]
    lab.kill_app()
    time.sleep(2)  # the hosts go on sending meanwhile; that is what is captured
    lab.wait_ready()
    lab.api("POST", "/api/disconnect")
    assert not lab.tcp("laptop", INTERNET4, 80)


def test_a_fixed_address(static: StaticLab, capsys: pytest.CaptureFixture[str]) -> None:
    with static.capture("isp", "wan") as wire, LeakWatch(static) as watch:
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


def test_a_vlan(vlan: VlanLab, capsys: pytest.CaptureFixture[str]) -> None:
    gateway = vlan.hosts["gateway"]
    with vlan.capture("isp", "cable") as wire, LeakWatch(vlan, wire="cable") as watch:
        through_the_tunnel_or_not_at_all(vlan)
    status = vlan.api("GET", "/api/status")
    assert (status["wan"]["name"], status["wan"]["carrier"], status["wan_problem"]) == ("wan-vlan", "wan0", None)
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
