"""The supported models, and the files that each model's firmware boots."""

from __future__ import annotations

from dataclasses import dataclass

PI_3 = ("bootcode.bin", "start_cd.elf", "fixup_cd.dat")  # gpu_mem=16 picks the ones with _cd
PI_4 = ("start4cd.elf", "fixup4cd.dat")
# A Compute Module 4 wants to see this one too (raspberrypi/firmware#1809).
CM4 = (*PI_4, "start4.elf", "fixup4.dat")

D0_OVERLAY = "bcm2712d0"  # what a Pi 5 with D0 silicon asks for
# What the firmware asks for where it finds one of these HATs, on the models that have the pins for them.
POE_OVERLAYS = ("rpi-poe", "rpi-poe-plus")
POE_TREES = ("bcm2837-rpi-3-b-plus", "bcm2711-rpi-4-b")


@dataclass(frozen=True)
class Model:
    name: str
    tree: str  # its device tree by the kernel's name, without .dtb
    other_name: str  # and by the name that Raspberry Pi's own kernel has for it
    firmware: tuple[str, ...]  # on the card; a Pi 5 has all of it on the board
    radio: str  # what brcmfmac calls the firmware of its Wi-Fi chip


MODELS = (
    Model("3 B", "bcm2837-rpi-3-b", "bcm2710-rpi-3-b", PI_3, "43430"),
    Model("3 B+", "bcm2837-rpi-3-b-plus", "bcm2710-rpi-3-b-plus", PI_3, "43455"),
    Model("Zero 2 W", "bcm2837-rpi-zero-2-w", "bcm2710-rpi-zero-2-w", PI_3, "43430"),
    Model("4 B", "bcm2711-rpi-4-b", "bcm2711-rpi-4-b", PI_4, "43455"),
    Model("400", "bcm2711-rpi-400", "bcm2711-rpi-400", PI_4, "43456"),
    Model("CM4", "bcm2711-rpi-cm4-io", "bcm2711-rpi-cm4", CM4, "43455"),
    Model("5", "bcm2712-rpi-5-b", "bcm2712-rpi-5-b", (), "43455"),
)
