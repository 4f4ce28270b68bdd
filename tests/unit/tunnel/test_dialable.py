"""The judgement of addresses that name servers give for a VPN server."""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface, ip_network

import pytest

from app.model import LanLink, LanSettings, Links, WanLink
from app.network.plan import ExitPlan, TunnelPlan
from app.tunnel.dialable import BLOCKED, OwnAddresses, reason_against

LAN = LanSettings(address=IPv4Interface("192.168.77.1/24"), ula=IPv6Interface("fd12::1/64"))
WAN = WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"), ip_interface("2001:db8:1::20/64")))
TUNNEL = TunnelPlan("a", (ip_interface("10.64.0.2/32"),), 1420, (), (ip_network("0.0.0.0/0"),), ())
OWN = OwnAddresses.of(Links(WAN, (LanLink("lan0"),)), LAN, (ExitPlan("default", 0, active=TUNNEL),))


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0", "0.1.2.3", "127.0.0.1", "127.3.2.1", "::", "::1", "::ffff:0.0.0.0", "::ffff:127.0.0.1", "64:ff9b::"],
)
def test_zero_or_loopback_address_means_blocked(text):
    assert reason_against(ip_address(text), OWN) == BLOCKED


@pytest.mark.parametrize(
    "text",
    ["192.168.77.1", "fd12::1", "192.168.1.20", "2001:db8:1::20", "10.64.0.2", "::ffff:192.168.1.20"],
)
def test_own_address_is_named(text):
    assert reason_against(ip_address(text), OWN) == "that is this gateway itself"


@pytest.mark.parametrize("text", ["192.168.77.9", "fd12::9"])
def test_address_behind_the_gateway_is_named(text):
    assert reason_against(ip_address(text), OWN) == "that is in this gateway's own LAN"


@pytest.mark.parametrize("text", ["224.0.0.1", "255.255.255.255", "240.0.0.1", "169.254.1.1", "fe80::1", "ff02::1"])
def test_address_that_no_server_has_is_refused(text):
    assert reason_against(ip_address(text), OWN) == "that is not the address of a server"


@pytest.mark.parametrize("text", ["198.51.100.7", "192.168.1.9", "10.8.0.1", "2001:db8::7", "64:ff9b::c633:6407"])
def test_address_of_a_server_is_accepted(text):
    assert reason_against(ip_address(text), OWN) is None


def test_lan_that_is_also_the_wan_may_hold_a_server():
    """One-arm: the gateway's LAN is the network in front of it."""
    lan = LanSettings(address=IPv4Interface("192.168.1.20/24"))
    own = OwnAddresses.of(Links(WAN, (LanLink("wan0"),)), lan)
    assert reason_against(ip_address("192.168.1.9"), own) is None
    assert reason_against(ip_address("192.168.1.20"), own) == "that is this gateway itself"
