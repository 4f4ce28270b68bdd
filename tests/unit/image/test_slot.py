"""A slot gets every device tree that a firmware may ask for, and no kernel that has changed beneath our overlay."""

from __future__ import annotations

from pathlib import Path

import pytest

from image.boards.devicetree import read
from image.boards.models import MODELS
from image.boards.slot import C0, D0, SlotError, fill, overlay_differs
from tests.support.devicetrees import compiled

DEBIAN, RASPBERRY = "7.3.4+deb13-arm64", "6.12.25+rpt-rpi-v8"
PI_3 = 'compatible = "brcm,bcm2837"; soc { usb@7e980000 { dr_mode = "otg"; }; };'
# As far as the two steppings differ, written down from the kernel's own trees.
PI_5 = """
    compatible = "brcm,bcm2712";
    uart10: serial { interrupts = <0 %s 4>; };
    pinctrl: pins { compatible = "brcm,bcm2712%s-pinctrl"; reg = <0x7d504100 %s>; };
    pinctrl_aon: aon { compatible = "brcm,bcm2712%s-aon-pinctrl"; reg = <0x7d510700 %s>; };
    gio_aon: gpio { brcm,gpio-bank-widths = <%s 6>; %s };
"""
C0_TREE = PI_5 % (121, "c0", 0x30, "c0", 0x20, 17, "")
POE = "firmware: fw { }; cpu_thermal: cpu { trips { }; cooling-maps { }; };"
D0_TREE = PI_5 % (120, "d0", 0x20, "d0", 0x1C, 15, 'gpio-line-names = "a", "b";')


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """A kernel's directory of device trees."""
    trees = tmp_path / "linux-image"
    (trees / "broadcom").mkdir(parents=True)
    for model in MODELS:
        (trees / "broadcom" / f"{model.tree}.dtb").write_bytes(compiled(PI_3 + POE))
    (trees / "broadcom" / C0).write_bytes(compiled(C0_TREE))
    (trees / "broadcom" / D0).write_bytes(compiled(D0_TREE))
    (trees / "broadcom" / "bcm4908-router.dtb").write_bytes(compiled(""))
    return trees


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    slot = tmp_path / "slot-a"
    slot.mkdir()
    return slot


def test_device_trees_are_there_under_both_names(trees: Path, slot: Path) -> None:
    fill(trees, DEBIAN, slot)
    for model in MODELS:
        assert (slot / f"{model.tree}.dtb").read_bytes() == (slot / f"{model.other_name}.dtb").read_bytes()
    assert not (slot / "bcm4908-router.dtb").exists()


def test_the_port_of_the_zero_2_w_is_always_the_host(trees: Path, slot: Path) -> None:
    fill(trees, DEBIAN, slot)
    modes: dict[str, tuple[str, ...]] = {}
    for name in ("bcm2837-rpi-zero-2-w", "bcm2710-rpi-zero-2-w", "bcm2837-rpi-3-b"):
        usb = read((slot / f"{name}.dtb").read_bytes()).at("/soc/usb@7e980000")
        assert usb is not None
        modes[name] = usb.strings("dr_mode")
    assert list(modes.values()) == [("host",), ("host",), ("otg",)]


def test_the_overlay_makes_the_other_stepping_of_a_pi_5(trees: Path, slot: Path) -> None:
    fill(trees, DEBIAN, slot)
    assert (slot / "overlays" / "README").is_file()
    assert overlay_differs(slot) == []


@pytest.mark.parametrize(
    ("name", "tree", "told"),
    [
        (D0, D0_TREE.replace("0x7d510700", "0x7d510800"), "bcm2712d0 does not make .*/aon reg"),
        (C0, C0_TREE + "new { };", "bcm2712d0 does not make .*/new"),
        (C0, C0_TREE.replace("uart10:", ""), "bcm2712d0 does not make .*FDT_ERR_NOTFOUND"),
        ("bcm2711-rpi-4-b.dtb", PI_3 + POE.replace("cpu_thermal", "heat"), "rpi-poe does not fit bcm2711-rpi-4-b.dtb"),
    ],
)
def test_a_kernel_that_differs_otherwise_is_refused(trees: Path, slot: Path, name: str, tree: str, told: str) -> None:
    (trees / "broadcom" / name).write_bytes(compiled(tree))
    with pytest.raises(SlotError, match=f"the overlay .*{told}"):
        fill(trees, DEBIAN, slot)


@pytest.mark.parametrize("name", ["bcm2711-rpi-4-b.dtb", D0])
def test_a_kernel_without_a_tree_is_refused(trees: Path, slot: Path, name: str) -> None:
    (trees / "broadcom" / name).unlink()
    with pytest.raises(SlotError, match=f"no device tree for a Pi .*{name}"):
        fill(trees, DEBIAN, slot)


def test_raspberry_pis_kernel_brings_its_overlays(trees: Path, slot: Path) -> None:
    (trees / "overlays").mkdir()
    for name in ("README", "bcm2712d0.dtbo", "overlay_map.dtb", "rpi-poe.dtbo"):
        (trees / "overlays" / name).write_text(name)
    (trees / "broadcom" / "bcm2710-rpi-3-b.dtb").write_bytes(b"its own")
    fill(trees, RASPBERRY, slot)
    assert {file.name for file in (slot / "overlays").iterdir()} == {
        *("README", "bcm2712d0.dtbo", "overlay_map.dtb", "rpi-poe.dtbo")
    }
    assert (slot / "bcm2710-rpi-3-b.dtb").read_bytes() == b"its own"


@pytest.mark.parametrize("name", ["README", "bcm2712d0.dtbo", "overlay_map.dtb"])
def test_raspberry_pis_kernel_without_an_overlay_is_refused(trees: Path, slot: Path, name: str) -> None:
    (trees / "overlays").mkdir()
    for other in {"README", "bcm2712d0.dtbo", "overlay_map.dtb"} - {name}:
        (trees / "overlays" / other).touch()
    with pytest.raises(SlotError, match=f"the kernel has no overlays/{name}"):
        fill(trees, RASPBERRY, slot)
