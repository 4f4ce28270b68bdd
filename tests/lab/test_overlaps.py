"""Networks that overlap: named where nothing can be done, and carried where the addresses are on different links."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, LAN_HOSTS, VPNS, WAN4_NETWORKS
from ci.labnet.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

LAN_NETWORK, HOTEL = "192.168.77", "10.5.0"
SERVER = VPNS["vpn-de"][0]


@pytest.fixture(autouse=True)
def usual_network(lab: Lab) -> Iterator[None]:
    yield
    lab.internet.renumber(WAN4_NETWORKS[0])
    wait_for("the usual lease", lambda: lease(lab, WAN4_NETWORKS[0]), 30)


def status(lab: Lab) -> dict[str, Any]:
    return lab.api("GET", "/api/status")


def lease(lab: Lab, network: str) -> str | None:
    """The WAN's own address, once it is in ``network``."""
    addresses = [a.split("/")[0] for a in (status(lab)["wan"] or {}).get("addresses", ())]
    return next((a for a in addresses if a.startswith(f"{network}.")), None)


@pytest.mark.parametrize("router", [1, 254])
def test_wan_in_the_lans_network_is_named_everywhere(lab: Lab, router: int) -> None:
    lab.api("POST", "/api/disconnect")
    lab.hosts["isp"].shell(f"ip -4 addr flush dev wan; ip addr add {LAN_NETWORK}.{router}/24 dev wan")
    lab.internet.start_isp(network=LAN_NETWORK)
    lab.wan_client.restart()
    problem = wait_for("the overlap to be seen", lambda: status(lab)["wan_problem"], 30)
    assert problem["reason"] == "networks_overlap"
    assert f"is in this gateway's own LAN {LAN_NETWORK}.0/24" in problem["message"]
    assert "lan_address" in problem["message"]
    answer = lab.api("POST", "/api/connect", {"server": "vpn-se"})
    assert answer["code"] == "networks_overlap", answer
    assert problem["message"] in answer["error"]
    now = status(lab)
    assert (now["state"], now["reason"]) == ("blocked", "networks_overlap")
    checks = lab.api("POST", "/api/leak-test", {})["checks"]
    assert {c["result"] for c in checks if c["name"] == "tunnel"} != {"ok"}, checks
    # The LAN goes on: leases, names and the page.
    lab.lan.start_dhcp("phone")
    assert lab.lan.wait_address("phone").startswith(f"{LAN_NETWORK}.")
    assert {entry["hostname"] for entry in lab.api("GET", "/api/leases")["leases"]} >= LAN_HOSTS.keys()
    assert lab.hosts.http("laptop", "http://192.168.77.1:5000/health", timeout=5)
    # And it comes back by itself once the WAN has another network.
    lab.internet.renumber(WAN4_NETWORKS[0])
    wait_for("the tunnel", lambda: status(lab)["connected"], 60)
    assert status(lab)["wan_problem"] is None


def test_wan_with_the_tunnels_own_address_carries_it(lab: Lab) -> None:
    """All keys of some providers have one address, which a hotel's first lease may be as well."""
    lab.api("POST", "/api/disconnect")
    lab.internet.renumber(HOTEL)
    own = wait_for("the hotel's lease", lambda: lease(lab, HOTEL), 30)
    pair = lab.vpn.keys("vpn-de")
    lab.hosts["vpn-de"].shell(f"""
        wg set wg0 peer {pair["client_public_key"]} allowed-ips {VPNS["vpn-de"][2]}.2/32,{own}/32
        ip route replace {own}/32 dev wg0
    """)
    body = {
        "name": "clash",
        "endpoint": f"{SERVER}:51820",
        "public_key": pair["public_key"],
        "private_key": pair["client_private_key"],
        "address": f"{own}/32",
        "dns": f"{VPNS['vpn-de'][2]}.1",
        "allowed_ips": "0.0.0.0/0",
    }
    assert lab.api("POST", "/api/custom/add", body)["success"]
    assert lab.api("POST", "/api/connect", {"server": "clash"})["success"], lab.gateway.logs()
    assert seen_address(lab) == SERVER
    # The WAN may also move there while the tunnel is up.
    lab.internet.renumber(WAN4_NETWORKS[1])
    wait_for("another lease", lambda: lease(lab, WAN4_NETWORKS[1]), 30)
    wait_for("the tunnel there", lambda: seen_address(lab) == SERVER, 60)
    lab.internet.renumber(HOTEL)
    assert wait_for("the hotel's lease again", lambda: lease(lab, HOTEL), 30) == own
    wait_for("the tunnel there", lambda: seen_address(lab) == SERVER, 60)


def seen_address(lab: Lab) -> str:
    return lab.hosts.http("laptop", f"http://{INTERNET4}/", timeout=3, check=False)
