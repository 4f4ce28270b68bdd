"""A disk that would never appear in the initrd is told, with what it waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from image.boards.closure import missing
from image.boards.kernel import Kernel
from tests.support.devicetrees import tree

# A card reader whose pins hang on a controller that needs a clock; a PCI chip with USB in it; things that are off.
BOARD = """
    clk: clock { compatible = "maker,clock"; #clock-cells = <1>; };
    pins: pinctrl { compatible = "maker,pins"; clocks = <&clk 3>; state: sd-pins { pins = "a"; }; };
    gpio: gpio { compatible = "maker,gpio"; #gpio-cells = <2>; };
    power: regulator { compatible = "regulator-fixed"; };
    unused: clock2 { compatible = "maker,never"; status = "disabled"; #clock-cells = <0>; };
    mmc@1 {
        compatible = "maker,mmc-v2", "maker,mmc";
        pinctrl-0 = <&state>; vmmc-supply = <&power>; cd-gpios = <0>, <&gpio 5 1>; clocks = <&unused>, <&clk 1>;
    };
    mmc@2 { compatible = "maker,never"; status = "disabled"; };
    pcie@3 {
        compatible = "maker,pcie"; device_type = "pci";
        dev@0 { compatible = "pci1de4,1"; usb@4 { compatible = "snps,dwc3"; }; };
    };
"""
DRIVERS = {  # module -> the alias by which it is asked for
    "mmc_driver": "of:N*T*Cmaker,mmc",
    "pins": "of:N*T*Cmaker,pins",
    "clock": "of:N*T*Cmaker,clock",
    "gpio": "of:N*T*Cmaker,gpio",
    "fixed": "of:N*T*Cregulator-fixed",
    "rp1-pci": "pci:v00001DE4d00000001sv*sd*bc*sc*i*",
    "dwc3": "of:N*T*Csnps,dwc3",
    "xhci-plat-hcd": "platform:xhci-hcd",
    "never": "of:N*T*Cmaker,never",
}
ALL = ["mmc_driver", "pins", "clock", "gpio", "fixed", "rp1_pci", "dwc3", "xhci_plat_hcd"]


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    """As depmod leaves it: the PCIe bridge is built in, every other driver is a module."""
    needs = {"pins": "kernel/core.ko.xz"}
    lines = [f"kernel/{name}.ko.xz: {needs.get(name, '')}" for name in DRIVERS]
    (tmp_path / "modules.dep").write_text("\n".join([*lines, "kernel/core.ko.xz:"]))
    aliases = [f"alias {alias} {name.replace('-', '_')}" for name, alias in DRIVERS.items()]
    (tmp_path / "modules.alias").write_text("\n".join(["# Aliases extracted from modules themselves.", *aliases]))
    (tmp_path / "modules.builtin").write_text("kernel/drivers/pci/pcie-maker.ko\n")
    modinfo = "pcie_maker.alias=of:N*T*Cmaker,pcie\0pcie_maker.license=GPL\0always.alias=of:N*T*Cmaker,always\0"
    (tmp_path / "modules.builtin.modinfo").write_text(modinfo)
    return Kernel.read(tmp_path)


def test_with_every_driver_all_disks_appear(kernel: Kernel) -> None:
    assert missing(tree(BOARD), kernel, kernel.loaded(ALL)) == []


@pytest.mark.parametrize(
    ("left_out", "told"),
    [
        ("mmc_driver", "/mmc@1 waits for /mmc@1, whose driver is mmc_driver"),
        ("pins", "/mmc@1 waits for /pinctrl, whose driver is pins"),
        ("clock", "/mmc@1 waits for /clock, whose driver is clock"),
        ("gpio", "/mmc@1 waits for /gpio, whose driver is gpio"),
        ("fixed", "/mmc@1 waits for /regulator, whose driver is fixed"),
        ("rp1_pci", "/pcie@3/dev@0/usb@4 waits for /pcie@3/dev@0, whose driver is rp1_pci"),
        ("xhci_plat_hcd", "/pcie@3/dev@0/usb@4 waits for what dwc3 makes, whose driver is xhci_plat_hcd"),
    ],
)
def test_what_is_left_out_is_told(kernel: Kernel, left_out: str, told: str) -> None:
    modules = kernel.loaded(name for name in ALL if name != left_out)
    assert [str(one) for one in missing(tree(BOARD), kernel, modules)] == [told]


def test_what_a_module_needs_comes_with_it(kernel: Kernel) -> None:
    assert kernel.loaded(["pins"]) == {"pins", "core"}


def test_a_name_of_no_module_is_known_for_that(kernel: Kernel) -> None:
    assert kernel.knows("rp1-pci")
    assert kernel.knows("pcie_maker")
    assert kernel.knows("always")  # of what cannot be a module, only modules.builtin.modinfo tells
    assert not kernel.knows("bcm2712_mip")
