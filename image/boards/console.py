"""The serial console of a board, by the name that the kernel's command line uses."""

from __future__ import annotations

import re

from image.boards.devicetree import DeviceTree

PORTS = {"arm,pl011": "ttyAMA", "brcm,bcm2835-aux-uart": "ttyS"}


def console(tree: DeviceTree) -> str | None:
    """``ttyS1``, where the device tree names a port for the console by an alias, which gives the number; or None."""
    chosen = tree.at("/chosen")
    (path,) = (chosen.strings("stdout-path") if chosen else ()) or ("",)
    alias = path.partition(":")[0]
    number = re.fullmatch(r"serial(\d+)", alias)
    port = tree.at(alias) if number else None
    if not number or not port:
        return None
    names = [PORTS[one] + number[1] for one in port.compatible if one in PORTS]
    return names[0] if names else None
