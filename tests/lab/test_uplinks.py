"""A WAN without DHCP of its own: the tunnel works over it, and nothing leaks, as captured on the ISP's end.

networkd, which carries out gateway.toml on the image, is played by ip(8): ``boot`` sets up what the files say that
tests/unit/overlay/test_uplink.py reads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, INTERNET_DNS4, VPNS, WAN4_NETWORKS
from tests.lab.leakwatch import GATEWAY_WAN_MAC, LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

NETWORK = WAN4_NETWORKS[0]
ADDRESS, ROUTER = f"{NETWORK}.7", f"{NETWORK}.1"  # outside of what the ISP's DHCP server hands out


class StaticLab(Lab):
    """The WAN has a fixed address, although there is a DHCP server out there."""

    def start_wan_dhcp(self) -> None:
        self.hosts["gateway"].shell(f"""
            ip addr add {ADDRESS}/24 dev wan0; ip route add default via {ROUTER} dev wan0
            echo nameserver {INTERNET_DNS4} >/run/vpn-gateway/wan.resolv
        """)


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
