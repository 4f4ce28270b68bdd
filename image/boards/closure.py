"""Checks that the initrd can find its disk: the kernel probes a device only after all of the device's suppliers.

A card reader whose pins, clock or supply has no driver yet is put off; in the initrd, where that driver will never
come, the root is not found. So the drivers of all suppliers, and of theirs, have to be in the kernel or in the initrd.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from image.boards.devicetree import DeviceTree, Node
from image.boards.kernel import MADE_BY, Kernel

BOOT_DEVICE = re.compile(r"(mmc|usb|pcie)@")
# A list of suppliers, each with as many numbers after it as its own property says (Linux, drivers/of/property.c).
WITH_ARGUMENTS = {
    "clocks": "#clock-cells",
    "dmas": "#dma-cells",
    "interconnects": "#interconnect-cells",
    "interrupts-extended": "#interrupt-cells",
    "io-channels": "#io-channel-cells",
    "iommus": "#iommu-cells",
    "mboxes": "#mbox-cells",
    "msi-parent": "#msi-cells",
    "phys": "#phy-cells",
    "power-domains": "#power-domain-cells",
    "pwms": "#pwm-cells",
    "resets": "#reset-cells",
}
GPIOS = re.compile(r"(.*-)?gpios?")
WITHOUT_ARGUMENTS = re.compile(r"pinctrl-\d+|.*-supply|firmware|interrupt-parent|mmc-pwrseq|nvmem-cells|usb-phy")


@dataclass(frozen=True, order=True)
class Missing:
    """A missing driver, without which the device never starts."""

    device: str
    supplier: str
    drivers: tuple[str, ...]  # any of them would do

    def __str__(self) -> str:
        return f"{self.device} waits for {self.supplier}, whose driver is {' or '.join(self.drivers)}"


def missing(tree: DeviceTree, kernel: Kernel, modules: frozenset[str]) -> list[Missing]:
    """The drivers that the boot devices of ``tree`` lack, given ``modules``."""
    found: set[Missing] = set()
    for device in boot_devices(tree):
        for supplier in closure(tree, device):
            drivers = kernel.drivers(supplier)
            if drivers and not drivers & (kernel.builtin | modules):
                found.add(Missing(device.path, supplier.path, tuple(sorted(drivers))))
            for maker in drivers & MADE_BY.keys():
                made = kernel.drivers_of(MADE_BY[maker])
                if supplier is device and made and not made & (kernel.builtin | modules):
                    found.add(Missing(device.path, f"what {maker} makes", tuple(sorted(made))))
    return sorted(found)


def boot_devices(tree: DeviceTree) -> Iterator[Node]:
    """Card readers, and the controllers of disks and sticks."""
    return (node for node in tree if BOOT_DEVICE.match(node.name) and node.enabled)


def closure(tree: DeviceTree, device: Node) -> list[Node]:
    """The device, its enabled suppliers, and the parents of all of them, transitively."""
    todo, seen = [device], list[Node]()
    while todo:
        node = todo.pop()
        if node not in seen and node.enabled:
            seen.append(node)
            todo += suppliers(tree, node)
            if node.parent:
                todo.append(node.parent)
    return seen


def suppliers(tree: DeviceTree, node: Node) -> Iterator[Node]:
    """The suppliers that the device's properties refer to."""
    for name in node.properties:
        counted = "#gpio-cells" if GPIOS.fullmatch(name) else WITH_ARGUMENTS.get(name)
        if counted:
            yield from _with_arguments(tree, node.cells(name), counted)
        elif WITHOUT_ARGUMENTS.fullmatch(name):
            yield from filter(None, map(tree.by_phandle, node.cells(name)))


def _with_arguments(tree: DeviceTree, cells: tuple[int, ...], counted: str) -> Iterator[Node]:
    index = 0
    while index < len(cells):
        supplier = tree.by_phandle(cells[index])
        index += 1
        if supplier:  # 0 stands for none
            yield supplier
            index += (supplier.cells(counted) or (0,))[0]
