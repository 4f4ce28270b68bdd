"""The roles of the ports for every topology, in netd's settings and networkd's files."""

from __future__ import annotations

import subprocess
import sys
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


def test_dhcp_is_turned_on_and_off_by_the_file_alone(tmp_path: Path) -> None:
    """Off for a house with a DHCP server of its own; on for a one-arm gateway that replaces the router's."""
    from app.store import Store

    told = NetdSettings()
    for text, enabled in (("dhcp = false", False), ("topology = 'one-arm'\ndhcp = true", True), ("", None)):
        new = settings_of(parse(f"[network]\n{text}"))
        netd_settings.store(tmp_path, new, told)
        with Store(tmp_path) as store:
            assert store.settings.lan.dhcp_enabled is enabled
        told = new


def test_lan_that_a_stored_server_is_in_is_refused_and_reported(
    tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proton gives everybody 10.2.0.2: with this LAN the page and DNS would be gone once that server is connected."""
    from app import keys, wgconf
    from app.firstboot import programs
    from app.store import Store
    from app.store.servers import split_secrets

    private, public = keys.generate().private_key.reveal(), keys.generate().public_key
    text = f"[Interface]\nPrivateKey = {private}\nAddress = 10.2.0.2/32\n[Peer]\nPublicKey = {public}\n"
    config = wgconf.parse(text + "Endpoint = 198.51.100.7:51820\nAllowedIPs = 0.0.0.0/0\n").config
    with Store(tmp_path) as store:
        stored = split_secrets(config, name="proton", provider="imported", location=None, added=0.0, warnings=())
        store.add_server(*stored)
        before = store.settings

    def run(*command: str, **_: object) -> None:
        code = (
            "from pathlib import Path; from app.firstboot import main;"
            f" main.STATE = Path({str(tmp_path)!r}); raise SystemExit(main.main({list(command[5:])!r}))"
        )
        done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        if done.returncode:
            raise programs.ProgramError("python", "failed", done.stderr, done.returncode)

    monkeypatch.setattr(netd_settings.programs, "run", run)
    new = settings_of(parse("[network]\nlan_address='10.2.0.1/24'"))
    for _ in range(2):  # and again at the next start
        (fault,) = netd_settings.update(paths, new)
        assert "proton" in fault
        assert "10.2.0.0/24" in fault
    with Store(tmp_path) as store:
        assert store.settings == before
        store.remove_server("proton")
    assert netd_settings.update(paths, new) == []
    with Store(tmp_path) as store:
        assert str(store.settings.lan.address) == "10.2.0.1/24"


def test_mdns_is_answered_on_the_lan_only(paths: Paths) -> None:
    template = paths.wan_network.read_text()
    assert "MulticastDNS=no" in template
    assert "MulticastDNS=yes" in paths.wan_network.with_name("31-br-lan.network").read_text()
    one_arm = render.networkd(parse("[network]\ntopology='one-arm'"), template)
    assert "MulticastDNS=yes" in one_arm["15-wan.network"]  # there the wire is the LAN's
    hotel = render.networkd(parse(WIFI_WAN), template)
    assert "MulticastDNS=no" in hotel["15-wan.network"]
    assert "Bridge=" not in hotel["16-onboard-lan.network"]  # that is netd's, once it knows the WAN
