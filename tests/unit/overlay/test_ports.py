"""What the ports of each board are called and whose they are: our .link and .network files against udev's properties.

The properties are those that udev 257 gives the ports of these boards, as far as its rules, the kernel's device trees
and public logs tell; nothing here was read off a board of our own. Whoever has one adds what ``udevadm info`` says.
"""

from __future__ import annotations

import configparser
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

NETWORK = Path(__file__).parents[3] / "overlay/etc/systemd/network"
PI4_USB = "platform-fd500000.pcie-pci-0000:01:00.0-usb-0"
PI5_USB = "platform-xhci-hcd.0-usb-0"
PI3_USB = "platform-3f980000.usb-usb-0"


@dataclass(frozen=True)
class Port:
    """A port as udev sees it before it has its name."""

    driver: str
    path: str = ""  # ID_PATH
    type: str = "ether"  # DEVTYPE, or what the link layer is
    kind: str = ""


def sections(file: Path) -> dict[str, dict[str, str]]:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(file.read_text())
    return {name: dict(parser[name]) for name in parser.sections()}


def matches(match: dict[str, str], facts: dict[str, str]) -> bool:
    """Every key has to match, one of its patterns; "!" before them turns it (systemd.link(5), systemd.network(5))."""
    for key, patterns in match.items():
        assert key in facts, f"a key that this test does not know: {key}"
        turned = patterns.startswith("!")
        hit = facts[key] != "" and any(fnmatchcase(facts[key], p) for p in patterns.removeprefix("!").split())
        if hit == turned:
            return False
    return True


def first(pattern: str, facts: dict[str, str]) -> dict[str, dict[str, str]]:
    files = (sections(file) for file in sorted(NETWORK.glob(pattern)))
    return next((f for f in files if matches(f.get("Match", {}), facts)), {})


def name_of(port: Port) -> str | None:
    """The name of ours; None where the port is called by its place or its address."""
    facts = {"Driver": port.driver, "Path": port.path, "Type": port.type, "Kind": port.kind}
    return first("*.link", facts).get("Link", {}).get("Name")


def network_of(port: Port) -> dict[str, dict[str, str]]:
    name = name_of(port) or "enx001122334455"
    return first("*.network", {"Driver": port.driver, "Type": port.type, "Kind": port.kind, "Name": name})


@pytest.mark.parametrize(
    "port",
    [
        pytest.param(Port("smsc95xx", f"{PI3_USB}:1.1:1.0"), id="3 B"),
        pytest.param(Port("lan78xx", f"{PI3_USB}:1.1.1:1.0"), id="3 B+"),
        pytest.param(Port("bcmgenet", "platform-fd580000.ethernet"), id="4 B, 400, CM4"),
        pytest.param(Port("macb", "platform-1f00100000.ethernet"), id="5"),
        pytest.param(Port("virtio_net", "platform-4010000000.pcie-pci-0000:00:01.0"), id="QEMU"),
    ],
)
def test_the_port_on_the_board_is_the_wan(port: Port) -> None:
    assert name_of(port) == "wan"
    assert network_of(port)["Network"]["DHCP"] == "ipv4"


@pytest.mark.parametrize(
    "port",
    [
        pytest.param(Port("r8152", f"{PI4_USB}:1.2:1.0"), id="r8152 at a Pi 4"),
        pytest.param(Port("ax88179_178a", f"{PI5_USB}:1:1.0"), id="ax88179 at a Pi 5"),
        pytest.param(Port("r8152", f"{PI3_USB}:1.2:1.0"), id="r8152 at a Pi 3 B"),
        pytest.param(Port("ax88179_178a", f"{PI3_USB}:1.3:1.0"), id="ax88179 at a Pi 3 B+"),
        pytest.param(Port("cdc_ncm", f"{PI4_USB}:1.1:2.0"), id="an adapter of the class at a Pi 4"),
        pytest.param(Port("asix", f"{PI3_USB}:1:1.0"), id="asix at a Zero 2 W"),
        pytest.param(Port("r8169", "platform-fd500000.pcie-pci-0000:01:00.0"), id="a second port of a CM4's carrier"),
        pytest.param(Port("virtio_net", "platform-4010000000.pcie-pci-0000:00:02.0"), id="QEMU"),
    ],
)
def test_any_other_wired_port_waits_for_netd(port: Port) -> None:
    assert name_of(port) is None
    network = network_of(port)["Network"]
    assert network["KeepMaster"] == "yes"
    assert "Bridge" not in network
    assert "DHCP" not in network


@pytest.mark.parametrize("driver", ["rndis_host", "ipheth", "cdc_mbim", "qmi_wwan", "huawei_cdc_ncm"])
def test_a_phone_stays_down(driver: str) -> None:
    found = network_of(Port(driver, f"{PI4_USB}:1.1:1.0"))
    assert found["Link"]["ActivationPolicy"] == "down"
    assert "Bridge" not in found["Network"]


def test_the_boards_radio_has_its_name_and_a_stick_its_own() -> None:
    assert name_of(Port("brcmfmac", "platform-fe300000.mmcnr", type="wlan")) == "radio0"
    assert name_of(Port("brcmfmac", "platform-1001100000.mmc", type="wlan")) == "radio0"
    assert name_of(Port("mt76x0u", f"{PI4_USB}:1.1:1.0", type="wlan")) is None


@pytest.mark.parametrize(("kind", "driver"), [("bridge", "bridge"), ("wireguard", ""), ("vlan", "802.1Q VLAN Support")])
def test_what_is_no_port_is_not_taken_for_one(kind: str, driver: str) -> None:
    assert name_of(Port(driver, kind=kind)) is None
    facts = {"Driver": driver, "Type": "ether", "Kind": kind, "Name": {"bridge": "br-lan"}.get(kind, "wg0a")}
    assert "KeepMaster" not in first("*.network", facts).get("Network", {})


def test_a_port_without_an_address_of_its_own_has_the_same_one_at_every_start() -> None:
    for file in NETWORK.glob("*.link"):
        link = sections(file)["Link"]
        if re.search(r"wan|lan", file.name) and "wlan" not in file.name:
            assert link["MACAddressPolicy"] == "persistent", file.name
