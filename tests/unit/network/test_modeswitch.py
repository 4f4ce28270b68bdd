"""The detection of USB devices that are a disk to be switched, by udev's rules and their present interfaces."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.network.modeswitch import disks, switched

OVERLAY = Path(__file__).parents[3] / "overlay"
# As usb-modeswitch-data has it.
RULES = """
# ATTR{idVendor}=="dead", ATTR{idProduct}=="beef", RUN+="usb_modeswitch '/%k'"
SUBSYSTEM!="usb", ACTION!="add",, GOTO="modeswitch_rules_end"
ATTRS{idVendor}=="12d1", ATTRS{manufacturer}!="Android", ATTR{bInterfaceClass}=="08", RUN+="usb_modeswitch '%b/%k'"
ATTR{idVendor}=="05c6", ATTR{idProduct}=="1000", RUN+="usb_modeswitch '/%k'"
"""


class Bus:
    """``/sys/bus/usb/devices``: links to devices that lie below their hubs."""

    def __init__(self, root: Path) -> None:
        self.devices = root / "devices"
        self.devices.mkdir()
        self.hub = root / "a.usb" / "usb1" / "1-1"
        self.hub.mkdir(parents=True)
        rules = root / "rules.d"
        rules.mkdir()
        (rules / "40-usb_modeswitch.rules").write_text(RULES)
        self.rules = (rules, OVERLAY / "usr/lib/udev/rules.d", root / "absent")

    def plug(self, port: int, device: str, *classes: str) -> Path:
        name = f"1-1.{port}"
        there = self.hub / name
        for number, kind in enumerate(classes):
            interface = there / f"{name}:1.{number}"
            interface.mkdir(parents=True)
            (interface / "bInterfaceClass").write_text(f"{kind}\n")
            (self.devices / interface.name).symlink_to(interface)
        there.mkdir(exist_ok=True)
        for file, text in zip(("idVendor", "idProduct"), device.split(":"), strict=True):
            (there / file).write_text(f"{text}\n")
        (self.devices / name).symlink_to(there)
        return there

    async def disks(self) -> tuple[str, ...]:
        return await disks(self.devices, self.rules)


@pytest.fixture
def bus(tmp_path: Path) -> Bus:
    return Bus(tmp_path)


@pytest.mark.parametrize("device", ["0bda:8151", "05c6:1000", "12d1:1f01"])
async def test_adapter_that_starts_as_a_disk_is_listed(bus: Bus, device: str) -> None:
    bus.plug(2, device, "08")
    assert await bus.disks() == (f"{device} at usb-1.2@a.usb",)


@pytest.mark.parametrize(
    ("device", "classes"),
    [
        ("0bda:8153", ("ff",)),  # switched
        ("12d1:14dc", ("02", "0a", "08")),  # switched, with a slot for a card
        ("05c6:1000", ()),  # not configured, or just going
        ("0781:5583", ("08",)),  # a disk and nothing else ever
        ("dead:beef", ("08",)),
    ],
)
async def test_ports_and_plain_disks_are_not_listed(bus: Bus, device: str, classes: tuple[str, ...]) -> None:
    bus.plug(2, device, *classes)
    assert await bus.disks() == ()


async def test_adapter_pulled_out_during_reading_hides_no_other(bus: Bus) -> None:
    (bus.plug(2, "0bda:8151", "08") / "idProduct").unlink()
    bus.plug(3, "0bda:8151", "08")
    assert await bus.disks() == ("0bda:8151 at usb-1.3@a.usb",)


async def test_machine_without_usb_has_no_disks(tmp_path: Path) -> None:
    assert await disks(tmp_path / "absent", (tmp_path,)) == ()


def test_image_rules_include_the_realtek_adapter(bus: Bus) -> None:
    assert ("0bda", "8151") in switched(bus.rules)
    assert ("dead", "beef") not in switched(bus.rules)
