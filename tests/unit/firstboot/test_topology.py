"""The roles of the ports for every topology, in netd's settings and networkd's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.firstboot import netd_settings, render
from app.firstboot.gateway_toml import parse
from app.firstboot.netd_settings import NetdSettings, settings_of
from app.firstboot.paths import Paths

WIFI_AP = "[wifi]\ncountry = 'SE'\n[wifi.access_point]\nssid = 'Hemma'\npassphrase = 'correct horse'\n"
WIFI_WAN = "[wifi]\ncountry = 'SE'\n[wifi.wan]\nssid = 'Hotel'\n"


@pytest.mark.parametrize(
    ("text", "wan", "lan"),
    [
        ("", None, None),
        ("[network]\ntopology = 'wired'", None, ("br-lan",)),
        ("[network]\ntopology = 'one-arm'", "wan", ("wan",)),
        ("[network]\ntopology = 'one-arm'\nwan = 'enx1'", "enx1", ("enx1",)),
        (WIFI_AP, None, ("br-lan",)),
        (WIFI_AP + "[network]\ntopology = 'access-point'", None, ("br-lan",)),
        (WIFI_WAN, "radio0", ("br-lan",)),
        (WIFI_WAN + "[network]\ntopology = 'wifi-wan'", "radio0", ("br-lan",)),
        (WIFI_WAN + "[network]\nwan = 'radio0'", "radio0", ("br-lan",)),
        (WIFI_WAN + "[network]\nwan = 'wlan0'", "radio0", ("br-lan",)),  # as the kernel, and people, call it
    ],
)
def test_topology_decides_wan_and_lan(text: str, wan: str | None, lan: tuple[str, ...] | None) -> None:
    settings = settings_of(parse(text))
    assert (settings.wan, settings.lan) == (wan, lan)


def test_netd_settings_have_ports_name_and_address(tmp_path: Path) -> None:
    from app.store import Store

    config = parse("[system]\nhostname='attic'\n[network]\ntopology='one-arm'\nlan_address='192.168.1.2/24'")
    netd_settings.store(tmp_path, settings_of(config), NetdSettings())
    with Store(tmp_path) as store:
        lan, links = store.settings.lan, store.settings.links
    assert lan.hostname == "attic"  # the web answers to this name only: another one is DNS rebinding
    assert str(lan.address) == "192.168.1.2/24"
    assert (str(lan.dhcp_start), str(lan.dhcp_end)) == ("192.168.1.3", "192.168.1.254")
    assert (links.wan, links.lan) == ("wan", ("wan",))


def test_mdns_is_answered_on_the_lan_only(paths: Paths) -> None:
    template = paths.wan_network.read_text()
    assert "MulticastDNS=no" in template
    assert "MulticastDNS=yes" in paths.wan_network.with_name("31-br-lan.network").read_text()
    one_arm = render.networkd(parse("[network]\ntopology='one-arm'"), template)
    assert "MulticastDNS=yes" in one_arm["15-wan.network"]  # there the wire is the LAN's
    hotel = render.networkd(parse(WIFI_WAN), template)
    assert "MulticastDNS=no" in hotel["15-wan.network"]
    assert "Bridge=" not in hotel["16-onboard-lan.network"]  # that is netd's, once it knows the WAN
