"""A WAN without DHCP: what gateway.toml may say of it, what is refused, and what networkd and netd are told."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest
from firstboot import early, render
from firstboot.schema import SchemaError, parse

STATIC = "[network.wan_address]\naddress = '203.0.113.7/24'\ngateway = '203.0.113.1'\ndns = ['203.0.113.1', '2001:db8::1']\n"
WIFI_WAN = "[wifi]\ncountry = 'SE'\n[wifi.wan]\nssid = 'Hotel'\n"


def files(paths: early.Paths, text: str) -> dict[str, str]:
    return render.networkd(parse(text), paths.wan_network.read_text())


def lines(text: str, section: str) -> list[str]:
    """The settings of one section of a .network or .netdev file, without remarks."""
    found: list[str] = []
    here = ""
    for line in text.splitlines():
        if line.startswith("["):
            here = line.strip("[]")
        elif here == section and line and not line.startswith("#"):
            found.append(line)
    return found


def faults(text: str) -> list[str]:
    with pytest.raises(SchemaError) as error:
        parse(text)
    return list(error.value.faults)


def test_a_fixed_address_takes_the_place_of_dhcp(paths: early.Paths) -> None:
    found = files(paths, STATIC)
    assert list(found) == ["15-wan.network"]
    text = found["15-wan.network"]
    assert lines(text, "Match") == ["Name=wan"]
    network = lines(text, "Network")
    assert network[:5] == [
        "DHCP=no",
        "Address=203.0.113.7/24",
        "Gateway=203.0.113.1",
        "DNS=203.0.113.1",
        "DNS=2001:db8::1",
    ]
    assert network[5:] == lines(paths.wan_network.read_text(), "Network")[1:]  # all else is as it was


def test_a_fixed_address_on_another_port(paths: early.Paths) -> None:
    found = files(paths, "[network]\nwan = 'usb-1.2'\n" + STATIC)
    assert lines(found["15-wan.network"], "Match") == ["Path=*usb*-0:1.2:*"]
    assert "Address=203.0.113.7/24" in lines(found["15-wan.network"], "Network")
    assert lines(found["16-onboard-lan.network"], "Match") == ["Name=wan"]


def test_a_port_with_a_fixed_address_does_not_become_one_arm() -> None:
    told = render.told(parse(STATIC))
    assert (told.wan, told.lan) == ("wan", ("br-lan",))


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("203.0.113.7/24", "203.0.113.7", "network.wan_address.address"),
        ("203.0.113.7/24", "203.0.113.0/24", "network.wan_address.address"),
        ("203.0.113.7/24", "2001:db8::7/64", "network.wan_address.address"),
        ("203.0.113.7/24", "224.0.0.7/24", "network.wan_address.address"),
        ("203.0.113.7/24", "203.0.113.7/24\\nDHCP=yes", "network.wan_address.address"),
        ("gateway = '203.0.113.1'", "", "network.wan_address.gateway"),
        ("gateway = '203.0.113.1'", "gateway = '198.51.100.1'", "network.wan_address.gateway"),
        ("gateway = '203.0.113.1'", "gateway = '203.0.113.7'", "network.wan_address.gateway"),
        ("gateway = '203.0.113.1'", "gateway = '203.0.113.255'", "network.wan_address.gateway"),
        ("dns = ['203.0.113.1', '2001:db8::1']", "", "network.wan_address.dns"),
        ("dns = ['203.0.113.1', '2001:db8::1']", "dns = ['dns.example']", "network.wan_address.dns"),
        ("dns = ['203.0.113.1', '2001:db8::1']", "dns = ['127.0.0.1']", "network.wan_address.dns"),
        ("dns = ['203.0.113.1', '2001:db8::1']", "dns = '203.0.113.1'", "network.wan_address.dns"),
        ("dns =", "nameserver =", "network.wan_address"),
    ],
)
def test_a_wrong_address_is_named_by_its_key(old: str, new: str, key: str) -> None:
    told = faults(STATIC.replace(old, new, 1))
    assert len(told) == 1, told
    assert told[0].startswith(f"{key}: "), told


def test_a_link_of_two_addresses_has_no_broadcast_address(paths: early.Paths) -> None:
    text = STATIC.replace("203.0.113.7/24", "203.0.113.0/31")
    assert ip_network("203.0.113.0/31").num_addresses == 2
    assert "Address=203.0.113.0/31" in lines(files(paths, text)["15-wan.network"], "Network")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("", WIFI_WAN, "Wi-Fi"),
        ("[network]\ntopology = 'one-arm'\n", "", "one-arm"),
        ("[network]\nwan = 'usb-modem'\n", "", "usb-modem"),
    ],
)
def test_a_fixed_address_where_it_cannot_be(before: str, after: str, why: str) -> None:
    told = faults(before + STATIC + after)
    assert len(told) == 1, told
    assert told[0].startswith(f"network.wan_address: not with {why}"), told


def test_the_lan_can_make_way_for_the_wan() -> None:
    text = STATIC.replace("203.0.113", "192.168.77")
    assert faults(text)[0].startswith("network.wan_address.address: overlaps the LAN, 192.168.77.0/24")
    parse("[network]\nlan_address = '10.9.9.1/24'\n" + text)


