"""The choice of the WAN: refused ports, the stored choice, its reversal, and the precedence of gateway.toml."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, GatewayError, InvalidFieldError, KernelError
from app.model import Links, LinkSettings, NetworkPort, Settings
from app.netd.events import EventBus
from app.netd.wan_port import WanChooser, WanPort, resolve_wan_port
from app.network.roles import BRIDGE, roles
from app.store import Store

ONE = NetworkPort("enx1", driver="r8152", mac="00:e0:4c:00:00:01", usb="usb-1.1@a.usb")
TWO = NetworkPort("enx2", driver="ax88179_178a", mac="00:e0:4c:00:00:02", usb="usb-1.2@a.usb")
ELSEWHERE = NetworkPort("enx4", driver="r8152", mac="00:e0:4c:00:00:04", usb="usb-1.1@b.usb")
SAME = NetworkPort("enx3", driver="r8152", mac="00:e0:4c:00:00:01", usb="usb-1.3@a.usb")
PHONE = NetworkPort("usb0", driver="rndis_host", mac="02:00:00:00:00:03", usb="usb-1.4@a.usb")
RADIO = NetworkPort("radio0", driver="brcmfmac", radio=True)
POINT = replace(RADIO, role="lan")  # an access point's


@dataclass
class Fakes:
    """A fake network controller with real store, events, and observation of ports."""

    store: Store
    wan_port: WanPort
    ports: tuple[NetworkPort, ...] = (ONE, TWO)
    events: EventBus = field(default_factory=EventBus)
    failing: bool = False
    seen: list[LinkSettings] = field(default_factory=list[LinkSettings])

    @property
    def settings(self) -> Settings:
        return self.store.settings

    @property
    def links(self) -> Links:
        found = roles(self.settings.links, self.ports, others=[BRIDGE])
        return Links(None, (), found.bridge, found.ports, found.problem)

    async def choose(self, text: str | None) -> None:
        chooser = WanChooser(wan_port=self.wan_port, network=self, store=self.store, publish=self.events.publish)
        await chooser.choose(text)

    async def relink(self) -> None:
        self.seen.append(self.settings.links)
        if self.failing:
            raise KernelError("the kernel refused")


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    with Store(tmp_path / "state") as store:
        yield Fakes(store, WanPort(tmp_path / "card", tmp_path / "wan" / "port"))


def written_choice(tmp_path: Path) -> str | None:
    path = tmp_path / "wan" / "port"
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("enx1", "enx1"),
        ("usb-1.2", "usb-1.2@a.usb"),
        ("usb-1.2@a.usb", "usb-1.2@a.usb"),
        ("00-E0-4C-00-00-02", "00:e0:4c:00:00:02"),
        ("usb-modem", "usb-modem"),
    ],
)
def test_port_names_are_those_of_gateway_toml(text: str, kept: str) -> None:
    assert resolve_wan_port(text, (ONE, TWO, PHONE), None) == kept


@pytest.mark.parametrize(
    ("text", "ports", "reason"),
    [
        ("eth0 eth1", (ONE, TWO), "its MAC address"),
        ("", (ONE, TWO), "its MAC address"),
        ("enx7", (ONE, TWO), "enx7 is not there. The ports: enx1"),
        ("usb-1.7", (), "The ports: none"),
        ("usb-modem", (ONE, TWO), "not there"),
        ("br-lan", (ONE, TWO), "not there"),
        ("00:e0:4c:00:00:01", (ONE, TWO, SAME), "more than one port: name its whole place"),
        ("usb-1.1", (ONE, TWO, ELSEWHERE), r"more than one port: .* usb-1\.1@a\.usb, .* usb-1\.1@b\.usb"),
        ("usb-1.1@c.usb", (ONE, TWO, ELSEWHERE), "not there"),
        ("radio0", (ONE, TWO, POINT), "radio0 is a radio"),
        ("radio0", (ONE, TWO, RADIO), "radio0 is a radio"),
    ],
)
def test_port_that_cannot_be_wan_is_refused_with_field(text: str, ports: tuple[NetworkPort, ...], reason: str) -> None:
    with pytest.raises(InvalidFieldError, match=reason) as error:
        resolve_wan_port(text, ports, None)
    assert error.value.field == "port"


@pytest.mark.parametrize("ports", [(ONE,), (ONE, RADIO), (ONE, PHONE)])
def test_only_port_is_refused_as_wan(ports: tuple[NetworkPort, ...]) -> None:
    with pytest.raises(ConflictError) as error:
        resolve_wan_port("enx1", ports, None)
    assert (error.value.code, error.value.field) == ("only_port", "port")
    assert resolve_wan_port("enx1", (*ports, POINT), None) == "enx1"  # with an access point it is all there needs to be
    assert resolve_wan_port("enx1", (*ports, TWO), None) == "enx1"


@pytest.mark.parametrize("lan", ["enx1", "usb-1.1", "usb-1.1@a.usb"])
def test_lan_port_is_refused_as_wan(lan: str) -> None:
    with pytest.raises(ConflictError) as error:
        resolve_wan_port("enx1", (ONE, TWO), (lan,))
    assert error.value.code == "lan_port"


async def test_chosen_wan_is_stored_written_and_revertible(fakes: Fakes, tmp_path: Path) -> None:
    fakes.store.update_settings(lambda s: replace(s, links=LinkSettings(lan=(BRIDGE,))))
    await fakes.choose("usb-1.2")
    assert fakes.seen == [LinkSettings(wan="usb-1.2@a.usb", lan=(BRIDGE,))]
    assert written_choice(tmp_path) == "usb-1.2@a.usb\n"
    assert {p.name: p.role for p in fakes.links.ports} == {"enx1": "lan", "enx2": "wan"}
    fakes.store.close()
    with Store(tmp_path / "state") as again:
        assert again.settings.links == fakes.seen[0]
        fakes.store = again
        await fakes.choose(None)
    assert fakes.seen[1:] == [LinkSettings(lan=(BRIDGE,))]
    assert written_choice(tmp_path) == "\n"
    assert fakes.links.problem is not None
    assert fakes.links.bridge is not None
    assert fakes.links.bridge.ports == ()


async def test_repeated_choice_changes_nothing(fakes: Fakes) -> None:
    await fakes.choose("usb-1.2")
    seq = fakes.events.seq
    await fakes.choose("usb-1.2")
    assert (len(fakes.seen), fakes.events.seq) == (1, seq)


async def test_refused_choice_changes_nothing(fakes: Fakes, tmp_path: Path) -> None:
    seq = fakes.events.seq
    for text in ("enx7", "radio0", "a b"):
        with pytest.raises(GatewayError):
            await fakes.choose(text)
    assert (fakes.settings.links, fakes.seen, written_choice(tmp_path), fakes.events.seq) == (
        LinkSettings(),
        [],
        None,
        seq,
    )


async def test_choice_refused_by_kernel_is_reverted(fakes: Fakes, tmp_path: Path) -> None:
    fakes.failing, seq = True, fakes.events.seq
    with pytest.raises(KernelError):
        await fakes.choose("enx1")
    assert fakes.settings.links == LinkSettings()
    assert fakes.seen == [LinkSettings(wan="enx1"), LinkSettings()]
    assert (written_choice(tmp_path), fakes.events.seq) == (None, seq)


async def test_chosen_wan_replaces_a_restored_vlan(fakes: Fakes) -> None:
    fakes.store.update_settings(lambda s: replace(s, links=LinkSettings("wan-vlan", (BRIDGE,), "usb-1.9")))
    await fakes.choose("usb-1.2")
    assert fakes.settings.links == LinkSettings("usb-1.2@a.usb", (BRIDGE,))


# --- gateway.toml ----------------------------------------------------------------------------------------------------


async def test_wan_of_gateway_toml_takes_precedence(fakes: Fakes, tmp_path: Path) -> None:
    card = {"by": "network.wan", "wan": "usb-1.1", "lan": [BRIDGE], "carrier": None}
    (tmp_path / "card").write_text(json.dumps(card))
    fakes.wan_port = WanPort(tmp_path / "card", tmp_path / "wan" / "port")
    for text in ("usb-1.2", None):
        with pytest.raises(ConflictError, match=r"gateway\.toml names the WAN, with network\.wan") as error:
            await fakes.choose(text)
        assert (error.value.code, error.value.field) == ("wan_fixed", "port")
    # A restored backup has another one.
    restored = Settings(links=LinkSettings(wan="usb-1.2"))
    settled = fakes.wan_port.with_card_ports(restored)
    assert settled.links == LinkSettings(wan="usb-1.1", lan=(BRIDGE,))
    fakes.wan_port.write_choice(settled.links)
    assert written_choice(tmp_path) is None  # networkd's files are the card's
    assert fakes.wan_port.choice(settled.links).fixed_by == "network.wan"


def test_restored_wan_holds_without_gateway_toml(fakes: Fakes, tmp_path: Path) -> None:
    restored = Settings(links=LinkSettings(wan="usb-1.2"))
    assert fakes.wan_port.with_card_ports(restored) == restored
    fakes.wan_port.write_choice(restored.links)
    assert written_choice(tmp_path) == "usb-1.2\n"
    fakes.wan_port.write_choice(LinkSettings("wan-vlan", None, "usb-1.1"))  # nothing here makes a VLAN
    assert written_choice(tmp_path) == "\n"


@pytest.mark.parametrize("text", ["", "{}", "[]", "\x00"])
def test_unreadable_card_counts_as_absent(tmp_path: Path, text: str) -> None:
    (tmp_path / "card").write_text(text)
    assert WanPort(tmp_path / "card", tmp_path / "written_choice").fixed_by is None
