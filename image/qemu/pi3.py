"""The built image on QEMU's Raspberry Pi 3: the Pi's own device tree, serial ports, card reader and USB.

The model has none of the network chips that are on the board's USB. Adapters of QEMU's own are at the same places of
the same bus instead; Linux drives them with cdc_ether.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass

from image.qemu.machine import EMULATED, Machine

TREE = "bcm2837-rpi-3-b.dtb"
CONSOLES = ("console=ttyAMA0,115200", "console=ttyAMA1,115200")
# To this model's power management, to set the watchdog means to restart at once.
NO_WATCHDOG = "module_blacklist=bcm2835_wdt"
DEBUG_SHELL = ("systemd.debug_shell=ttyS1",)  # the other serial port
START_TIMEOUT = 600  # seconds; emulated, on two cores that may be busy
# The Pi's own board, its serial port, its card reader with the image's partitions, the system on it.
STARTED = ("Raspberry Pi 3 Model B", "mmcblk0: p1 p2 p3 p4", "squashfs", "Welcome to")


@dataclass
class Pi3(Machine):
    """``wan`` is at the USB path of the on-board port, ``lan`` in a neighbouring socket."""

    def _board(self, taps: Sequence[int]) -> list[str]:
        kernel = self.work / "Image"  # this model's loader does not unpack it, the firmware of a Pi does
        kernel.write_bytes(gzip.decompress(self._boot_file("slot-a/vmlinuz").read_bytes()))
        arguments = self._boot_file("slot-a/cmdline.txt").read_text().split()
        arguments = [a for a in arguments if a != "quiet" and not a.startswith("console=")]
        network = ["-device", "usb-hub,bus=usb-bus.0,port=1"]
        for number, (port, tap) in enumerate(zip(self.ports, taps, strict=True), 1):
            at = f"bus=usb-bus.0,port=1.{number}"
            network += ["-netdev", f"tap,id=n{number},fd={tap}"]
            network += ["-device", f"usb-net,id=usb{number},{at},netdev=n{number},mac={port.mac}"]
        return [
            *("-M", "raspi3b", "-no-reboot"),
            *("-kernel", str(kernel), "-initrd", str(self._boot_file("slot-a/initrd.img"))),
            *("-dtb", str(self._boot_file(f"slot-a/{TREE}"))),
            *("-append", " ".join([*CONSOLES, *arguments, *EMULATED, NO_WATCHDOG, *self.extra_args])),
            *("-drive", f"file={self.disk},if=sd,format=qcow2"),
            *network,
            *("-serial", "chardev:console", "-serial", "chardev:shell"),
        ]

    def wait_started(self) -> None:
        """Wait until the console has said all of ``STARTED``. Raises MachineError, each after ``START_TIMEOUT``."""
        for text in STARTED:
            self.wait_console(text, START_TIMEOUT)
