"""Which resolvers of a tunnel are in use: those that can be reached, those that answer, or the fallback's."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network

import pytest

from app.addresses import Address, Network
from app.network.resolvers import Answer, ResolverChoice, choose
from tests.unit.network.scenarios import tunnel

LAN: tuple[Network, ...] = (ip_network("10.0.0.0/24"), ip_network("fd12:3456:789a::/64"))
QUAD9 = (ip_address("9.9.9.9"), ip_address("149.112.112.112"))
FIRST, SECOND = ip_address("10.64.0.1"), ip_address("10.64.0.2")
GOOD, FAILING, SILENT = Answer.GOOD, Answer.FAILING, Answer.SILENT


def chosen(
    *dns: str,
    routes: tuple[str, ...] = ("0.0.0.0/0", "::/0"),
    lan: tuple[Network, ...] = LAN,
    answers: dict[Address, Answer] | None = None,
) -> ResolverChoice:
    return choose(tunnel(dns=dns, routes=routes), QUAD9, lan, answers or {})


def order(choice: ResolverChoice) -> list[str]:
    return [str(a) for a in choice.order]


def test_resolvers_of_the_server_are_asked_in_its_order() -> None:
    found = chosen("10.64.0.2", "10.64.0.1", "10.64.0.2")
    assert (found.own, found.order, found.unusable) == ((SECOND, FIRST), (SECOND, FIRST), ())


def test_resolvers_in_the_lan_give_way_to_the_fallback() -> None:
    """A provider's resolvers in a LAN of 10.0.0.0/24: they were dropped after the fallback had been left out."""
    found = chosen("10.0.0.243", "10.0.0.242")
    assert order(found) == ["9.9.9.9", "149.112.112.112"]
    assert found.unusable == ((ip_address("10.0.0.243"), "lan"), (ip_address("10.0.0.242"), "lan"))


def test_lan_that_covers_everything_private_leaves_the_fallback() -> None:
    assert order(chosen("10.64.0.1", lan=(ip_network("10.0.0.0/8"),))) == ["9.9.9.9", "149.112.112.112"]


def test_one_resolver_in_the_lan_is_left_out() -> None:
    found = chosen("10.0.0.243", "10.64.0.1")
    assert (order(found), found.unusable) == (["10.64.0.1"], ((ip_address("10.0.0.243"), "lan"),))


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        (("10.64.0.0/16",), ["10.64.0.1"]),
        (("10.65.0.0/24",), []),
        (("10.65.0.0/24", "9.9.9.0/24"), ["9.9.9.9"]),
        (("0.0.0.0/1", "128.0.0.0/1"), ["10.64.0.1"]),
        (("2000::/3",), []),
    ],
)
def test_resolver_outside_the_allowed_ips_is_not_asked(routes: tuple[str, ...], expected: list[str]) -> None:
    assert order(chosen("10.64.0.1", routes=routes)) == expected


@pytest.mark.parametrize(
    "address", ["10.64.1.2", "127.0.0.1", "0.0.0.0", "224.0.0.251", "169.254.1.1", "fe80::1", "::"]
)
def test_address_that_is_no_resolver_of_the_tunnel_is_not_asked(address: str) -> None:
    assert order(chosen(address)) == ["9.9.9.9", "149.112.112.112"]


def test_family_without_an_address_in_the_tunnel_is_not_asked() -> None:
    plan = tunnel(addresses=("10.64.1.2/32",), dns=("fc00:bbbb::1", "10.64.0.1"))
    assert plan.addresses == (ip_interface("10.64.1.2/32"),)
    assert order(choose(plan, QUAD9, LAN, {})) == ["10.64.0.1"]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({FIRST: SILENT}, ["10.64.0.2", "10.64.0.1"]),
        ({SECOND: SILENT}, ["10.64.0.1", "10.64.0.2"]),
        ({FIRST: FAILING}, ["10.64.0.2", "10.64.0.1"]),
        ({FIRST: SILENT, SECOND: FAILING}, ["10.64.0.2", "10.64.0.1"]),
        ({FIRST: SILENT, SECOND: SILENT}, ["10.64.0.1", "10.64.0.2"]),  # nothing is known to be better
        ({FIRST: SILENT, SECOND: SILENT, QUAD9[0]: SILENT, QUAD9[1]: SILENT}, ["10.64.0.1", "10.64.0.2"]),
        (
            {FIRST: SILENT, SECOND: SILENT, QUAD9[0]: SILENT, QUAD9[1]: GOOD},
            ["149.112.112.112", "10.64.0.1", "10.64.0.2"],
        ),
        ({FIRST: FAILING, SECOND: SILENT, QUAD9[0]: GOOD}, ["10.64.0.1", "9.9.9.9", "10.64.0.2"]),
        ({FIRST: GOOD, SECOND: SILENT, QUAD9[0]: GOOD}, ["10.64.0.1", "10.64.0.2"]),
    ],
)
def test_resolver_that_answers_comes_first(answers: dict[Address, Answer], expected: list[str]) -> None:
    assert order(chosen("10.64.0.1", "10.64.0.2", answers=answers)) == expected
