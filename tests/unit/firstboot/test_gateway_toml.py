"""gateway.toml: valid and invalid files, the faults, and that no secret stays on the FAT partition."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from app.firstboot import before_network, radio, render
from app.firstboot.before_network import remove_leftovers
from app.firstboot.configuration import load_config
from app.firstboot.fat import REPORT
from app.firstboot.gateway_toml import ConfigError, decode, parse
from app.firstboot.paths import Paths, write
from app.firstboot.report import write_report
from app.firstboot.schema import Config

NETD_UNIT = Path(__file__).parents[3] / "overlay/usr/lib/systemd/system/vpn-gateway-netd.service"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKm3y9m8z2xq0oQ1vI8e4mQ2Z1q6m9oJm0N7aB3cD4eF me@laptop"
WIFI = """
[wifi]
country = "SE"
[wifi.access_point]
ssid = "Hemma"
passphrase = "correct horse"  # keep me secret
"""


def no_auth(action: str, text: str) -> None:
    """The command for the password, where it must not be called."""
    raise AssertionError(action)


def take(paths: Paths) -> tuple[Config, list[str]]:
    return load_config(paths, no_auth)


def test_example_is_valid_and_sets_nothing() -> None:
    example = Path(__file__).parents[3] / "image/boot/gateway.example.toml"
    assert parse(example.read_text()) == Config()


def test_uncommented_lines_of_the_example_are_valid() -> None:
    example = (Path(__file__).parents[3] / "image/boot/gateway.example.toml").read_text()
    text = re.sub(r"^#(?=\S)", "", example, flags=re.MULTILINE)  # "# " begins a comment, "#" a line to be used
    # One radio cannot do both: each of the two on its own, and as the WAN without another WAN and what that one needs.
    point, wan = text.index("[wifi.access_point]"), text.index("[[wifi.wan]]")
    end, kinds, wifi = text.index("[vpn]"), text.index("# What your provider"), text.index("[wifi]")
    parse(re.sub(r"(?m)^wan = .*\n", "", text[:kinds]) + text[wifi:point] + text[wan:end] + text[end:])
    # A fixed address and a session cannot both be; each of the two on its own.
    session, fixed = text.index("[network.pppoe]"), text.index("# Or a fixed address")
    parse(text[:session] + text[fixed:wan] + text[end:])
    parse(text[:fixed] + text[wifi:wan] + text[end:])


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[system]\nhostname = 'My Gateway'", "system.hostname"),
        ("[system]\nhostname = 7", "system.hostname"),
        ("[system]\nhostnam = 'x'", "hostnam"),
        ("[system]\nssh_key = 'hunter2'", "system.ssh_key"),
        (f"[system]\nssh_key = '''{KEY}\n{KEY}'''", "system.ssh_key"),
        ("[system]\nntp = 7", "system.ntp"),
        ("[system]\nntp = '192.0.2.1, 192.0.2.2'", "system.ntp"),
        ("[system]\nntp = ['300.1.2.3']", "system.ntp: '300.1.2.3' is neither"),
        ("[system]\nntp = ['192.0.2.1:123']", "system.ntp: '192.0.2.1:123' is neither"),
        ("[system]\nntp = ['pool.ntp.org; reboot']", "system.ntp"),
        ("[system]\nntp = ['']", "system.ntp"),
        ("[system]\nntp = ['pool.ntp.org', '127.0.0.1']", "system.ntp: '127.0.0.1' is not the address of a server"),
        ("[system]\nntp = ['224.0.1.1']", "system.ntp: '224.0.1.1' is not the address of a server"),
        ("[system]\nntp = ['255.255.255.255']", "system.ntp: '255.255.255.255' is not the address of a server"),
        (f"[system]\nntp = {['192.0.2.1'] * 9}", "system.ntp: at most 8"),
        ("[network]\ntopology = 'mesh'", "network.topology"),
        ("[network]\nwan = 'eth0; reboot'", "network.wan"),
        ("[wifi]\ncountry = 'Sweden'", "wifi.country"),
        ("[wifi.access_point]\nssid='a'\npassphrase='12345678'", "wifi.country"),
        (WIFI.replace("correct horse", "short"), "wifi.access_point.passphrase"),
        (WIFI.replace("correct horse", "12345678\\nwpa=0"), "wifi.access_point.passphrase"),
        (WIFI.replace("Hemma", "a\\nb"), "wifi.access_point.ssid"),
        (WIFI + "channel = 14", "wifi.access_point.channel"),
        (WIFI + "[wifi.wan]\nssid='x'", "one radio"),
        ("[network]\ntopology = 'wifi-wan'", "wifi.wan"),
        ("[vpn\n", "not TOML"),
        ("[system]\nadmin_password = 'short'", "system.admin_password"),
        ('[system]\nadmin_password = "two\\nlines of text"', "system.admin_password"),
        ("[network]\nlan_address = '8.8.8.8/24'", "network.lan_address"),
        ("[network]\nlan_address = '192.168.1.0/24'", "network.lan_address"),
        ("[network]\nlan_address = '192.168.1.1'", "network.lan_address"),
        ("[network]\nlan_address = 'router'", "network.lan_address"),
        ("[vpn.account]\naccount_number = '1234'", "vpn.provider"),
        ("[vpn]\nprovider='mullvad'\n[vpn.account]\naccount_number = 1234", "vpn.account"),
        ("[vpn]\nprovider='mullvad'\n[vpn.account]\naccount_number = ' '", "vpn.account.account_number"),
        ("a = " + "[" * 5000, "not TOML"),
    ],
)
def test_fault_names_its_key(text: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named.replace(".", r"\.").replace("[", r"\[")):
        parse(text)


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        parse("[system]\nhostname='-'\nssh_key='x'\n[wifi]\ncountry='x'")
    assert len(error.value.faults) == 3


def test_time_servers_are_written_for_netd() -> None:
    config = parse('[system]\nntp = ["192.0.2.1", "2001:db8::123", "pool.ntp.org", "router"]')
    assert render.time_servers(config).split() == ["192.0.2.1", "2001:db8::123", "pool.ntp.org", "router"]
    assert render.time_servers(parse('[system]\nntp = "192.0.2.1"')) == "192.0.2.1\n"
    assert render.time_servers(Config()) == ""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_file_from_windows_is_read(encoding: str) -> None:
    assert parse(decode("[system]\r\nhostname = 'gw'\r\n".encode(encoding)).text).system.hostname == "gw"


def test_secrets_are_moved_to_the_data_partition(paths: Paths) -> None:
    (paths.fat / "Gateway.toml").write_text(WIFI)
    config, faults = take(paths)
    assert not faults
    assert config.wifi.access_point is not None
    assert config.wifi.access_point.passphrase == "correct horse"
    left = b"".join(p.read_bytes() for p in paths.fat.iterdir())
    assert b"correct" not in left
    assert b'ssid = "Hemma"' in left
    assert paths.stored.stat().st_mode & 0o777 == 0o600
    # The next start reads the file without its secret, and still has it.
    again, faults = take(paths)
    assert not faults
    assert again == config


def test_changed_network_name_needs_its_own_passphrase(paths: Paths) -> None:
    (paths.fat / "gateway.toml").write_text(WIFI)
    take(paths)
    (paths.fat / "gateway.toml").write_text(WIFI.replace("Hemma", "Borta").replace("passphrase", "#"))
    config, faults = take(paths)
    assert faults == ["gateway.toml: wifi.access_point.passphrase: needed: the LAN is never open"]
    assert config.wifi.access_point is not None
    assert config.wifi.access_point.ssid == "Hemma"


def test_invalid_file_changes_nothing_and_is_reported(paths: Paths) -> None:
    (paths.fat / "gateway.toml").write_text("[system]\nhostname = 'good'")
    take(paths)
    (paths.fat / "gateway.toml").write_text("[system]\nhostname = 'BAD ONE'")
    config, faults = take(paths)
    assert config.system.hostname == "good"
    write_report(paths, faults)
    assert "system.hostname" in (paths.fat / REPORT).read_text()
    (paths.fat / "gateway.toml").write_text("[system]\nhostname = 'better'")
    config, faults = take(paths)
    write_report(paths, faults)
    assert config.system.hostname == "better"
    assert not (paths.fat / REPORT).exists()


def test_missing_file_gives_the_defaults(paths: Paths) -> None:
    assert take(paths) == (Config(), [])
    assert list(paths.fat.iterdir()) == []


def test_huge_file_is_refused(paths: Paths) -> None:
    (paths.fat / "gateway.toml").write_bytes(b"#" * 1_000_000)
    assert "larger than" in take(paths)[1][0]


def test_wifi_as_wan_moves_the_onboard_port_to_the_lan(paths: Paths) -> None:
    config = parse("[wifi]\ncountry='SE'\n[wifi.wan]\nssid='Hotel'")
    files = render.networkd(config, paths.wan_network.read_text())
    assert "Name=radio0" in files["15-wan.network"]
    assert "UseRoutes=no" in files["15-wan.network"]
    assert "KeepMaster=yes" in files["16-onboard-lan.network"]  # netd puts it into the bridge
    assert "Bridge=" not in files["16-onboard-lan.network"]
    assert render.networkd(Config(), paths.wan_network.read_text()) == {}


def test_ssid_cannot_add_lines_to_hostapds_file(paths: Paths) -> None:
    config = parse(WIFI.replace('"Hemma"', "'x\" y#=åäö'"))
    assert config.wifi.access_point is not None
    (text,) = radio.hostapd("SE", config.wifi.access_point)
    assert config.wifi.access_point.ssid == 'x" y#=åäö'
    assert f"ssid2={config.wifi.access_point.ssid.encode().hex()}\n" in text


def test_time_servers_file_is_readable_by_netd(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.sethostname", lambda _: None)
    before_network.apply(paths, parse("[system]\nntp = ['192.0.2.1']"))
    path = Path(re.search(r"--time-servers (\S+)", NETD_UNIT.read_text())[1])  # type: ignore[index]
    servers = paths.run / path.relative_to("/run")
    assert servers.read_text() == "192.0.2.1\n"
    assert servers.stat().st_mode & 0o777 == 0o644
    assert servers.parent.stat().st_mode & 0o777 == 0o755


def test_stored_configuration_is_synced_with_its_directory(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the folder's own sync a power cut may bring the old file back, though its secrets have left the card."""
    steps: list[str] = []
    really = os.fsync

    def fsync(descriptor: int) -> None:
        held = paths.stored.exists() and paths.stored.read_bytes() == b"new"
        synced = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        steps.append("folder" if synced == paths.stored.parent and held else "file")
        really(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write(paths.stored, b"new", 0o600)
    assert steps == ["file", "folder"]


def test_leftovers_of_interrupted_writes_are_removed(paths: Paths) -> None:
    write(paths.stored, b"{}", 0o600)
    remove_leftovers(paths)  # there need not be a folder for SSH
    (paths.stored.parent / ".new-1234").write_text("passphrase")
    remove_leftovers(paths)
    assert [p.name for p in paths.stored.parent.iterdir()] == [paths.stored.name]
