"""A WAN without DHCP: the checks of gateway.toml, networkd's files and netd's settings."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import pytest

from app.firstboot import netd_settings
from app.firstboot.gateway_toml import parse
from app.firstboot.netd_settings import NetdSettings, settings_of
from app.firstboot.paths import Paths
from app.store import Store
from tests.unit.firstboot.cards import STATIC, WIFI_WAN, faults, files, lines


def test_fixed_address_replaces_dhcp(paths: Paths) -> None:
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


def test_fixed_address_on_another_port_is_set_there(paths: Paths) -> None:
    found = files(paths, "[network]\nwan = 'usb-1.2'\n" + STATIC)
    assert lines(found["15-wan.network"], "Match") == ["Path=*usb*-0:1.2:*"]
    assert "Address=203.0.113.7/24" in lines(found["15-wan.network"], "Network")
    assert lines(found["16-onboard-lan.network"], "Match") == ["Name=wan"]


def test_port_with_a_fixed_address_is_not_one_arm() -> None:
    found = settings_of(parse(STATIC))
    assert (found.wan, found.lan) == ("wan", ("br-lan",))


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
        ("dns = ['203.0.113.1', '2001:db8::1']", "dns = ['255.255.255.255']", "network.wan_address.dns"),
        ("dns = ['203.0.113.1', '2001:db8::1']", "dns = '203.0.113.1'", "network.wan_address.dns"),
        ("dns =", "nameserver =", "network.wan_address"),
    ],
)
def test_invalid_address_names_its_key(old: str, new: str, key: str) -> None:
    found = faults(STATIC.replace(old, new, 1))
    assert len(found) == 1, found
    assert found[0].startswith(f"{key}: "), found


def test_network_of_two_addresses_is_accepted(paths: Paths) -> None:
    text = STATIC.replace("203.0.113.7/24", "203.0.113.0/31")
    assert ip_network("203.0.113.0/31").num_addresses == 2
    assert "Address=203.0.113.0/31" in lines(files(paths, text)["15-wan.network"], "Network")


@pytest.mark.parametrize(("key", "text"), [("network.wan_address", STATIC), ("network.wan_vlan", "wan_vlan = 7\n")])
@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("", WIFI_WAN, "Wi-Fi"),
        ("topology = 'one-arm'\n", "", "one-arm"),
        ("wan = 'usb-modem'\n", "", "usb-modem"),
    ],
)
def test_wired_settings_without_a_wired_wan_are_refused(key: str, text: str, before: str, after: str, why: str) -> None:
    found = faults(f"[network]\n{before}{text}{after}")
    assert len(found) == 1, found
    assert found[0].startswith(f"{key}: not with {why}"), found


def test_vlan_is_the_wan_and_its_port_has_no_address(paths: Paths) -> None:
    found = files(paths, "[network]\nwan_vlan = 7\n")
    assert sorted(found) == ["14-wan-carrier.network", "14-wan-vlan.netdev", "15-wan.network"]
    assert lines(found["14-wan-vlan.netdev"], "NetDev") == ["Name=wan-vlan", "Kind=vlan"]
    assert lines(found["14-wan-vlan.netdev"], "VLAN") == ["Id=7"]
    port = found["14-wan-carrier.network"]
    assert lines(port, "Match") == ["Name=wan"]
    network = lines(port, "Network")
    assert network[0] == "VLAN=wan-vlan"
    assert {"LinkLocalAddressing=no", "IPv6AcceptRA=no", "LLDP=no", "EmitLLDP=no"} < set(network)
    assert not any(line.startswith(("DHCP=", "Address=", "Bridge=")) for line in network)
    template = paths.wan_network.read_text()
    assert found["15-wan.network"] == template.replace("Name=wan", "Name=wan-vlan")


def test_vlan_with_a_fixed_address_on_another_port_is_set(paths: Paths) -> None:
    text = "[network]\nwan = '00:E0:4C:68:01:22'\nwan_vlan = 4094\n" + STATIC
    found = files(paths, text)
    assert lines(found["14-wan-carrier.network"], "Match") == ["PermanentMACAddress=00:e0:4c:68:01:22"]
    assert lines(found["15-wan.network"], "Match") == ["Name=wan-vlan"]
    assert "Address=203.0.113.7/24" in lines(found["15-wan.network"], "Network")
    assert lines(found["16-onboard-lan.network"], "Match") == ["Name=wan"]


@pytest.mark.parametrize("more", ["", "topology = 'wired'\n", "wan = 'usb-1.2'\n"])
def test_netd_settings_have_the_vlan_and_its_port(tmp_path: Path, more: str) -> None:
    netd_settings.store(tmp_path, settings_of(parse(f"[network]\nwan_vlan = 7\n{more}")), NetdSettings())
    with Store(tmp_path) as store:
        links = store.settings.links
    assert (links.wan, links.lan, links.carrier) == ("wan-vlan", ("br-lan",), "usb-1.2" if "usb" in more else "wan")


@pytest.mark.parametrize("number", ["0", "4095", "-1", "'7'", "7.0"])
def test_invalid_vlan_id_is_refused(number: str) -> None:
    found = faults(f"[network]\nwan_vlan = {number}\n")
    assert len(found) == 1
    assert found[0].startswith("network.wan_vlan: "), found


def test_lan_overlapping_the_wan_can_be_moved() -> None:
    text = STATIC.replace("203.0.113", "192.168.77")
    keys = [fault.split(":")[0].removeprefix("network.wan_address.") for fault in faults(text)]
    assert keys == ["address", "gateway", "dns"]
    assert "this gateway's own LAN 192.168.77.0/24" in faults(text)[0]
    parse("[network]\nlan_address = '10.9.9.1/24'\n" + text)
