"""The built image on QEMU's Raspberry Pi 3: the Pi's own device tree, serial ports, card reader and USB.

The model has none of the network chips that are on the board's USB. Adapters of QEMU's own are at the same places of
the same bus instead; Linux drives them with cdc_ether.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass

from image.qemu.machine import EMULATED, Machine

TREE, TREE_PLUS = "bcm2837-rpi-3-b.dtb", "bcm2837-rpi-3-b-plus.dtb"
CONSOLES = ("console=ttyAMA0,115200", "console=ttyAMA1,115200")
# To this model's power management, to set the watchdog means to restart at once.
NO_WATCHDOG = "module_blacklist=bcm2835_wdt"
DEBUG_SHELL = ("systemd.debug_shell=ttyS1",)  # the other serial port
START_TIMEOUT = 600  # seconds; emulated, on two cores that may be busy
PARTITIONS = {False: "mmcblk0: p1 p2 p3 p4", True: "sda: sda1 sda2 sda3 sda4"}  # on a stick?


@dataclass
class Pi3(Machine):
    """``wan`` is at the USB path of the on-board port, ``lan`` in a neighbouring socket.

    The hub on a 3 B has the port on the board at 1 and the sockets beside it. On a 3 B+ there is a second hub at its
    port 1, with the port on the board at 1 again. A stick is in the last socket.
    """

    plus: bool = False  # a 3 B+
    stick: bool = False  # started from a USB stick, without a card

    @property
    def places(self) -> tuple[str, str]:
        """The USB ports of ``wan`` and ``lan``."""
        return ("1.1.1", "1.1.2") if self.plus else ("1.1", "1.2")

    def _board(self, taps: Sequence[int]) -> list[str]:
        kernel = self.work / "Image"  # this model's loader does not unpack it, the firmware of a Pi does
        kernel.write_bytes(gzip.decompress(self._boot_file("slot-a/vmlinuz").read_bytes()))
        arguments = self._boot_file("slot-a/cmdline.txt").read_text().split()
        arguments = [a for a in arguments if a != "quiet" and not a.startswith("console=")]
        devices = ["-device", "usb-hub,bus=usb-bus.0,port=1"]
        if self.plus:
            devices += ["-device", "usb-hub,bus=usb-bus.0,port=1.1"]
        for number, (port, tap, place) in enumerate(zip(self.ports, taps, self.places, strict=True), 1):
            at = f"bus=usb-bus.0,port={place}"
            devices += ["-netdev", f"tap,id=n{number},fd={tap}"]
            devices += ["-device", f"usb-net,id=usb{number},{at},netdev=n{number},mac={port.mac}"]
        if self.stick:
            devices += ["-drive", f"file={self.disk},if=none,id=stick,format=qcow2"]
            devices += ["-device", "usb-storage,bus=usb-bus.0,port=1.4,drive=stick"]
        else:
            devices += ["-drive", f"file={self.disk},if=sd,format=qcow2"]
        tree = TREE_PLUS if self.plus else TREE
        return [
            *("-M", "raspi3b", "-no-reboot"),
            *("-kernel", str(kernel), "-initrd", str(self._boot_file("slot-a/initrd.img"))),
            *("-dtb", str(self._boot_file(f"slot-a/{tree}"))),
            *("-append", " ".join([*CONSOLES, *arguments, *EMULATED, NO_WATCHDOG, *self.extra_args])),
            *devices,
            *("-serial", "chardev:console", "-serial", "chardev:shell"),
        ]

    def wait_started(self) -> None:
        """Wait until the console has said that the system on the card runs on this board.

        Raises MachineError where one of the steps takes longer than ``START_TIMEOUT``.
        """
        board = r"Raspberry Pi 3 Model B\+" if self.plus else "Raspberry Pi 3 Model B"
        for text in (board, PARTITIONS[self.stick], "squashfs", "Welcome to"):
            self.wait_console(text, START_TIMEOUT)
