"""The judge of overlapping networks: every pair of roles has a verdict, and a clash says what, why and what next."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from itertools import combinations_with_replacement

import pytest

from app.model import WanLink
from app.overlaps import (
    HARMLESS,
    PAIRS,
    Claim,
    Clash,
    Role,
    clashes,
    free_lan,
    host_network,
    lan_claims,
    tunnel_claims,
    wan_claims,
)

LAN = lan_claims((ip_network("192.168.77.0/24"), ip_network("fd12:3456:789a::/64")))


def wan(address: str = "203.0.113.5/24", router: str = "203.0.113.1", *servers: str) -> tuple[Claim, ...]:
    link = WanLink("wan", True, 1500, (ip_interface(address),), IPv4Address(router))
    return wan_claims(
        WanLink(link.name, True, 1500, link.addresses, link.gateway4, None, tuple(map(ip_address, servers)))
    )


def tunnel(
    address: str = "10.64.1.2/32", endpoint: str = "198.51.100.7", resolver: str = "10.64.0.1", owner: str = ""
) -> tuple[Claim, ...]:
    return tunnel_claims((ip_interface(address),), (ip_address(endpoint),), (ip_address(resolver),), owner)


def roles(found: tuple[Clash, ...]) -> list[tuple[Role, Role, bool]]:
    return [(c.first.role, c.second.role, c.stops) for c in found]


@pytest.mark.parametrize(
    "pair", list(combinations_with_replacement(Role, 2)), ids=lambda pair: "+".join(r.name for r in pair)
)
def test_every_pair_of_roles_has_one_verdict(pair):
    assert (pair in PAIRS) is not (pair in HARMLESS)


def test_verdicts_are_for_pairs_in_the_order_of_roles_only():
    assert set(combinations_with_replacement(Role, 2)) == PAIRS.keys() | HARMLESS.keys()


@pytest.mark.parametrize("pair", list(PAIRS), ids=lambda pair: "+".join(r.name for r in pair))
def test_each_harmful_pair_is_found_with_a_reason_and_a_remedy(pair):
    """Both orders of the claims give the same clash."""
    one, other = (Claim(role, host_network(ip_address("192.0.2.7"))) for role in pair)
    (clash,) = clashes((one,), (other,))
    assert clashes((other,), (one,)) == (clash,)
    assert "192.0.2.7" in clash.message
    assert PAIRS[pair].why in clash.message
    assert "To mend it, " in clash.message
    assert "{" not in clash.message


@pytest.mark.parametrize("pair", list(HARMLESS), ids=lambda pair: "+".join(r.name for r in pair))
def test_harmless_pair_is_no_clash(pair):
    one, other = (Claim(role, host_network(ip_address("192.0.2.7"))) for role in pair)
    assert clashes((one,), (other,)) == ()


def test_networks_apart_have_no_clash():
    assert clashes((*wan(), *tunnel()), LAN) == ()


def test_network_around_the_lan_works():
    """Measured: a WAN in 192.168.0.0/16 with its router outside of the LAN carries the tunnel."""
    assert clashes(wan("192.168.1.9/16", "192.168.0.1"), LAN) == ()


def test_lease_and_router_in_the_lan_are_named():
    """Two gateways in a row, both with 192.168.77.0/24."""
    first, second = clashes(wan("192.168.77.20/24", "192.168.77.1"), LAN)
    assert roles((first, second)) == [(Role.LAN, Role.WAN_ADDRESS, True), (Role.LAN, Role.ROUTER, True)]
    assert "192.168.77.20" in first.message
    assert "192.168.77.0/24" in first.message
    assert "lan_address" in first.message
    assert "192.168.78.1/24" in first.message  # a network that is free


def test_name_server_in_the_lan_limits_and_does_not_stop():
    assert roles(clashes(wan("192.168.1.9/16", "192.168.0.1", "192.168.77.3"), LAN)) == [
        (Role.LAN, Role.NAME_SERVER, False)
    ]


def test_wan_address_of_the_tunnel_is_no_clash():
    assert clashes(tunnel("10.5.0.2/32"), (*LAN, *wan("10.5.0.2/16", "10.5.0.1"))) == ()


def test_proton_in_a_hotel_of_its_own_network_is_no_clash():
    """The router has the address of the tunnel's resolver: they are reached by different tables."""
    assert clashes(tunnel("10.2.0.2/32", resolver="10.2.0.1"), (*LAN, *wan("10.2.0.9/24", "10.2.0.1"))) == ()


def test_other_exits_server_as_address_is_found_both_ways():
    mine, other = tunnel("198.51.100.8/32"), tunnel(endpoint="198.51.100.8", owner="second")
    for subject, others in ((mine, other), (other, mine)):
        (clash,) = clashes(subject, others)
        assert clash.stops
        assert "exit second" in clash.message


def test_own_server_as_address_is_found():
    assert roles(clashes(tunnel("198.51.100.7/32"), ())) == [(Role.TUNNEL_ADDRESS, Role.ENDPOINT, True)]


def test_zone_of_an_address_is_left_out():
    assert host_network(IPv6Address("2001:db8::1%wan")) == ip_network("2001:db8::1/128")
    assert tunnel_claims((), (IPv6Address("fe80::1%wan"),)) == ()


def test_proposed_lan_overlaps_nothing_that_is_taken():
    taken = [ip_network("192.168.0.0/16"), ip_network("10.0.0.0/8")]
    assert not any(free_lan(taken).network.overlaps(n) for n in taken)
