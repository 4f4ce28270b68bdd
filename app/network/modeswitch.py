"""USB adapters and modems that show themselves as a disk, read from /sys.

They start as a disk with a driver for Windows on it, and become a network port when they are switched. The devices that
do so are those that udev's rules pass to usb-modeswitch: its own list, and what the image adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import aiofiles.os

from app.portname import usb_place

DEVICES = Path("/sys/bus/usb/devices")
RULES = (Path("/usr/lib/udev/rules.d"), Path("/etc/udev/rules.d"))

_MASS_STORAGE = "08"  # bInterfaceClass
_ID = re.compile(r'ATTRS?\{id(Vendor|Product)\}=="([0-9a-f]{4})"')


async def disks(devices: Path = DEVICES, rules: tuple[Path, ...] = RULES) -> tuple[str, ...]:
    """The adapters and modems that are only a disk now, such as ``0bda:8151 at usb-1.2@0000:01:00.0``."""
    found = list(_only_disks(devices))
    known = await _switched(rules) if found else frozenset()
    return tuple(
        f"{vendor}:{product} at {place}"
        for vendor, product, place in found
        if {(vendor, product), (vendor, None)} & known
    )


def _only_disks(devices: Path) -> Iterator[tuple[str, str, str]]:
    """Vendor, product and place of every USB device that is only a disk, whether it can be switched or not."""
    for device in sorted(devices.glob("*")):
        try:
            classes = {path.read_text().strip() for path in device.glob("*:*/bInterfaceClass")}
            if classes != {_MASS_STORAGE}:
                continue
            vendor, product = ((device / name).read_text().strip() for name in ("idVendor", "idProduct"))
        except OSError:  # pulled out, or being switched
            continue
        yield vendor, product, usb_place(str(device.resolve())) or device.name


@cache
def switched(rules: tuple[Path, ...]) -> frozenset[tuple[str, str | None]]:
    """(vendor, product) of all devices that start as a disk; product None = every product of that vendor."""
    files = [path for directory in rules for path in sorted(directory.glob("*modeswitch.rules"))]
    return frozenset(_ids(files))


_switched = aiofiles.os.wrap(switched)  # the rules are on the disk, the devices in the kernel's memory


def _ids(files: Iterable[Path]) -> Iterator[tuple[str, str | None]]:
    for path in files:
        for line in path.read_text(errors="replace").splitlines():
            ids = dict(_ID.findall(line))
            if "usb_modeswitch" in line and "Vendor" in ids and not line.startswith("#"):
                yield ids["Vendor"], ids.get("Product")


def advice(disk: str) -> str:
    return (
        f"the USB device {disk} is a network adapter or modem that still shows itself as a disk, so there is no port:"
        " pull it out and plug it in again"
    )
