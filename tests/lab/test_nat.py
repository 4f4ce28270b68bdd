"""The outside of a device's sockets, as games and calls see it: one port for all destinations (RFC 4787, REQ-1)."""

from __future__ import annotations

import sys

import pytest

from ci.labnet import Lab
from ci.labnet.addresses import INTERNET4, INTERNET_DNS4, LAN_HOSTS
from ci.labnet.capture import read_pcap
from ci.labnet.owner import PASSWORD
from ci.labnet.waiting import wait_for

pytestmark = [pytest.mark.lab, pytest.mark.owned, pytest.mark.timeout(180)]

SEND = f"""
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 40000))
for _ in range(3):
    for host in ("{INTERNET4}", "{INTERNET_DNS4}"):
        s.sendto(b"call", (host, 3478))
"""


@pytest.mark.parametrize(("policy", "host", "interface"), [("vpn", "vpn-se", "wg0"), ("direct", "isp", "wan")])
def test_one_socket_has_one_outside_port(lab: Lab, policy: str, host: str, interface: str) -> None:
    assert lab.api("PUT", f"/api/devices/{LAN_HOSTS['laptop']}/policy", {"policy": policy, "password": PASSWORD})[
        "success"
    ]
    assert lab.api("POST", "/api/connect", {"server": "vpn-se"})["success"]
    with lab.hosts.capture(host, interface, expression="udp dst port 3478") as capture:
        lab.hosts["laptop"].run(sys.executable, "-c", SEND)
        wait_for(  # a tunnel takes its time, and its interface carries no frame that marks the end
            "both", lambda: {p.destination for p in read_pcap(capture.path)} == {INTERNET4, INTERNET_DNS4}
        )
        packets = [p for p in capture.stop() if p.dport == 3478]
    assert {p.destination for p in packets} == {INTERNET4, INTERNET_DNS4}
    assert len({(p.source, p.sport) for p in packets}) == 1, packets
