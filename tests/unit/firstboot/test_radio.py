"""Wi-Fi: the files for hostapd and wpa_supplicant, which both programs accept, and the checks of gateway.toml."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest

from app.firstboot import radio
from app.firstboot.configuration import load_config
from app.firstboot.gateway_toml import ConfigError, parse
from app.firstboot.paths import Paths
from app.firstboot.redact import without_secrets
from app.firstboot.schema import AccessPoint, WifiWan

OVERLAY = Path(__file__).parents[3] / "overlay"
AP = "[wifi]\ncountry = 'SE'\n[wifi.access_point]\nssid = 'Hemma å'\npassphrase = 'correct \" horse'\n"
WAN = "[wifi]\ncountry = 'SE'\n[wifi.wan]\nssid = 'Hotel å'\n"
WANS = """\
[wifi]
country = 'SE'
[[wifi.wan]]  # mine
ssid = 'Phone'
passphrase = 's3cret of the phone'
[[wifi.wan]]
ssid = 'Hotel'
[[wifi.wan]]
ssid = 'Cabin'
passphrase = 's3cret of the cabin'
hidden = true
"""
ACCOUNT = "[vpn]\nprovider = 'm'\n[vpn.account]\nnumber = 's3cret'\n"
COUNTRY = "[wifi]\ncountry = 'SE'\n"


def no_auth(action: str, text: str) -> None:
    """The command for the password, where it must not be called."""
    raise AssertionError(action)


def access_point(more: str = "") -> AccessPoint:
    point = parse(AP + more).wifi.access_point
    assert point is not None
    return point


# --- the access point -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "tried"),
    [
        ("", ["2.4 GHz, channel 6, 20 MHz wide"]),
        ("channel = 11", ["2.4 GHz, channel 11, 20 MHz wide"]),
        ("channel = 13", ["2.4 GHz, channel 13, 20 MHz wide", "2.4 GHz, channel 11, 20 MHz wide"]),
        (
            "band = '5GHz'\nchannel = 40",
            [
                "5 GHz, channel 40, 80 MHz wide",
                "5 GHz, channel 40, 40 MHz wide",
                "5 GHz, channel 40, 20 MHz wide",
                "2.4 GHz, channel 6, 20 MHz wide",
            ],
        ),
    ],
)
def test_access_point_has_fallback_plans(more: str, tried: list[str]) -> None:
    assert [str(plan) for plan in radio.plans(access_point(more))] == tried
    assert [text.splitlines()[0] for text in radio.hostapd("SE", access_point(more))] == [f"# {t}" for t in tried]


@pytest.mark.parametrize("channel", [36, 40, 44, 48])
def test_wide_channels_have_the_standards_center(channel: int) -> None:
    wide, half, narrow, fallback = radio.hostapd("SE", access_point(f"band = '5GHz'\nchannel = {channel}"))
    pair = f"ht_capab=[HT40{'+' if channel in {36, 44} else '-'}]"
    assert pair in wide
    assert pair in half
    assert {"vht_oper_chwidth=1", "vht_oper_centr_freq_seg0_idx=42"} <= set(wide.splitlines())
    assert "vht_oper_chwidth" not in half + narrow
    assert "ht_capab" not in narrow + fallback
    assert {"hw_mode=g", "channel=6"} <= set(fallback.splitlines())


@pytest.mark.parametrize("more", ["", "band = '5GHz'\nchannel = 36"])
def test_access_point_offers_no_management_frame_protection(more: str) -> None:
    """The firmware of the Pi's radio fails clients that are offered protected management frames."""
    assert "ieee80211w" not in "".join(radio.hostapd("SE", access_point(more)))


def test_radio_stays_off_unless_configured() -> None:
    files = radio.files(parse(AP + "band = '5GHz'\nchannel = 36"))
    assert [name.name for name in files] == ["1.conf", "2.conf", "3.conf", "4.conf"]
    assert list(radio.files(parse(WAN))) == [radio.WIFI_WAN]
    assert radio.files(parse("")) == {}
    assert radio.files(parse("[wifi]\ncountry = 'SE'")) == {}


def test_missing_radio_is_reported_where_it_is_needed() -> None:
    assert radio.missing(parse(AP), found=True) == []
    assert radio.missing(parse(""), found=False) == []
    for text in (AP, WAN):
        (fault,) = radio.missing(parse(text), found=False)
        assert "no radio" in fault


# --- Wi-Fi as the WAN -------------------------------------------------------------------------------------------------


def test_networks_are_joined_in_their_order() -> None:
    text = radio.wpa_supplicant(parse(WANS).wifi)
    blocks = re.findall(r"network=\{\n(.*?)\}", text, re.DOTALL)
    found = [dict(line.strip().split("=", 1) for line in block.splitlines()) for block in blocks]
    assert [bytes.fromhex(block["ssid"]).decode() for block in found] == ["Phone", "Hotel", "Cabin"]
    priorities = [int(block["priority"]) for block in found]
    assert priorities == sorted(priorities, reverse=True)
    assert len(set(priorities)) == 3
    assert [block.get("psk") for block in found] == ['"s3cret of the phone"', None, '"s3cret of the cabin"']
    assert [block.get("scan_ssid") for block in found] == [None, None, "1"]


def test_passphrases_of_networks_move_to_the_data_partition(paths: Paths) -> None:
    (paths.fat / "gateway.toml").write_text(WANS)
    config, faults = load_config(paths, no_auth)
    assert not faults
    left = (paths.fat / "gateway.toml").read_text()
    assert "s3cret" not in left
    assert left.count("(taken; ") == 2
    assert "# mine" in left
    assert load_config(paths, no_auth) == (config, [])
    # Another order is another wish; the passphrases stay with their networks.
    parts = left.split("[[wifi.wan]]")
    (paths.fat / "gateway.toml").write_text("[[wifi.wan]]".join((parts[0], parts[3], "\n" + parts[2], parts[1])))
    config, faults = load_config(paths, no_auth)
    assert not faults
    assert [(network.ssid, network.passphrase) for network in config.wifi.networks] == [
        ("Cabin", "s3cret of the cabin"),
        ("Hotel", None),
        ("Phone", "s3cret of the phone"),
    ]
    # One network of several, as a table of its own.
    (paths.fat / "gateway.toml").write_text(WAN.replace("Hotel å", "Cabin"))
    assert load_config(paths, no_auth)[0].wifi.wan == WifiWan("Cabin", "s3cret of the cabin")


@pytest.mark.parametrize(
    "text",
    [
        "[wifi]\ncountry = 'SE'\nwan = [{ ssid = 'Phone', passphrase = 's3cret-1' }, { ssid = 'Hotel' }]",
        "[wifi]\ncountry = 'SE'\nwan = [\n  { ssid = 'Phone', passphrase = 's3cret-1' },\n  { ssid = 'Hotel' },\n]",
        "[wifi]\ncountry='SE'\n[[wifi.wan]]\nssid='Phone'\npassphrase='''\ns3cret-1'''\n[[wifi.wan]]\nssid='Hotel'",
        ACCOUNT + "[[ wifi . wan ]] # x\nssid='Phone'\npassphrase='s3cret-1'\n[[wifi.wan]]\nssid='Hotel'\n" + COUNTRY,
    ],
)
def test_only_secrets_are_removed_from_any_notation_of_networks(text: str) -> None:
    before = parse(text).wifi
    assert before.networks[0].passphrase == "s3cret-1"
    bare = without_secrets(text)
    assert "s3cret" not in bare
    after = parse(bare).wifi
    assert after.country == "SE"
    assert after.networks == (WifiWan("Phone"), WifiWan("Hotel"))


def test_rewritten_file_keeps_every_network() -> None:
    text = "wifi = { country = 'SE', wan = [{ ssid = 'a' }, { passphrase = 's3cret-1' }, { ssid = 'b' }] }"
    bare = without_secrets(text)
    assert "s3cret" not in bare
    assert bare.count("[[wifi.wan]]") == 3


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (WANS.replace("s3cret of the cabin", "short"), "wifi.wan[3].passphrase: 8 to 63"),
        (WANS.replace("'Hotel'", "''"), "wifi.wan[2].ssid: needed"),
        (WANS.replace("'Hotel'", "7"), "wifi.wan[2].ssid: Expected `str"),
        (WANS.replace("hidden = true", "hiden = true"), "wifi.wan[3]: Object contains unknown field `hiden`"),
        (WANS.replace("'Hotel'", "'Phone'"), "wifi.wan[2].ssid: the same as wifi.wan[1].ssid"),
        (WAN + "passphrase = 'short'", "wifi.wan.passphrase: 8 to 63"),
        (WANS + "[wifi.access_point]\nssid = 'a'\npassphrase = '12345678'", "wifi: one radio"),
        (WANS.replace("country = 'SE'\n", ""), "wifi.country: needed"),
        # Settings without effect are refused.
        (WAN + "[network]\ntopology = 'wired'", "wifi.wan: not used: the topology wired has a wired port"),
        (WAN + "[network]\ntopology = 'one-arm'", "wifi.wan: not used: the topology one-arm"),
        (WAN + "[network]\nwan = 'enx001122334455'", "wifi.wan: not used: network.wan names a wired port"),
        (WANS + "[network]\nwan = 'wan'\ntopology = 'wifi-wan'", "wifi.wan: not used: network.wan names a wired port"),
        (AP + "[network]\ntopology = 'one-arm'", "wifi.access_point: not used with the topology one-arm"),
        ("[network]\ntopology = 'wifi-wan'\n[wifi]\ncountry = 'SE'\nwan = []", "wifi.wan: needed for the topology"),
        ("[network]\nwan = 'wlan0'", "wifi.wan: needed where network.wan is the radio"),
        (AP + "[network]\nwan = 'radio0'", "wifi.wan: needed where network.wan is the radio"),
        (WAN + "[network]\nwan = 'wlan1'", "network.wan: no other radio than the board's own, radio0"),
    ],
)
def test_a_fault_is_named_by_its_key_and_holds_no_secret(text: str, fault: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse(text)
    assert any(line.startswith(fault) for line in error.value.faults), error.value.faults
    assert "s3cret" not in str(error.value)


# --- names ------------------------------------------------------------------------------------------------------------


def test_radio_has_the_same_name_everywhere() -> None:
    assert f"\nName={radio.RADIO}\n" in (OVERLAY / "etc/systemd/network/20-wlan.link").read_text()
    units = OVERLAY / "usr/lib/systemd/system"
    for unit in ("vpn-gateway-ap.service", "vpn-gateway-wifi-wan.service"):
        assert f"\nBindsTo=sys-subsystem-net-devices-{radio.RADIO}.device\n" in (units / unit).read_text()
    files = {**radio.files(parse(AP)), **radio.files(parse(WAN))}
    assert all(f"interface={radio.RADIO}\n" in text for text in files.values() if "hw_mode" in text)
    for path in [*(OVERLAY / "etc/systemd").rglob("*.*"), *units.glob("*.*"), *(OVERLAY / "usr/lib/udev").rglob("*.*")]:
        code = [line for line in path.read_text().splitlines() if not line.startswith("#")] if path.is_file() else []
        assert "wlan0" not in "\n".join(code), path


def test_udev_rule_matches_the_radio_by_its_driver() -> None:
    """In that udev event its name is still the kernel's, while an earlier rule has already set its driver."""
    (path,) = (OVERLAY / "usr/lib/udev/rules.d").glob("*radio.rules")
    assert path.name > "80-net-setup-link.rules"
    (rule,) = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert 'ENV{ID_NET_DRIVER}=="brcmfmac"' in rule
    assert "KERNEL" not in rule
    assert "Driver=brcmfmac\n" in (OVERLAY / "etc/systemd/network/20-wlan.link").read_text()


# --- the real programs, without a radio -------------------------------------------------------------------------------
# Not every kernel has simulated radios (mac80211_hwsim): hostapd and wpa_supplicant read the very file,
# with their driver "none" on an empty link, and go on to set it up; what they do not understand they name by its line.


def output_of(command: str, wanted: str, log: Path) -> str:
    """The output of ``command`` in a separate network namespace, until it has ``wanted``, or ends, or for 10 s."""
    script = f"ip tuntap add {radio.RADIO} mode tap && ip link add br-lan type bridge && exec " + command
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
    text = text.replace("driver=nl80211", "driver=none").replace("/run/vpn-gateway-ap", str(tmp_path))
    (tmp_path / "hostapd.conf").write_text(text)
    return output_of(f"hostapd {tmp_path}/hostapd.conf", "COUNTRY_UPDATE", tmp_path / "log")


@pytest.mark.kernel
@pytest.mark.parametrize("more", ["", "channel = 13", "band = '5GHz'\nchannel = 36", "band = '5GHz'\nchannel = 48"])
def test_hostapd_accepts_every_file(tmp_path: Path, more: str) -> None:
    for text in radio.hostapd("SE", access_point(more)):
        assert "driver=nl80211\n" in text
        said = hostapd(text, tmp_path)
        assert "COUNTRY_UPDATE" in said
        assert not re.search(r"^Line \d+|errors? found", said, re.MULTILINE), said
    broken = hostapd(text.replace("wpa_key_mgmt=WPA-PSK", "wpa_key_mgmt=WPA-SPK"), tmp_path)
    assert re.search(r"^Line \d+", broken, re.MULTILINE)
    assert "COUNTRY_UPDATE" not in broken


@pytest.mark.kernel
@pytest.mark.parametrize("text", [WAN, WAN + "passphrase = 'correct \" horse # {'\n", WANS])
def test_wpa_supplicant_accepts_its_file(tmp_path: Path, text: str) -> None:
    def wpa_supplicant(text: str) -> str:
        (tmp_path / "wpa.conf").write_text(text.replace("/run/wpa_supplicant", str(tmp_path / "ctrl")))
        command = f"wpa_supplicant -i {radio.RADIO} -D none -c {tmp_path}/wpa.conf"
        return output_of(command, "SCAN-FAILED", tmp_path / "log")

    written = radio.wpa_supplicant(parse(text).wifi)
    said = wpa_supplicant(written)
    assert "SCAN-FAILED" in said  # it wants to look for the network, and has no radio
    assert not re.search(r"^Line \d+|Failed to read", said, re.MULTILINE), said
    assert "Failed to read" in wpa_supplicant(written.replace("network={", "network={\n  key_mgmt=NONSENSE", 1))
