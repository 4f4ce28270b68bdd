"""The WAN chosen on the page: networkd's files are those that gateway.toml would have made, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from app.firstboot import before_network, chosen_wan, netd_settings, render
from app.firstboot.configuration import store_config
from app.firstboot.gateway_toml import parse
from app.firstboot.netd_settings import NetdSettings, wanted
from app.firstboot.paths import Paths
from app.model import LinkSettings
from app.netd.wan_port import WanPort
from app.store import Store
from app.wan_card import WanCard

POINT = "[wifi]\ncountry = 'SE'\n[wifi.access_point]\nssid = 'Hemma'\npassphrase = 'correct horse'\n"


class Keeper:
    """The unit of root's, with netd's own writing and a networkd that counts how often it is to read its files."""

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
        chosen_wan.follow(self.paths, self.reload)
        return {path.name: path.read_text() for path in self.network.iterdir()}

    def as_the_card(self, text: str) -> dict[str, str]:
        return render.networkd(parse(text), self.paths.wan_network.read_text())


@pytest.fixture
def keeper(paths: Paths) -> Keeper:
    return Keeper(paths)


@pytest.mark.parametrize("port", ["usb-1.2", "00:e0:4c:68:01:22", "enx00e04c680122", "usb-modem"])
def test_the_files_are_those_that_gateway_toml_would_have_made(keeper: Keeper, port: str) -> None:
    files = keeper.choose(port)
    assert files == keeper.as_the_card(f"[network]\nwan = '{port}'\n")
    assert "DHCP=ipv4" in files["15-wan.network"]
    assert keeper.reloads == 1
    assert (keeper.network / "15-wan.network").stat().st_mode & 0o777 == 0o644
    assert keeper.choose("wan") == {}  # the port on the board has a file of the image's
    assert keeper.choose(port) == files
    assert keeper.choose(None) == {}
    assert keeper.reloads == 4


def test_the_access_point_of_the_card_stays(keeper: Keeper) -> None:
    store_config(keeper.paths, parse(POINT))
    assert keeper.choose("usb-1.1") == keeper.as_the_card(POINT + "[network]\nwan = 'usb-1.1'\n")


def test_without_a_choice_nothing_is_read_anew(keeper: Keeper) -> None:
    assert keeper.choose(None) == {}
    assert not keeper.file.exists()
    assert keeper.reloads == 0


def test_a_reload_that_failed_is_made_up_for(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OSError

    monkeypatch.setattr(keeper, "reload", away)
    with pytest.raises(OSError):  # noqa: PT011 - what is raised is ours
        keeper.choose("usb-1.2")
    monkeypatch.undo()
    keeper.run()
    assert keeper.reloads == 1


def test_a_choice_made_meanwhile_is_not_missed(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow() -> None:
        keeper.reloads += 1
        keeper.file.write_text("usb-1.3\n")

    monkeypatch.setattr(keeper, "reload", slow)
    assert keeper.choose("usb-1.2") == keeper.as_the_card("[network]\nwan = 'usb-1.3'\n")
    assert keeper.reloads == 2


@pytest.mark.parametrize(
    "text",
    ["eth0\n[Network]\n", "*\n", "!wan\n", "eth0 eth1\n", "../../etc/shadow\n", "a" * 65, "\x00", "wan\r\n", "\n\n"],
)
def test_what_is_no_port_is_refused(keeper: Keeper, text: str) -> None:
    keeper.file.write_text(text)
    assert keeper.run() == {}
    assert keeper.reloads == 0


def test_a_link_to_another_file_is_not_followed(keeper: Keeper, paths: Paths) -> None:
    other = paths.data / "other"
    other.write_text("usb-1.2\n")
    keeper.file.symlink_to(other)
    with pytest.raises(OSError):  # noqa: PT011 - ELOOP
        keeper.run()
    assert list(keeper.network.iterdir()) == []


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
def test_netd_knows_which_key_names_the_wan(
    keeper: Keeper, monkeypatch: pytest.MonkeyPatch, text: str, by: str | None
) -> None:
    monkeypatch.setattr("socket.sethostname", lambda _: None)
    monkeypatch.setattr("app.firstboot.before_network._start", lambda _: None)
    monkeypatch.setattr("app.firstboot.programs.run", lambda *_, **__: None)
    config = parse(text)
    before_network.apply(keeper.paths, config)
    port = WanPort(keeper.paths.wan_card, keeper.file)
    assert port.fixed_by == by
    if by is None:
        return
    card = keeper.paths.wan_card
    assert (card.stat().st_mode & 0o777, card.parent.stat().st_mode & 0o777) == (0o644, 0o755)
    told = wanted(config)
    assert msgspec.json.decode(card.read_bytes(), type=WanCard) == WanCard(by, told.wan, told.lan, told.carrier)
    before = {p.name: p.read_text() for p in keeper.network.iterdir()}
    keeper.file.write_text("usb-1.7\n")
    assert keeper.run() == before
    before_network.apply(keeper.paths, parse(""))
    assert WanPort(card, keeper.file).fixed_by is None


def links_after(paths: Paths, links: LinkSettings, text: str, last: str) -> LinkSettings:
    import msgspec.structs

    with Store(paths.data) as store:
        store.update_settings(lambda s: msgspec.structs.replace(s, links=links))
    netd_settings.store(paths.data, wanted(parse(text)), wanted(parse(last)) if last else NetdSettings())
    with Store(paths.data) as store:
        return store.settings.links


def test_a_choice_outlives_what_else_is_changed_on_the_card(paths: Paths) -> None:
    mine = LinkSettings(wan="usb-1.2")
    assert links_after(paths, mine, "[system]\nhostname = 'attic'", "") == mine
    assert links_after(paths, mine, POINT, "").wan == "usb-1.2"
    assert links_after(paths, mine, "[network]\nwan = 'usb-1.3'", "").wan == "usb-1.3"
    # What the card no longer names is not anybody's choice.
    named = "[network]\nwan = 'usb-1.3'"
    assert links_after(paths, LinkSettings(wan="usb-1.3", lan=("br-lan",)), "", named) == LinkSettings()
