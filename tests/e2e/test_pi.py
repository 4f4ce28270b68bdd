"""The same image on QEMU's Raspberry Pi 3, by the Pi's own device tree, as far as that model goes."""

from __future__ import annotations

import gzip
import os
import subprocess
import time
from pathlib import Path

from image.qemu.machine import BOOT_OFFSET, EMULATED, MIB

PATIENCE = 600  # seconds
# In this order: the Pi's own board, its serial port, its card reader with the image's partitions, the system on it.
SEEN = ("Raspberry Pi 3 Model B", "mmcblk0: p1 p2 p3 p4", "squashfs", "Welcome to")


def test_it_starts_on_the_pi_3_model(work: Path) -> None:
    image = Path(os.environ["VPN_GATEWAY_IMAGE"])
    work = work / "pi3"
    work.mkdir()

    def take(name: str) -> Path:
        subprocess.run(["mcopy", "-n", "-i", f"{image}@@{BOOT_OFFSET}", f"::slot-a/{name}", work / name], check=True)
        return work / name

    kernel = work / "Image"  # this model's loader does not unpack it, the firmware of a Pi does
    kernel.write_bytes(gzip.decompress(take("vmlinuz").read_bytes()))
    card = work / "card.qcow2"
    subprocess.run(["qemu-img", "create", "-qf", "qcow2", "-F", "raw", "-b", image, card, str(4096 * MIB)], check=True)
    arguments = take("cmdline.txt").read_text().split()
    arguments = [a for a in arguments if a != "quiet" and not a.startswith("console=")]
    console = work / "console.log"
    with console.open("wb") as log:
        machine = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "KILL", "qemu-system-aarch64", "-M", "raspi3b", "-display", "none"),
                *("-kernel", kernel, "-initrd", take("initrd.img"), "-dtb", take("bcm2837-rpi-3-b.dtb")),
                *("-append", " ".join(["console=ttyAMA0,115200", "console=ttyAMA1,115200", *arguments, *EMULATED])),
                *("-drive", f"file={card},if=sd,format=qcow2", "-serial", "stdio", "-no-reboot"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + PATIENCE
        for text in SEEN:
            while text.encode() not in console.read_bytes():
                assert machine.poll() is None, console.read_text(errors="replace")[-2000:]
                assert time.monotonic() < deadline, f"no {text!r}: {console.read_text(errors='replace')[-2000:]}"
                time.sleep(0.5)
    finally:
        machine.kill()
        machine.wait()
