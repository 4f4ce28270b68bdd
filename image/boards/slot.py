"""``python3 -m image.boards.slot TREES VERSION SLOT``: a system slot's device trees and overlays.

TREES is the directory with the device trees of kernel VERSION. Calls dtc, fdtput and fdtoverlay. A kernel that lacks
what a model needs, or that has changed what one of our overlays is made for, ends it with an error.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from image.boards.devicetree import differences, read
from image.boards.models import D0_OVERLAY, MODELS

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
    overlay = target / f"{D0_OVERLAY}.dtbo"
    run("dtc", "-q", "-I", "dts", "-O", "dtb", "-o", overlay, OVERLAYS / f"{D0_OVERLAY}.dts")
    if not (slot / D0).exists():
        raise SlotError(f"the kernel has no device tree for a Pi 5 with D0 silicon: {D0}")
    found = overlay_differs(slot)
    if found:
        raise SlotError(f"the overlay {D0_OVERLAY} does not make {D0} of {C0}: {', '.join(found)}")


def overlay_differs(slot: Path) -> list[str]:
    """The differences between the C0 tree with the overlay and the kernel's own D0 tree."""
    overlay = slot / "overlays" / f"{D0_OVERLAY}.dtbo"
    result = subprocess.run(["fdtoverlay", "-i", slot / C0, "-o", "-", overlay], capture_output=True, check=False)
    if result.returncode:
        return [result.stderr.decode().strip()]
    return differences(read(result.stdout), read((slot / D0).read_bytes()), NAMES_ONLY)


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
