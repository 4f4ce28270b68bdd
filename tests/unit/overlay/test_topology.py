"""Which port is which for every topology; and that the real programs take the files that are written for them."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from firstboot import early, render
from firstboot.__main__ import settings
from firstboot.schema import parse

WIFI_AP = "[wifi]\ncountry = 'SE'\n[wifi.access_point]\nssid = 'Hemma å'\npassphrase = 'correct \" horse'\n"
WIFI_WAN = "[wifi]\ncountry = 'SE'\n[wifi.wan]\nssid = 'Hotel å'\n"


@pytest.mark.parametrize(
    ("text", "wan", "lan"),
    [
        ("", None, None),
        ("[network]\ntopology = 'wired'", "wan", ("br-lan",)),
        ("[network]\ntopology = 'one-arm'", "wan", ("wan",)),
        ("[network]\ntopology = 'one-arm'\nwan = 'enx1'", "enx1", ("enx1",)),
        (WIFI_AP, "wan", ("br-lan",)),
        (WIFI_AP + "[network]\ntopology = 'access-point'", "wan", ("br-lan",)),
        (WIFI_WAN, "wlan0", ("br-lan",)),
        (WIFI_WAN + "[network]\ntopology = 'wifi-wan'", "wlan0", ("br-lan",)),
        (WIFI_WAN + "[network]\ntopology = 'wired'", "wan", ("br-lan",)),
    ],
)
def test_the_topology_says_which_port_is_which(text: str, wan: str | None, lan: tuple[str, ...] | None) -> None:
    told = render.told(parse(text))
    assert (told.wan, told.lan) == (wan, lan)


def test_netd_is_told_ports_name_and_address(tmp_path: Path) -> None:
    from app.store import Store

    config = parse("[system]\nhostname='attic'\n[network]\ntopology='one-arm'\nlan_address='192.168.1.2/24'")
    settings(tmp_path, render.told(config))
    with Store(tmp_path) as store:
        lan, links = store.settings.lan, store.settings.links
    assert lan.hostname == "attic"  # the web answers to this name only: another one is DNS rebinding
    assert str(lan.address) == "192.168.1.2/24"
    assert (str(lan.dhcp_start), str(lan.dhcp_end)) == ("192.168.1.3", "192.168.1.254")
    assert (links.wan, links.lan) == ("wan", ("wan",))


def test_mdns_is_answered_on_the_lan_only(paths: early.Paths) -> None:
    template = paths.wan_network.read_text()
    assert "MulticastDNS=no" in template
    assert "MulticastDNS=yes" in paths.wan_network.with_name("31-br-lan.network").read_text()
    one_arm = render.networkd(parse("[network]\ntopology='one-arm'"), template)
    assert "MulticastDNS=yes" in one_arm["15-wan.network"]  # there the wire is the LAN's
    hotel = render.networkd(parse(WIFI_WAN), template)
    assert "MulticastDNS=no" in hotel["15-wan.network"]
    assert "Bridge=" not in hotel["16-onboard-lan.network"]  # that is netd's, once it knows the WAN


# --- the real programs, without a radio ------------------------------------------------------------------------------
# There is no mac80211_hwsim to be had everywhere, so no frame is sent: hostapd and wpa_supplicant read the very file,
# with their driver "none" on an empty link, and go on to set it up; what they do not understand they name by its line.


def output_of(command: str, wanted: str, log: Path) -> str:
    """What ``command`` says, in a network namespace of its own, until it says ``wanted``, or ends, or 10 s are over."""
    script = "ip tuntap add wlan0 mode tap && ip link add br-lan type bridge && exec " + command
    with log.open("wb") as out:
        process = subprocess.Popen(["unshare", "--net", "sh", "-c", script], stdout=out, stderr=out)
    deadline = time.monotonic() + 10
    try:
        while wanted not in log.read_text() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    return log.read_text()


def hostapd(text: str, tmp_path: Path) -> str:
    (tmp_path / "hostapd.conf").write_text(text.replace("driver=nl80211", "driver=none"))
    return output_of(f"hostapd {tmp_path}/hostapd.conf", "COUNTRY_UPDATE", tmp_path / "log")


@pytest.mark.kernel
@pytest.mark.parametrize(("band", "channel"), [("2.4GHz", 6), ("5GHz", 36)])
def test_hostapd_takes_its_file(tmp_path: Path, band: str, channel: int) -> None:
    config = parse(WIFI_AP + f"band = '{band}'\nchannel = {channel}")
    assert config.wifi.access_point is not None
    text = render.hostapd("SE", config.wifi.access_point)
    assert "driver=nl80211\n" in text
    said = hostapd(text, tmp_path)
    assert "COUNTRY_UPDATE" in said
    assert not re.search(r"^Line \d+|errors? found", said, re.MULTILINE), said
    broken = hostapd(text.replace("wpa_key_mgmt=WPA-PSK", "wpa_key_mgmt=WPA-SPK"), tmp_path)
    assert re.search(r"^Line \d+", broken, re.MULTILINE)
    assert "COUNTRY_UPDATE" not in broken


@pytest.mark.kernel
@pytest.mark.parametrize("passphrase", ["", "passphrase = 'correct \" horse # {'\n"])
def test_wpa_supplicant_takes_its_file(tmp_path: Path, passphrase: str) -> None:
    config = parse(WIFI_WAN + passphrase)
    assert config.wifi.wan is not None

    def wpa_supplicant(text: str) -> str:
        (tmp_path / "wpa.conf").write_text(text.replace("/run/wpa_supplicant", str(tmp_path / "ctrl")))
        return output_of(f"wpa_supplicant -i wlan0 -D none -c {tmp_path}/wpa.conf", "SCAN-FAILED", tmp_path / "log")

    text = render.wpa_supplicant("SE", config.wifi.wan)
    said = wpa_supplicant(text)
    assert "SCAN-FAILED" in said  # it wants to look for the network, and has no radio
    assert not re.search(r"^Line \d+|Failed to read", said, re.MULTILINE), said
    assert "Failed to read" in wpa_supplicant(text.replace("network={", "network={\n  key_mgmt=NONSENSE"))
