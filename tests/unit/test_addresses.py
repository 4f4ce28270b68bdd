from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from app.addresses import collapse, cover_internet, is_routable

WITHOUT_PRIVATE = (
    "0.0.0.0/5, 8.0.0.0/7, 11.0.0.0/8, 12.0.0.0/6, 16.0.0.0/4, 32.0.0.0/3, 64.0.0.0/2, 128.0.0.0/3, 160.0.0.0/5,"
    " 168.0.0.0/6, 172.0.0.0/12, 172.32.0.0/11, 172.64.0.0/10, 172.128.0.0/9, 173.0.0.0/8, 174.0.0.0/7, 176.0.0.0/4,"
    " 192.0.0.0/9, 192.128.0.0/11, 192.160.0.0/13, 192.169.0.0/16, 192.170.0.0/15, 192.172.0.0/14, 192.176.0.0/12,"
    " 192.192.0.0/10, 193.0.0.0/8, 194.0.0.0/7, 196.0.0.0/6, 200.0.0.0/5, 208.0.0.0/4"
)


def networks(text: str):
    return tuple(ip_network(part) for part in text.split(", ") if part)


@pytest.mark.parametrize(
    ("text", "four", "six"),
    [
        ("", False, False),
        ("0.0.0.0/0", True, False),
        ("::/0", False, True),
        ("0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1", True, True),
        (WITHOUT_PRIVATE, True, False),
        (WITHOUT_PRIVATE.replace("11.0.0.0/8, ", ""), False, False),
        ("2000::/3", False, True),
        ("2000::/4, fd00::/8", False, False),
    ],
)
def test_networks_that_cover_the_internet_are_recognized(text, four, six):
    assert cover_internet(networks(text), 4) is four
    assert cover_internet(networks(text), 6) is six


def test_the_fewest_networks_are_sorted_with_ipv4_first():
    assert collapse(networks("8000::/1, 128.0.0.0/1, ::/1, 0.0.0.0/1")) == networks("0.0.0.0/0, ::/0")


@pytest.mark.parametrize("text", ["192.0.2.1", "10.0.0.1", "2001:db8::1", "fd00::1"])
def test_unicast_address_is_routable(text):
    assert is_routable(ip_address(text))


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0", "127.0.0.1", "169.254.0.1", "224.0.1.1", "255.255.255.255", "::", "::1", "fe80::1", "ff02::1"],
)
def test_groups_and_addresses_of_a_link_are_not_routable(text):
    assert not is_routable(ip_address(text))
