"""PPPoE from gateway.toml: its checks, the handling of the password, and pppd's own reading of the options.

No session is opened: that needs a kernel with PPP and a provider.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from app.firstboot import before_network, netd_settings, pppoe, pppoe_session
from app.firstboot.configuration import load_config
from app.firstboot.gateway_toml import parse
from app.firstboot.netd_settings import NetdSettings, settings_of
from app.firstboot.paths import Paths
from app.firstboot.redact import TAKEN
from app.firstboot.uplink import Pppoe
from app.store import Store
from tests.unit.firstboot.cards import STATIC, WIFI_WAN, faults, files, lines

OVERLAY = Path(__file__).parents[3] / "overlay"

PASSWORD = "s3cret's \"word\\n#"
LOGIN = f"[network.pppoe]\nusername = 'me@provider.example'\npassword = '''{PASSWORD}'''\n"
BARE = "[network.pppoe]\nusername = 'me@provider.example'\n"


def no_auth(action: str, text: str) -> None:
    """The command for the password, where it must not be called."""
    raise AssertionError(action)


def pppd(tmp_path: Path, options: str) -> str:
    """The output of the real pppd for an options file, which needs no PPP in the kernel."""
    path = tmp_path / "options"
    path.write_text(options.replace("plugin pppoe.so\n", ""))  # which does need it
    run = subprocess.run(
        ["pppd", "dryrun", "file", str(path)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    return run.stdout + run.stderr


def test_pppd_understands_every_option(tmp_path: Path) -> None:
    options = pppoe.options(Pppoe("me@provider.example", PASSWORD))
    # It has read them all and misses the port, which the plugin would bring.
    assert pppd(tmp_path, options) == "pppd: no device specified and stdin is not a tty\n"
    assert "unrecognized option 'ip-up-scrpt'" in pppd(tmp_path, options.replace("ip-up-script", "ip-up-scrpt"))


@pytest.mark.parametrize("word", [PASSWORD, "plain", " ", "#", "a\\", '"', "'", "$HOME `id`", "åäö", "a#b c"])
def test_pppd_reads_a_quoted_password_unchanged(tmp_path: Path, word: str) -> None:
    *_, last = pppoe.options(Pppoe("me", word)).splitlines()
    quoted = last.removeprefix("password ")
    assert f"unrecognized option '{word}'" in pppd(tmp_path, f"{quoted}\n")  # the word that it names is the one it read


def test_session_is_the_wan_and_its_port_has_no_address(paths: Paths) -> None:
    found = files(paths, LOGIN)
    assert list(found) == ["14-wan-carrier.network"]
    assert lines(found["14-wan-carrier.network"], "Match") == ["Name=wan"]
    network = lines(found["14-wan-carrier.network"], "Network")
    assert {"LinkLocalAddressing=no", "IPv6AcceptRA=no"} < set(network)
    assert not any(line.startswith(("DHCP=", "VLAN=", "Address=")) for line in network)
    assert pppoe.files(parse(LOGIN))[pppoe.PORT] == "wan"


def test_session_on_a_vlan_leaves_port_and_vlan_without_address(paths: Paths) -> None:
    text = "[network]\nwan = 'usb-1.2'\nwan_vlan = 7\n" + LOGIN
    found = files(paths, text)
    assert sorted(found) == [
        "14-wan-carrier.network",
        "14-wan-vlan.netdev",
        "15-wan-vlan.network",
        "16-onboard-lan.network",
    ]
    assert lines(found["14-wan-carrier.network"], "Match") == ["Path=*usb*-0:1.2:*"]
    assert "VLAN=wan-vlan" in lines(found["14-wan-carrier.network"], "Network")
    assert lines(found["15-wan-vlan.network"], "Match") == ["Name=wan-vlan"]
    vlan = lines(found["15-wan-vlan.network"], "Network")
    assert "LinkLocalAddressing=no" in vlan
    assert not any(line.startswith(("DHCP=", "VLAN=", "Address=")) for line in vlan)
    assert pppoe.files(parse(text))[pppoe.PORT] == "wan-vlan"


@pytest.mark.parametrize(("more", "carrier"), [("", "wan"), ("wan_vlan = 7\nwan = 'usb-1.2'\n", "usb-1.2")])
def test_netd_settings_have_the_session_and_its_port(tmp_path: Path, more: str, carrier: str) -> None:
    netd_settings.store(tmp_path, settings_of(parse(f"[network]\n{more}{LOGIN}")), NetdSettings())
    with Store(tmp_path) as store:
        links = store.settings.links
    assert (links.wan, links.lan, links.carrier) == ("wan-ppp", ("br-lan",), carrier)


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        ("", WIFI_WAN, "network.pppoe: not with Wi-Fi"),
        ("topology = 'one-arm'\n", "", "network.pppoe: not with one-arm"),
        ("wan = 'usb-modem'\n", "", "network.pppoe: not with usb-modem"),
        ("", STATIC, "network.wan_address: not with network.pppoe"),
    ],
)
def test_pppoe_with_another_kind_of_wan_is_refused(before: str, after: str, key: str) -> None:
    problems = faults(f"[network]\n{before}{LOGIN}{after}")
    assert len(problems) == 1, problems
    assert problems[0].startswith(key), problems


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[network.pppoe]\npassword = 'x'\n", "network.pppoe.username"),
        (LOGIN.replace("me@provider.example", ""), "network.pppoe.username"),
        (LOGIN.replace("me@provider.example", "m" * 256), "network.pppoe.username"),
        (BARE + 'password = "one\\ntwo"\n', "network.pppoe.password"),
        (BARE + "password = ''\n", "network.pppoe.password"),
        (BARE + "password = 7\n", "network.pppoe.password"),
        (BARE + "pasword = 'x'\n", "network.pppoe"),
    ],
)
def test_invalid_login_names_its_key(text: str, key: str) -> None:
    problems = faults(text)
    assert len(problems) == 1
    assert problems[0].startswith(f"{key}: "), problems
    assert "one" not in problems[0].removesuffix("on one line")


def test_password_is_moved_to_the_data_partition(paths: Paths) -> None:
    (paths.fat / "gateway.toml").write_text(LOGIN)
    config, problems = load_config(paths, no_auth)
    assert problems == []
    left = (paths.fat / "gateway.toml").read_text()
    assert "s3cret" not in left
    assert left == f'{BARE}# password = "{TAKEN}"\n'
    assert paths.stored.stat().st_mode & 0o777 == 0o600
    again, problems = load_config(paths, no_auth)  # the next start reads the file without it
    assert (again, problems) == (config, [])
    assert again.network.pppoe == Pppoe("me@provider.example", PASSWORD)
    # What goes on to netd, as a program's argument, has no secret.
    assert "s3cret" not in str(settings_of(again))


def test_changed_username_needs_a_password(paths: Paths) -> None:
    (paths.fat / "gateway.toml").write_text(LOGIN)
    before, _ = load_config(paths, no_auth)
    (paths.fat / "gateway.toml").write_text(BARE.replace("me@", "you@"))
    config, problems = load_config(paths, no_auth)
    assert config == before
    assert len(problems) == 1
    assert problems[0].startswith("gateway.toml: network.pppoe.password: needed")


def test_password_is_in_no_argument(paths: Paths) -> None:
    config = parse(LOGIN)
    files = pppoe.files(config)
    assert [name for name, text in files.items() if "s3cret" in text] == [pppoe.OPTIONS]
    words = pppoe_session.command("wan", paths.run)
    assert words == ["/usr/sbin/pppd", "file", str(paths.run / pppoe.OPTIONS), "nic-wan"]
    unit = (OVERLAY / "usr/lib/systemd/system/vpn-gateway-pppoe.service").read_text().splitlines()
    assert {f"ConditionPathExists=/run/{pppoe.OPTIONS}", "LimitCORE=0"} < set(unit)
    assert (OVERLAY / pppoe.SESSION_UP.lstrip("/")).stat().st_mode & 0o111


def test_session_files_are_readable_by_root_only(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    monkeypatch.setattr(before_network, "_start", started.append)
    before_network._set_up_pppoe(paths, parse(BARE.replace("[network.pppoe]", "").replace("username", "#")))
    assert (started, list(paths.run.iterdir())) == ([], [])
    before_network._set_up_pppoe(paths, parse(LOGIN))
    assert started == ["vpn-gateway-pppoe.service"]
    for name in (pppoe.OPTIONS, pppoe.PORT):
        assert (paths.run / name).stat().st_mode & 0o777 == 0o600
        assert (paths.run / name).parent.stat().st_mode & 0o777 == 0o700


def test_session_port_is_found_by_name_address_or_place(tmp_path: Path) -> None:
    net = tmp_path / "net"
    for name, mac, device in (
        ("br-lan", "00:e0:4c:68:01:22", None),  # a bridge has the address of one of its ports
        ("enx1", "00:e0:4c:68:01:22", "a.usb/usb1/1-1/1-1.2/1-1.2:1.0"),
        ("enx2", "00:e0:4c:68:01:23", "b.usb/usb3/3-1/3-1.2/3-1.2:1.0"),
        ("enx3", "00:e0:4c:68:01:24", "b.usb/usb3/3-1/3-1.4/3-1.4:1.0"),
        ("wan", "dc:a6:32:00:00:01", "dc.ethernet"),
        ("wan-vlan", "dc:a6:32:00:00:01", None),
    ):
        (net / name).mkdir(parents=True)
        (net / name / "address").write_text(f"{mac}\n")
        if device is not None:
            (tmp_path / "devices" / device).mkdir(parents=True)
            (net / name / "device").symlink_to(tmp_path / "devices" / device)
    (net / "bonding_masters").write_text("")  # a file among the interfaces
    assert pppoe_session.find_interface("wan", net) == "wan"
    assert pppoe_session.find_interface("wan-vlan", net) == "wan-vlan"
    assert pppoe_session.find_interface("00-E0-4C-68-01-22", net) == "enx1"
    assert pppoe_session.find_interface("dc:a6:32:00:00:01", net) == "wan"
    assert pppoe_session.find_interface("usb-1.2@a.usb", net) == "enx1"
    assert pppoe_session.find_interface("usb-1.2@b.usb", net) == "enx2"
    assert pppoe_session.find_interface("usb-1.4", net) == "enx3"
    assert pppoe_session.find_interface("usb-1.2", net) is None  # two controllers have such a port
    assert pppoe_session.find_interface("usb-1.3", net) is None
    assert pppoe_session.find_interface("eth0", net) is None


def test_session_name_servers_are_passed_to_resolved(tmp_path: Path) -> None:
    script = OVERLAY / pppoe.SESSION_UP.lstrip("/")
    resolvectl = tmp_path / "resolvectl"
    resolvectl.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/arguments\n')
    resolvectl.chmod(0o755)
    for servers in ({"DNS1": "192.0.2.1", "DNS2": "192.0.2.2"}, {"DNS1": "192.0.2.1"}, {}):
        path = f"{tmp_path}:/usr/bin:/bin"
        arguments = ["wan-ppp", "", "0", "100.64.3.9", "100.64.0.1"]
        subprocess.run([str(script), *arguments], env={"PATH": path, **servers}, check=True, timeout=20)
    assert (tmp_path / "arguments").read_text() == "dns wan-ppp 192.0.2.1 192.0.2.2\ndns wan-ppp 192.0.2.1\n"
