"""The name servers that can be asked inside a tunnel."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

from app.network.plan import ExitPlan, TunnelPlan, exit_mark
from app.tunnel.inside import NameServersInside, name_servers_inside

RESOLVER, OLD_LAN = ip_address("10.64.0.1"), ip_address("192.168.77.1")


def tunnel(*routes: str, dns=(RESOLVER,)) -> TunnelPlan:
    networks = tuple(ip_network(r) for r in routes or ("0.0.0.0/0",))
    return TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (), networks, dns)


def test_first_tunnel_that_carries_the_internet_is_used():
    split = ExitPlan("company", 0, active=tunnel("10.64.0.0/24"))
    half = ExitPlan("switching", 1, candidate=tunnel())
    whole = ExitPlan("default", 2, active=tunnel("0.0.0.0/1", "128.0.0.0/1"))
    assert name_servers_inside((split, half, whole)) == NameServersInside(exit_mark(2), (RESOLVER,))
    assert name_servers_inside((split, half)) is None


def test_name_server_that_the_tunnel_does_not_reach_is_left_out():
    lan = (ip_network("192.168.77.0/24"),)
    plans = (ExitPlan("default", 0, active=tunnel(dns=(OLD_LAN, ip_address("2620:fe::9"), RESOLVER))),)
    assert name_servers_inside(plans, lan) == NameServersInside(exit_mark(0), (RESOLVER,))
    assert name_servers_inside((ExitPlan("default", 0, active=tunnel(dns=(OLD_LAN,))),), lan) is None
