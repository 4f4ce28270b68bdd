"""Miswired ports: a second router on a LAN port, and ports among which the WAN is not known.

The LAN is a bridge here, as on the image, with br_netfilter off, as there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from app.model import LinkSettings
from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, LAN_HOSTS, VPNS, WAN4_NETWORKS
from ci.labnet.gateway import Gateway
from ci.labnet.paths import HERE
from ci.labnet.waiting import wait_for
from ci.labnet.wires import Wires
from tests.lab.leakwatch import LeakWatch, dump
from tests.support.ws_client import WebSocketClient

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

LAN_MACS = set(LAN_HOSTS.values())


class BridgedWires(Wires):
    """A second cable of the gateway's, ``lan1``, ends in the ISP's network beside the WAN's."""

    second_cable = True

    def wire(
        self, one: str, one_if: str, other: str, other_if: str, macs: tuple[str | None, str | None] = (None, None)
    ) -> None:
        if (one, one_if) == ("gateway", "wan0"):
            super().wire("gateway", "wan0", "isp", "port0", macs)
            ports = "port0 port1" if self.second_cable else "port0"
            if self.second_cable:
                super().wire("gateway", "lan1", "isp", "port1")
            self._hosts["isp"].shell(f"""
                ip link add wan type bridge forward_delay 0 mcast_snooping 0
                for port in {ports}; do ip link set $port master wan up; done
            """)
        else:
            super().wire(one, one_if, other, other_if, macs)


class BridgedGateway(Gateway):
    """The LAN's ports are in a bridge."""

    links = LinkSettings(wan="wan0")
    second_cable = True

    def boot(self) -> None:
        gateway = self.host
        if self.second_cable:
            gateway.shell("sysctl -qw net.ipv6.conf.lan1.accept_ra=0")
        gateway.shell("""
            sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
            ip link add br-lan address 02:00:00:00:00:01 type bridge forward_delay 0 mcast_snooping 0
            ip link set br-lan up
        """)
        super().boot()
        if self.second_cable:
            gateway.shell("ip link set lan1 up")

    def seed(self, **changes: object) -> None:
        super().seed(**{"links": self.links, **changes})


def ports_in_the_bridge(lab: Lab) -> list[str]:
    shown = lab.hosts["gateway"].run("ip", "-j", "link", "show", "master", "br-lan").stdout
    return [link["ifname"] for link in json.loads(shown or "[]")]


def reaches(lab: Lab, router: str) -> None:
    """The laptop reaches ``router``, if not at once: it may be giving up on the address, asked for in vain before."""
    wait_for("the same frames on the wire", lambda: lab.lan.ping("laptop", router))


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab(f"wiring{os.getpid()}", wires=BridgedWires, gateway=BridgedGateway)
    try:
        yield lab
    finally:
        lab.down()


def test_a_second_router_on_a_lan_port_bypasses_no_tunnel(lab: Lab, capsys) -> None:
    lab.up(app=False)
    lab.api.listen()
    lab.gateway.start()
    lab.gateway.wait_ready()
    lab.gateway.add_servers()
    assert sorted(ports_in_the_bridge(lab)) == ["lan0", "lan1"]
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    with lab.hosts.capture("isp", "port1") as wire:
        for name in LAN_HOSTS:  # each asks everybody on its wire for an address and a router
            lab.lan.start_dhcp(name)
        for what in ("DHCP server", "router"):
            wait_for(
                f"the {what} to be reported",
                lambda what=what: f"another {what} on the LAN port lan1" in lab.gateway.logs(),
                60,
            )
        for name in LAN_HOSTS:
            assert lab.lan.wait_address(name).startswith("192.168.77.")
        with LeakWatch(lab) as watch:
            assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]
    assert watch.leaks == [], dump(watch.leaks)
    status = lab.api("GET", "/api/status")
    crossed = [p for p in wire.packets if p.source_mac in LAN_MACS]
    with capsys.disabled():
        print(
            f"\n  a second router: {status['drops']['foreign_router']} frames of it stopped, {len(crossed)} reached it"
        )
    # Before that server's first answer its port is one of the LAN's: a broadcast for an address reaches it, no more.
    local = ("255.255.255.255", "192.168.77.255", "ff02:", "224.", "239.")
    assert [p for p in crossed if p.dport and not p.destination.startswith(local)] == [], dump(crossed)
    prefix = WAN4_NETWORKS[0]
    for name in LAN_HOSTS:
        assert f" {prefix}." not in lab.hosts[name].run("ip", "addr").stdout
        assert f" {prefix}." not in lab.hosts[name].run("ip", "route").stdout


def test_ports_stay_apart_until_the_wan_is_known(lab: Lab) -> None:
    lab.up(app=False)
    for number, host in enumerate(LAN_HOSTS):
        lab.hosts[host].shell(f"ip addr add {WAN4_NETWORKS[0]}.{200 + number}/24 dev eth0")
    router = f"{WAN4_NETWORKS[0]}.1"
    lab.gateway.seed(links=LinkSettings(wan="eth0"))  # what people write for the port on the board
    lab.api.listen()
    lab.gateway.boot()
    gateway = lab.hosts["gateway"]
    with lab.hosts.capture("isp", "port0") as first, lab.hosts.capture("isp", "port1") as second:
        lab.gateway.start_app()
        lab.gateway.wait_ready()
        problem = lab.api("GET", "/api/status")["wan_problem"]
        assert problem["reason"] == "wan_missing"
        assert "wan0 (" in problem["message"]
        assert ports_in_the_bridge(lab) == []
        # However the ports get into the bridge, nothing crosses, and out they go.
        gateway.shell("for port in lan0 lan1 wan0; do ip link set $port master br-lan; done")
        assert not lab.lan.ping("laptop", router)
        wait_for("the ports' release", lambda: ports_in_the_bridge(lab) == [])
        # The control: without the table, and without netd to put it back, the same frames are on the ISP's wire.
        lab.gateway.stop_app()
        moment = time.time()
        gateway.shell("nft delete table bridge vpn_gateway; for p in lan0 lan1; do ip link set $p master br-lan; done")
        reaches(lab, router)
    seen = [p for p in (*first.packets, *second.packets) if p.source_mac in LAN_MACS]
    assert [p for p in seen if p.time < moment] == [], dump(seen)
    assert seen != []


class AdapterWires(BridgedWires):
    second_cable = False


class AdapterGateway(BridgedGateway):
    """Two adapters of which neither is called as the port on the board: ``enx0`` leads to the ISP."""

    links = LinkSettings()
    second_cable = False

    def boot(self) -> None:
        super().boot()
        self.host.shell("""
            pkill udhcpc; ip link set wan0 down; ip link set wan0 name enx0; ip link set enx0 up
        """)


def dhcp_client_follows(lab: Lab) -> None:
    """Do what networkd does on the image for the chosen port (tests/unit/firstboot/test_networkd.py)."""
    gateway = lab.hosts["gateway"]
    port = gateway.run("cat", "/run/vpn-gateway/wan/port").stdout.strip()
    gateway.start("udhcpc", "-i", port, "-f", "-S", "-t", "5", "-T", "1", "-A", "2", "-s", str(HERE / "wan-dhcp"))


def roles(lab: Lab) -> dict[str, str]:
    return {p["name"]: p["role"] for p in lab.api("GET", "/api/wan")["ports"]}


def test_choosing_the_wan_forwards_no_frame_between_adapters() -> None:
    """The WAN is chosen among adapters, and no frame ever passes between them."""
    lab = Lab(f"choice{os.getpid()}", wires=AdapterWires, gateway=AdapterGateway)
    try:
        choose_among_adapters(lab)
    finally:
        lab.down()


def choose_among_adapters(lab: Lab) -> None:
    lab.up(app=False)
    lab.hosts["laptop"].shell(f"ip addr add {WAN4_NETWORKS[0]}.200/24 dev eth0")
    router = f"{WAN4_NETWORKS[0]}.1"
    lab.gateway.seed()
    lab.gateway.own()
    lab.api.listen()
    lab.gateway.boot()
    gateway = lab.hosts["gateway"]
    with lab.hosts.capture("isp", "port0") as wire:
        lab.gateway.start_app()
        lab.gateway.wait_ready()
        assert lab.api("GET", "/api/status")["wan_problem"]["reason"] == "wan_unknown"
        assert roles(lab) == {"enx0": "none", "lan0": "none"}
        assert ports_in_the_bridge(lab) == []
        assert not lab.lan.ping("laptop", router)
        assert lab.api("PUT", "/api/wan", {"port": "eth7"})["code"] == "invalid_field"
        assert ports_in_the_bridge(lab) == []

        answer = lab.api("PUT", "/api/wan", {"port": "enx0"})
        assert (answer["port"], answer["interface"], answer["problem"]) == ("enx0", "enx0", None)
        assert roles(lab) == {"enx0": "wan", "lan0": "lan"}
        assert ports_in_the_bridge(lab) == ["lan0"]
        assert not lab.lan.ping("laptop", router)
        dhcp_client_follows(lab)
        wait_for("the WAN's address", lambda: lab.api("GET", "/api/status")["wan"]["gateway4"])
        lab.gateway.add_servers()
        lab.lan.start_dhcp("phone")
        assert lab.lan.wait_address("phone").startswith("192.168.77.")
        assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
        assert lab.hosts.http("phone", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]

        lab.gateway.restart_app()
        assert roles(lab) == {"enx0": "wan", "lan0": "lan"}
        wait_for("the tunnel again", lambda: lab.api("GET", "/api/status")["connected"])

        seq = lab.api("GET", "/api/status")["seq"]

        # The other one: what was the WAN is the LAN's, and never are both in the bridge.
        lab.api("PUT", "/api/wan", {"port": "lan0"})
        assert roles(lab) == {"enx0": "lan", "lan0": "wan"}
        assert ports_in_the_bridge(lab) == ["enx0"]
        assert not lab.lan.ping("laptop", router)
        # Known no more: the LAN's port stays, the other one may be the WAN.
        assert lab.api("PUT", "/api/wan", {"port": None})["problem"]["reason"] == "wan_unknown"
        assert ports_in_the_bridge(lab) == ["enx0"]
        assert not lab.lan.ping("laptop", router)
        with WebSocketClient(lab.api.port, f"/ws?after={seq}", lab.api.headers) as client:
            missed = client.receive()["payload"]
            assert missed["complete"]
            events = [client.receive() for _ in range(missed["events"])]
        assert [e["payload"] for e in events if e["type"] == "wan_change"] == [
            {"interface": "lan0", "port": "lan0", "problem": None},
            {"interface": None, "port": None, "problem": "wan_unknown"},
        ]
        assert [e["payload"] for e in events if e["type"] == "settings_change"] == [{"changed": ["wan"]}] * 2

        # The control: without the locks, and without netd to put them back, the same frames are on the ISP's wire.
        lab.gateway.stop_app()
        moment = time.time()
        gateway.shell(
            "nft delete table bridge vpn_gateway;"
            " for p in enx0 lan0; do tc qdisc del dev $p clsact || true; ip link set $p master br-lan; done"
        )
        reaches(lab, router)
    seen = [p for p in wire.packets if p.source_mac in LAN_MACS]
    assert [p for p in seen if p.time < moment] == [], dump(seen)
    assert seen != []
