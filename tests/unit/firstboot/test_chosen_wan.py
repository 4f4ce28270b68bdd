"""The WAN chosen on the page: networkd gets the same files as from gateway.toml, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from app.firstboot import before_network, chosen_wan, netd_settings, render
from app.firstboot.configuration import store_config
from app.firstboot.gateway_toml import parse
from app.firstboot.netd_settings import NetdSettings, settings_of
from app.firstboot.paths import Paths
from app.model import LinkSettings
from app.netd.wan_port import WanPort
from app.store import Store
from app.wan_card import WanCard

POINT = "[wifi]\ncountry = 'SE'\n[wifi.access_point]\nssid = 'Hemma'\npassphrase = 'correct horse'\n"


class WanUnit:
    """The unit that runs as root, with netd's file for it and a count of networkd's reloads."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.file = paths.run / "vpn-gateway" / "wan" / "port"
        self.network = paths.run / "systemd" / "network"
        self.file.parent.mkdir(parents=True)
        self.network.mkdir(parents=True)
        self.reloads = 0

    def reload(self) -> None:
        self.reloads += 1

    def choose(self, wan: str | None) -> dict[str, str]:
        WanPort(self.paths.wan_card, self.file).write_choice(LinkSettings(wan=wan))
        return self.run()

    def run(self) -> dict[str, str]:
        chosen_wan.update_networkd(self.paths, self.reload)
        return {path.name: path.read_text() for path in self.network.iterdir()}

    def as_the_card(self, text: str) -> dict[str, str]:
        return render.networkd(parse(text), self.paths.wan_network.read_text())


@pytest.fixture
def unit(paths: Paths) -> WanUnit:
    return WanUnit(paths)


@pytest.mark.parametrize("port", ["usb-1.2", "00:e0:4c:68:01:22", "enx00e04c680122", "usb-modem"])
def test_chosen_wan_gives_the_same_files_as_gateway_toml(unit: WanUnit, port: str) -> None:
    files = unit.choose(port)
    assert files == unit.as_the_card(f"[network]\nwan = '{port}'\n")
    assert "DHCP=ipv4" in files["15-wan.network"]
    assert unit.reloads == 1
    assert (unit.network / "15-wan.network").stat().st_mode & 0o777 == 0o644
    assert unit.choose("wan") == {}  # the port on the board has a file of the image's
    assert unit.choose(port) == files
    assert unit.choose(None) == {}
    assert unit.reloads == 4


def test_access_point_of_gateway_toml_stays(unit: WanUnit) -> None:
    store_config(unit.paths, parse(POINT))
    assert unit.choose("usb-1.1") == unit.as_the_card(POINT + "[network]\nwan = 'usb-1.1'\n")


def test_no_choice_causes_no_reload(unit: WanUnit) -> None:
    assert unit.choose(None) == {}
    assert not unit.file.exists()
    assert unit.reloads == 0


def test_failed_reload_is_repeated(unit: WanUnit, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OSError

    monkeypatch.setattr(unit, "reload", away)
    with pytest.raises(OSError):  # noqa: PT011 - what is raised is ours
        unit.choose("usb-1.2")
    monkeypatch.undo()
    unit.run()
    assert unit.reloads == 1


def test_choice_made_during_a_reload_is_not_missed(unit: WanUnit, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> None:
        unit.reloads += 1
        unit.file.write_text("usb-1.3\n")

    monkeypatch.setattr(unit, "reload", slow)
    assert unit.choose("usb-1.2") == unit.as_the_card("[network]\nwan = 'usb-1.3'\n")
    assert unit.reloads == 2


@pytest.mark.parametrize(
    "text",
    ["eth0\n[Network]\n", "*\n", "!wan\n", "eth0 eth1\n", "../../etc/shadow\n", "a" * 65, "\x00", "wan\r\n", "\n\n"],
)
def test_invalid_choice_is_refused(unit: WanUnit, text: str) -> None:
    unit.file.write_text(text)
    assert unit.run() == {}
    assert unit.reloads == 0


def test_choice_that_is_a_link_is_not_followed(unit: WanUnit, paths: Paths) -> None:
    other = paths.data / "other"
    other.write_text("usb-1.2\n")
    unit.file.symlink_to(other)
    with pytest.raises(OSError):  # noqa: PT011 - ELOOP
        unit.run()
    assert list(unit.network.iterdir()) == []


# --- what the card names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("", None),
        ("[network]\ntopology = 'wired'", None),
        (POINT, None),
        ("[network]\nwan = 'usb-1.2'", "network.wan"),
        ("[network]\nwan = 'wan'", "network.wan"),
        ("[network]\ntopology = 'one-arm'", "network.topology"),
        ("[network]\nwan_vlan = 7", "network.wan_vlan"),
        ("[network.pppoe]\nusername = 'me'\npassword = 'secret'", "network.pppoe"),
        ("[wifi]\ncountry = 'SE'\n[wifi.wan]\nssid = 'Hotel'", "wifi.wan"),
        (
            "[network.wan_address]\naddress = '203.0.113.7/24'\ngateway = '203.0.113.1'\ndns = ['203.0.113.1']",
            "network.wan_address",
        ),
    ],
)
def test_netd_learns_which_key_sets_the_wan(
    unit: WanUnit, monkeypatch: pytest.MonkeyPatch, text: str, by: str | None
) -> None:
    monkeypatch.setattr("socket.sethostname", lambda _: None)
    monkeypatch.setattr("app.firstboot.before_network._start", lambda _: None)
    monkeypatch.setattr("app.firstboot.programs.run", lambda *_, **__: None)
    config = parse(text)
    before_network.apply(unit.paths, config)
    port = WanPort(unit.paths.wan_card, unit.file)
    assert port.fixed_by == by
    if by is None:
        return
    card = unit.paths.wan_card
    assert (card.stat().st_mode & 0o777, card.parent.stat().st_mode & 0o777) == (0o644, 0o755)
    settings = settings_of(config)
    assert msgspec.json.decode(card.read_bytes(), type=WanCard) == WanCard(
        by, settings.wan, settings.lan, settings.carrier
    )
    before = {p.name: p.read_text() for p in unit.network.iterdir()}
    unit.file.write_text("usb-1.7\n")
    assert unit.run() == before
    before_network.apply(unit.paths, parse(""))
    assert WanPort(card, unit.file).fixed_by is None


def links_after(paths: Paths, links: LinkSettings, text: str, last: str) -> LinkSettings:
    import msgspec.structs

    with Store(paths.data) as store:
        store.update_settings(lambda s: msgspec.structs.replace(s, links=links))
    netd_settings.store(paths.data, settings_of(parse(text)), settings_of(parse(last)) if last else NetdSettings())
    with Store(paths.data) as store:
        return store.settings.links


def test_choice_outlives_other_changes_of_gateway_toml(paths: Paths) -> None:
    mine = LinkSettings(wan="usb-1.2")
    assert links_after(paths, mine, "[system]\nhostname = 'attic'", "") == mine
    assert links_after(paths, mine, POINT, "").wan == "usb-1.2"
    assert links_after(paths, mine, "[network]\nwan = 'usb-1.3'", "").wan == "usb-1.3"
    # What the card no longer names is not anybody's choice.
    named = "[network]\nwan = 'usb-1.3'"
    assert links_after(paths, LinkSettings(wan="usb-1.3", lan=("br-lan",)), "", named) == LinkSettings()
