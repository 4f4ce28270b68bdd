"""Drift is repaired under a running tunnel; only a tunnel whose interface is gone has to reconnect."""

from __future__ import annotations

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, VPNS
from ci.labnet.waiting import wait_for
from tests.support.ws_client import WebSocketClient

pytestmark = [pytest.mark.lab, pytest.mark.timeout(120)]


def repairs(lab: Lab) -> int:
    return lab.api("GET", "/api/status")["attestation"]["repairs"]


@pytest.mark.parametrize(
    "fault",
    ["ip link set {0} mtu 1300", "sysctl -qw net.ipv4.conf.{0}.rp_filter=1", "ip addr add 10.99.0.1/32 dev {0}"],
    ids=["mtu", "sysctl", "address"],
)
def test_a_changed_tunnel_is_repaired_without_a_reconnect(lab, fault):
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    before = lab.api("GET", "/api/status")
    count = repairs(lab)
    lab.hosts["gateway"].shell(fault.format(before["interface"]))
    wait_for("the repair", lambda: repairs(lab) > count)
    # A lost tunnel is noticed at the machine's next look, a second later at the most: give it two.
    seen = lab.api("GET", "/api/status")["uptime_seconds"]
    wait_for("two more seconds", lambda: not seen <= (lab.api("GET", "/api/status")["uptime_seconds"] or 0) < seen + 2)
    after = lab.api("GET", "/api/status")
    assert (after["since"], after["interface"]) == (before["since"], before["interface"])
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]


def test_a_removed_tunnel_interface_reconnects_at_once(lab):
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    before = lab.api("GET", "/api/status")
    lab.hosts["gateway"].shell(f"ip link del {before['interface']}")
    wait_for(
        "a new tunnel",
        lambda: (now := lab.api("GET", "/api/status"))["connected"] and now["since"] > before["since"],
    )
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]


def test_a_wan_port_that_stopped_sending_is_taken_down_and_up(lab):
    gateway = lab.hosts["gateway"]
    seq = lab.api("GET", "/api/status")["seq"]
    # A handshake takes minutes, and those that come after it wait.
    gateway.shell("tc qdisc replace dev wan0 root tbf rate 8bit burst 250 limit 4000")
    try:
        with WebSocketClient(lab.api.port, f"/ws?after={seq}") as client:
            lab.api("POST", "/api/connect", {"server": "vpn-se"})
            while (event := client.receive())["payload"].get("reason") != "port_stalled":
                pass
        assert event["payload"]["port"] == "wan0"
    finally:
        gateway.shell("tc qdisc del dev wan0 root")
    lab.wan_client.restart()
    wait_for("the WAN's address", lambda: any("." in a for a in lab.api("GET", "/api/status")["wan"]["addresses"]))
    wait_for("a connection", lambda: lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"], 30)
    assert lab.hosts.http("laptop", f"http://{INTERNET4}/") == VPNS["vpn-se"][0]
