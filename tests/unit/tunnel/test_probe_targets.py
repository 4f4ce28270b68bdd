"""The addresses that a tunnel is probed at."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app.model import Endpoint, Peer, Secret, TunnelConfig
from app.tunnel.dialable import OwnAddresses
from app.tunnel.probe_targets import MAX_TARGETS, ROOT_SERVERS, probe_targets

QUAD9 = ("9.9.9.9", "149.112.112.112")
LAN = OwnAddresses(frozenset({ip_address("192.168.77.1")}), (ip_network("192.168.77.0/24"),))


def peer(*networks: str, dialled: bool = True) -> Peer:
    return Peer("k", Endpoint("198.51.100.7", 51820) if dialled else None, tuple(map(ip_network, networks)))


def targets(*peers: Peer, addresses=("10.65.0.2/32",), resolvers=QUAD9) -> tuple[str, ...]:
    config = TunnelConfig(Secret("p" * 42 + "o="), tuple(map(ip_interface, addresses)), peers)
    return tuple(map(str, probe_targets(config, tuple(map(ip_address, resolvers)), LAN)))


def test_routed_resolvers_are_asked():
    assert targets(peer("0.0.0.0/0", "::/0")) == QUAD9
    assert targets(peer("0.0.0.0/0"), resolvers=("10.64.0.1",)) == ("10.64.0.1",)


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (("10.65.0.0/24",), "10.65.0.1"),
        (("10.65.0.0/30", "172.16.0.0/12"), "10.65.0.1"),  # the smallest network
        (("172.16.0.0/12", "10.9.9.9/32"), "10.9.9.9"),
        (("10.8.0.0/31",), "10.8.0.0"),
        (("192.168.178.0/24", "192.168.77.0/24"), "192.168.178.1"),  # the other is the LAN
    ],
)
def test_split_tunnel_is_probed_at_a_host_of_its_networks(networks, expected):
    assert targets(peer(*networks)) == (expected,)


def test_own_address_is_no_target():
    assert targets(peer("10.65.0.0/24"), addresses=("10.65.0.1/24",)) == ("10.65.0.2",)
    assert targets(peer("10.65.0.2/32")) == ()


def test_tunnel_without_its_familys_resolver_asks_a_root_server():
    """An IPv6-only file without DNS: the fallback resolvers are IPv4."""
    assert targets(peer("::/0"), addresses=("fd00::2/128",)) == (str(ROOT_SERVERS[1]),)
    assert targets(peer("0.0.0.0/1", "128.0.0.0/1"), resolvers=()) == (str(ROOT_SERVERS[0]),)


def test_every_dialled_peer_is_probed():
    sites = (peer("10.1.0.0/16"), peer("10.2.0.0/16"), peer("10.3.0.0/16", dialled=False))
    assert targets(*sites) == ("10.1.0.1", "10.2.0.1")
    many = [f"10.64.0.{n}" for n in range(1, 9)]
    found = targets(peer("10.64.0.0/24"), peer("10.2.0.0/16"), resolvers=many)
    assert found[:2] == ("10.64.0.1", "10.2.0.1")
    assert len(found) == MAX_TARGETS


def test_family_without_an_address_is_not_probed():
    assert targets(peer("fd00:1::/64")) == ()
