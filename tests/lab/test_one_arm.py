"""One-arm: the gateway's only port, the ISP's router and every host on one wire; chosen by the gateway itself.

The hosts have their addresses from the ISP's DHCP server, as in a home whose router cannot be replaced, and are
configured to use the gateway by hand.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from ipaddress import IPv4Interface

import pytest

from app.model import LanSettings, LinkSettings
from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, LAN_HOSTS, VPNS, WAN4_NETWORKS
from ci.labnet.gateway import Gateway
from ci.labnet.waiting import wait_for
from ci.labnet.wires import Wires
from tests.lab.leakwatch import GATEWAY_WAN_MAC, LeakWatch, dump

pytestmark = [pytest.mark.lab, pytest.mark.timeout(400)]

NETWORK = WAN4_NETWORKS[0]
GATEWAY = f"{NETWORK}.2"
ROUTER = (GATEWAY, "fe80::ff:fe00:2")


class OneArmWires(Wires):
    """The ISP's cable and the gateway's only one end in the LAN's switch."""

    def wire(
        self, one: str, one_if: str, other: str, other_if: str, macs: tuple[str | None, str | None] = (None, None)
    ) -> None:
        if (one, one_if) == ("gateway", "lan0"):
            super().wire("gateway", "wan0", other, other_if, (GATEWAY_WAN_MAC, None))
        elif (one, one_if) == ("gateway", "wan0"):
            super().wire("isp", "wan", "switch", "isp")
            self._hosts["switch"].shell("ip link set isp master br0 up")
        else:
            super().wire(one, one_if, other, other_if, macs)


class OneArmGateway(Gateway):
    def boot(self) -> None:
        self.host.shell("ip tuntap add lan0 mode tap")  # what the two-armed lab brings up; no wired port
        super().boot()
        self.host.shell("ip link del lan0")

    def seed(self, **changes: object) -> None:
        address = IPv4Interface(f"{GATEWAY}/24")
        lan = LanSettings(address=address, dhcp_start=address.ip + 100, dhcp_end=address.ip + 150)
        super().seed(**{"links": LinkSettings(), "lan": lan, **changes})

    def add_servers(self) -> None:
        shown = ("ip", "-4", "addr", "show", "dev", "wan0")
        wait_for("one-arm", lambda: f"{GATEWAY}/24" in self.host.run(*shown).stdout, 40)
        super().add_servers()


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    made = Lab(f"onearm{os.getpid()}", wires=OneArmWires, gateway=OneArmGateway)
    try:
        made.up()
        for host in LAN_HOSTS:
            made.hosts[host].shell(f"ip route replace default via {GATEWAY} dev eth0; ip -6 route flush default")
        yield made
    finally:
        made.down()


def test_one_arm_dhcp_is_off_until_it_is_asked_for(lab: Lab) -> None:
    for host in LAN_HOSTS:
        assert (lab.lan.address(host) or "").startswith(f"{NETWORK}.1")  # the ISP's range
    listening = lab.hosts["gateway"].run("ss", "-Hlun").stdout
    assert ":67 " not in listening
    assert ":53 " in listening  # the gateway's dnsmasq does run


def test_hosts_that_use_it_leave_by_the_tunnel_or_not_at_all(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    with LeakWatch(lab, router=ROUTER) as watch:
        for server in ("vpn-se", "vpn-de"):
            answer = lab.api("POST", "/api/connect", {"server": server})
            assert answer["success"], f"{answer}\n{lab.gateway.logs()}"
            assert lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=5) == VPNS[server][0]
            assert lab.lan.dns("laptop", "whoami.lab", "TXT", server=GATEWAY).rcode == "NOERROR"
        lab.api("POST", "/api/disconnect")
        assert not lab.lan.tcp("laptop", INTERNET4, 80)
        assert lab.lan.dns("laptop", "whoami.lab", "TXT", server=GATEWAY).rcode != "NOERROR"
        lab.gateway.kill_app()
        time.sleep(3)  # the capture needs the packets that the hosts send during this time
        lab.gateway.wait_ready()
    with capsys.disabled():
        print(f"\n  one-arm: {dict(watch.counts)}")
    assert watch.counts["from the gateway"] > 0
    assert watch.leaks == [], dump(watch.leaks)


def test_probes_on_the_one_wire_take_the_tunnel(lab: Lab) -> None:
    """What comes in and what goes out are told apart on a port that is LAN and WAN at once."""
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]

    def whole_round() -> bool:
        """A round has 1.2 s: where a resolver or WireGuard takes longer, it is not the whole one."""
        answer = lab.api("POST", "/api/leak-test", {})
        assert not [e for e in answer["evidence"] if e["seen_on_wan"]], answer
        found = next(c for c in answer["checks"] if c["name"] == "packets")["result"]
        assert found != "failed", answer
        through = {e["kind"] for e in answer["evidence"] if e["seen_in_tunnel"]}
        return found == "ok" and through >= {"tcp", "udp", "icmp", "dns"}

    wait_for("a whole round", whole_round, 30, interval=2)  # a result is shared for two seconds


def test_the_ui_answers_the_lan_and_not_the_isp(lab: Lab) -> None:
    assert lab.lan.tcp("laptop", GATEWAY, 5000)
    lab.hosts["isp"].shell("ip addr add 172.31.9.1/24 dev wan; ip route add 192.168.1.2/32 dev wan src 172.31.9.1")
    try:
        assert not lab.lan.tcp("isp", GATEWAY, 5000)
    finally:
        lab.hosts["isp"].shell("ip route del 192.168.1.2/32 dev wan; ip addr del 172.31.9.1/24 dev wan")
