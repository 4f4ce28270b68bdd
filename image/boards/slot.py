"""``python3 -m image.boards.slot TREES VERSION SLOT``: a system slot's device trees and overlays.

TREES is the directory with the device trees of kernel VERSION. Calls dtc, fdtput and fdtoverlay. A kernel that lacks
what a model needs, or that has changed what one of our overlays is made for, ends it with an error.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from image.boards.devicetree import DeviceTree, differences, read
from image.boards.models import D0_OVERLAY, MODELS, POE_OVERLAYS, POE_TREES

OVERLAYS = Path(__file__).parents[1] / "boot" / "overlays"
C0, D0 = "bcm2712-rpi-5-b.dtb", "bcm2712-d-rpi-5-b.dtb"
# Labels, which an overlay cannot add to lines without one.
NAMES_ONLY = frozenset({"gpio-line-names"})
# Where the kernel has the port as one that can be either side, a cable that does not say which leaves it a device.
ZERO, ZERO_USB = "bcm2837-rpi-zero-2-w.dtb", "/soc/usb@7e980000"


class SlotError(Exception):
    """The kernel's device trees do not fit the supported models."""


def fill(trees: Path, version: str, slot: Path) -> None:
    """Put device trees and overlays into ``slot``. Raises SlotError."""
    for tree in sorted((trees / "broadcom").glob("bcm2[78]*.dtb")):
        shutil.copyfile(tree, slot / tree.name)
    for model in MODELS:
        if not (slot / f"{model.tree}.dtb").exists():
            raise SlotError(f"the kernel has no device tree for a Pi {model.name}: {model.tree}.dtb")
    if "-rpi-" in version:
        overlays_of_the_kernel(trees / "overlays", slot / "overlays")
        return
    run("fdtput", "-t", "s", slot / ZERO, ZERO_USB, "dr_mode", "host")
    # The firmware was read as asking for the kernel's names. Should one ask for the others, they are the same trees.
    for model in MODELS:
        if model.other_name != model.tree:
            shutil.copyfile(slot / f"{model.tree}.dtb", slot / f"{model.other_name}.dtb")
    overlays_of_ours(slot)


def overlays_of_the_kernel(source: Path, target: Path) -> None:
    """Copy the overlays of Raspberry Pi's kernel, which the firmware loads by name; README marks the directory."""
    for name in ("README", f"{D0_OVERLAY}.dtbo", "overlay_map.dtb"):
        if not (source / name).exists():
            raise SlotError(f"the kernel has no overlays/{name}")
    shutil.copytree(source, target, copy_function=shutil.copyfile)


def overlays_of_ours(slot: Path) -> None:
    target = slot / "overlays"
    target.mkdir()
    # The firmware looks here, and not in /overlays, where this file is.
    shutil.copyfile(OVERLAYS / "README", target / "README")
    for name in (D0_OVERLAY, *POE_OVERLAYS):
        run("dtc", "-q", "-I", "dts", "-O", "dtb", "-o", target / f"{name}.dtbo", OVERLAYS / f"{name}.dts")
    if not (slot / D0).exists():
        raise SlotError(f"the kernel has no device tree for a Pi 5 with D0 silicon: {D0}")
    found = overlay_differs(slot)
    if found:
        raise SlotError(f"the overlay {D0_OVERLAY} does not make {D0} of {C0}: {', '.join(found)}")
    for tree in POE_TREES:
        for name in POE_OVERLAYS:
            try:
                applied(slot, f"{tree}.dtb", name)
            except SlotError as error:
                raise SlotError(f"the overlay {name} does not fit {tree}.dtb: {error}") from None


def overlay_differs(slot: Path) -> list[str]:
    """The differences between the C0 tree with the overlay and the kernel's own D0 tree."""
    try:
        return differences(applied(slot, C0, D0_OVERLAY), read((slot / D0).read_bytes()), NAMES_ONLY)
    except SlotError as error:
        return [str(error)]


def applied(slot: Path, tree: str, overlay: str) -> DeviceTree:
    """The tree with the overlay, as the firmware makes it. Raises SlotError where they do not fit."""
    command = ["fdtoverlay", "-i", slot / tree, "-o", "-", slot / "overlays" / f"{overlay}.dtbo"]
    result = subprocess.run(command, capture_output=True, check=False)
    if result.returncode:
        raise SlotError(result.stderr.decode().strip())
    return read(result.stdout)


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SlotError(f"{command[0]}: {done.stderr.strip()}")


def main() -> None:
    trees, version, slot = sys.argv[1:]
    try:
        fill(Path(trees), version, Path(slot))
    except SlotError as error:
        sys.exit(f"assemble: {error}")


if __name__ == "__main__":
    main()
