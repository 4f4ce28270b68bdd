"""The preparation of a tunnel from a server's configuration, and the explanation of a missing handshake."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest
from msgspec.structs import replace

from app.addresses import collapse
from app.errors import ConflictError
from app.model import Endpoint, Peer, Secret, TunnelConfig, WanLink
from app.network.plan import MARK_TRANSPORT, TransportPeer
from app.tunnel.handshake import explain_failure
from app.tunnel.prepare import choose_address, prepare, primary_peer
from app.tunnel.states import Target

WAN = WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),), ip_address("192.168.1.1"))
FALLBACK_DNS = (ip_address("9.9.9.9"),)


def nets(*texts):
    return tuple(ip_network(t) for t in texts)


def config(*peers, addresses=("10.0.0.2/32",), **more):
    return TunnelConfig(Secret("p" * 42 + "o="), tuple(ip_interface(a) for a in addresses), peers, **more)


def peer(key="a", allowed=("0.0.0.0/0", "::/0"), host="198.51.100.7", **more):
    return Peer(key, Endpoint(host, 51820) if host else None, nets(*allowed), **more)


def prepared(cfg, wan=WAN, resolved=None, fallback=FALLBACK_DNS):
    hosts = resolved or {p.endpoint.host: [ip_address(p.endpoint.host)] for p in cfg.peers if p.endpoint}
    return prepare(Target("custom", "x"), cfg, "a", wan, hosts, fallback, None)


def test_collapse_of_two_halves_gives_the_default_route():
    assert collapse(nets("0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1")) == nets("0.0.0.0/0", "::/0")


def test_primary_peer_is_that_of_the_default_route():
    assert primary_peer(config(peer("site", ("10.50.0.0/16",)), peer("exit"))).public_key == "exit"


@pytest.mark.parametrize(
    "networks", [("0.0.0.0/1", "128.0.0.0/1"), ("2000::/3",), ("0.0.0.0/2", "64.0.0.0/2", "128.0.0.0/2", "192.0.0.0/3")]
)
def test_primary_peer_carries_the_internet_in_whatever_parts(networks: tuple[str, ...]) -> None:
    assert primary_peer(config(peer("site", ("10.50.0.0/16",)), peer("exit", networks))).public_key == "exit"


def test_primary_peer_without_an_endpoint_is_refused():
    with pytest.raises(ConflictError):
        primary_peer(config(peer(host=None)))


def test_routes_without_an_ipv6_address_are_ipv4_only():
    tunnel, _ = prepared(config(peer()))
    assert tunnel.plan.routes == nets("0.0.0.0/0")


def test_routes_with_both_addresses_are_of_both_families():
    tunnel, _ = prepared(config(peer(), addresses=("10.0.0.2/32", "fd00::2/128")))
    assert tunnel.plan.routes == nets("0.0.0.0/0", "::/0")


def test_dns_not_configured_is_the_fallback_of_a_routed_family():
    fallback = (ip_address("2620:fe::9"), ip_address("9.9.9.9"))
    assert prepared(config(peer()), fallback=fallback)[0].plan.dns == (ip_address("9.9.9.9"),)
    assert prepared(config(peer(), dns=(ip_address("10.0.0.1"),)))[0].plan.dns == (ip_address("10.0.0.1"),)


def test_transport_has_every_dialled_peer_and_no_other():
    tunnel, device = prepared(
        config(peer("exit"), peer("site", ("10.5.0.0/16",), "198.51.100.8"), peer("in", ("10.6.0.0/16",), None))
    )
    assert tunnel.plan.transport == (
        TransportPeer(ip_address("198.51.100.7"), 51820),
        TransportPeer(ip_address("198.51.100.8"), 51820),
    )
    assert [p.endpoint is None for p in device.peers] == [False, False, True]
    assert tunnel.endpoint == TransportPeer(ip_address("198.51.100.7"), 51820)
    assert device.fwmark == MARK_TRANSPORT


def test_mtu_not_configured_leaves_room_for_wireguard():
    """1500 minus the overhead of WireGuard over IPv6."""
    assert prepared(config(peer()))[0].plan.mtu == 1420
    assert prepared(config(peer(), mtu=1380))[0].plan.mtu == 1380


def test_keepalive_not_configured_is_25_s():
    """The gateway is behind the router's NAT, whose mapping expires without traffic."""
    assert prepared(config(peer()))[1].peers[0].persistent_keepalive == 25
    assert prepared(config(peer(persistent_keepalive=10)))[1].peers[0].persistent_keepalive == 10


def test_endpoint_address_is_of_a_family_the_wan_can_reach():
    four, six = ip_address("198.51.100.7"), ip_address("2001:db8::7")
    only6 = WanLink("wan0", True, 1500, (ip_interface("2001:db8:1::2/64"),), None, ip_address("fe80::1"))
    assert choose_address([six, four], WAN) == four
    assert choose_address([four, six], only6) == six
    on_link = WanLink("wan0", True, 1500, (ip_interface("198.51.100.9/24"),))
    assert choose_address([six, four], on_link) == four


def test_endpoint_address_least_tried_comes_first():
    """A family that the WAN cannot reach is not tried, however often the others were silent."""
    one, two, six = (ip_address(a) for a in ("198.51.100.7", "198.51.100.8", "2001:db8::7"))
    assert choose_address([one, two, six], WAN, {one: 1}) == two
    assert choose_address([one, two, six], WAN, {one: 1, two: 1}) == one
    both = replace(WAN, gateway6=ip_address("fe80::1"))
    assert choose_address([six, one, two], both, {one: 1, two: 1}) == six


@pytest.mark.parametrize(
    ("wan", "endpoint", "says"),
    [
        (None, None, "no WAN port"),
        (WanLink("wan0"), None, "cable"),
        (WanLink("wan0", True), None, "DHCP"),
        (WanLink("wan-ppp", port="wan"), None, "PPPoE user name"),
        (WanLink("wan-vlan", True, port="wan"), None, "the VLAN's number"),
        (WanLink("wan0", True, 1500, WAN.addresses), "198.51.100.7", "no route for IPv4"),
        (WAN, "2001:db8::1", "no route for IPv6"),
        (WAN, "198.51.100.7", "no answer from 198.51.100.7:51820"),
        (WAN, "198.51.100.7", "sign-in first"),
        (WAN, "198.51.100.7", "it answers from another address, which the firewall drops"),
        (WAN, "192.168.1.9", "no answer"),
    ],
)
def test_missing_handshake_is_explained(wan, endpoint, says):
    where = TransportPeer(ip_address(endpoint), 51820) if endpoint else None
    assert says in explain_failure(wan, where, None)


def test_missing_handshake_after_clock_set_back_names_the_time():
    where = TransportPeer(ip_address("198.51.100.7"), 51820)
    assert "set back" not in explain_failure(WAN, where, None, 0.4)
    assert (
        "set back, and a server that saw the later time rejects handshakes as replays for another 75 s"
        in explain_failure(WAN, where, None, 75.0)
    )
    assert "another 3 min;" in explain_failure(WAN, where, None, 200.0)
    assert "another 72 h;" in explain_failure(WAN, where, None, 3 * 86_400.0)
