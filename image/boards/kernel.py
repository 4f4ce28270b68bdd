"""The drivers of a kernel, according to depmod(8)'s files in /usr/lib/modules/VERSION."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from image.boards.devicetree import Node

# Buses whose devices are identified by numbers, also in a device tree.
PCI = re.compile(r"pci([0-9a-f]{1,4}),([0-9a-f]{1,4})")
USB = re.compile(r"usb([0-9a-f]{1,4}),([0-9a-f]{1,4})")
# Devices without a node in the device tree: one driver creates them, and another one drives them.
MADE_BY = {"dwc3": "platform:xhci-hcd", "bcm2835_pm": "platform:bcm2835-wdt"}


def module_name(file: str) -> str:
    """``kernel/drivers/clk/clk-rp1.ko.xz`` is the module ``clk_rp1``."""
    return file.rsplit("/", 1)[-1].split(".ko", maxsplit=1)[0].replace("-", "_")


@dataclass(frozen=True)
class Alias:
    pattern: str
    driver: str


@dataclass(frozen=True)
class Kernel:
    builtin: frozenset[str]
    modules: dict[str, frozenset[str]]  # each with all that has to be loaded before it
    aliases: dict[str, list[Alias]]  # by the bus that a pattern begins with
    _asked: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]], compare=False, repr=False)

    @classmethod
    def read(cls, directory: Path) -> Kernel:
        """Read the kernel's files in /usr/lib/modules/VERSION."""
        modules: dict[str, frozenset[str]] = {}
        for line in (directory / "modules.dep").read_text().splitlines():
            file, _, needs = line.partition(":")
            modules[module_name(file)] = frozenset(module_name(other) for other in needs.split())
        aliases = [
            Alias(fields[1], module_name(fields[2]))
            for line in (directory / "modules.alias").read_text().splitlines()
            if (fields := line.split()) and fields[0] == "alias"
        ]
        builtin = {module_name(line) for line in (directory / "modules.builtin").read_text().splitlines()}
        # Unlike modules.builtin, this file also has the drivers that cannot be modules.
        for entry in (directory / "modules.builtin.modinfo").read_text(errors="replace").split("\0"):
            driver, _, rest = entry.partition(".")
            if driver:
                builtin.add(module_name(driver))
            if rest.startswith("alias="):
                aliases.append(Alias(rest.removeprefix("alias="), module_name(driver)))
        by_bus: dict[str, list[Alias]] = {}
        for alias in aliases:
            by_bus.setdefault(bus(alias.pattern), []).append(alias)
        return cls(frozenset(builtin), modules, by_bus)

    def knows(self, name: str) -> bool:
        return module_name(name) in self.modules or module_name(name) in self.builtin

    def loaded(self, names: Iterable[str]) -> frozenset[str]:
        """The modules with all of their dependencies."""
        wanted = {module_name(name) for name in names}
        return frozenset(wanted.union(*(self.modules.get(name, frozenset()) for name in wanted)))

    def drivers(self, node: Node) -> frozenset[str]:
        """The drivers that match the device; any one of them is sufficient."""
        return frozenset[str]().union(*(self.drivers_of(one) for one in modaliases(node)))

    def drivers_of(self, modalias: str) -> frozenset[str]:
        if modalias not in self._asked:  # boards share most of their parts, and there are thousands of patterns
            possible = self.aliases.get(bus(modalias), [])
            self._asked[modalias] = frozenset(a.driver for a in possible if fnmatchcase(modalias, a.pattern))
        return self._asked[modalias]


def bus(modalias: str) -> str:
    return modalias.partition(":")[0]


def modaliases(node: Node) -> list[str]:
    """The modaliases by which the kernel requests a driver: from the device tree, and from the device's bus."""
    if not node.compatible:
        return []
    (kind,) = node.strings("device_type") or ("(null)",)
    found = [f"of:N{node.name.split('@')[0]}T{kind}" + "".join(f"C{one}" for one in node.compatible)]
    for one in node.compatible:
        if pci := PCI.fullmatch(one):
            found.append(f"pci:v{pci[1].upper():>08}d{pci[2].upper():>08}sv00000000sd00000000bc00sc00i00")
        if usb := USB.fullmatch(one):
            numbers = f"v{usb[1].upper():>04}p{usb[2].upper():>04}"
            found.append(f"usb:{numbers}d0000dc00dsc00dp00ic00isc00ip00in00")
    return found
