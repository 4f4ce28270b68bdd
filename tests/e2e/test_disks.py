"""What the machine is started from: a USB stick, and one of two disks that bear the same identifier."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from image.qemu.boot import BOOT_TIMEOUT, boot
from image.qemu.fixtures import MakeMachine
from image.qemu.lab import Lab, until
from image.qemu.machine import Machine, MachineError
from image.qemu.pi3 import DEBUG_SHELL, Pi3

PATIENCE = 600  # seconds, emulated
MOUNTED = "findmnt --json --list --output TARGET,SOURCE"


def test_a_pi_3_starts_from_a_stick(new_machine: MakeMachine) -> None:
    machine = new_machine("pi3-stick", kind=Pi3, extra_args=DEBUG_SHELL, stick=True)
    assert isinstance(machine, Pi3)
    machine.start()
    machine.wait_started()
    until(lambda: is_active(machine), BOOT_TIMEOUT, "netd")
    assert disks(machine) == {"/dev/sda"}
    # The USB controller did not wait in vain for a driver of its own PHY (phy_generic, in the initrd). Others may: that
    # of the radio's power (reset_gpio) is only on the system.
    waits = [line for line in machine.shell("dmesg").splitlines() if "deferred probe pending" in line]
    assert not [line for line in waits if ".usb" in line], waits
    first = identity(machine)
    machine.shell("systemctl --no-block poweroff")
    machine.wait_console("reboot: Power (down|off)", PATIENCE)  # this model cannot turn itself off
    machine.kill()

    # What a port without an address of its own gets is made of this: MACAddressPolicy=persistent (systemd.link(5)).
    machine.start()
    until(lambda: is_active(machine), BOOT_TIMEOUT, "netd, again")
    assert identity(machine) == first


@dataclass
class TwoCards(Machine):
    """A second card is in it, with the same image and with settings of its own."""

    second: Path | None = None

    def _board(self, taps: Sequence[int]) -> list[str]:
        drive = f"file={self.second},if=none,id=second,cache=writethrough"
        return [*super()._board(taps), "-drive", drive, "-device", "virtio-blk-pci,drive=second,addr=0x6"]


def test_two_cards_in_one_machine_are_not_mixed(new_machine: MakeMachine, bench: Lab) -> None:
    """All cards bear the same disk identifier: root, data and settings have to be those of one of them."""
    other = new_machine("other-card")
    other.write_boot_file("gateway.toml", '[system]\nhostname = "other"\n')
    machine = new_machine("two-cards", kind=TwoCards, second=other.disk)
    machine.write_boot_file("gateway.toml", '[system]\nhostname = "mine"\n')
    machine.start()
    boot(machine, bench)
    (disk,) = disks(machine)
    assert machine.shell("cat /proc/sys/kernel/hostname").strip() == {"/dev/vda": "mine", "/dev/vdb": "other"}[disk]


def disks(machine: Machine) -> set[str]:
    """The disks of root, data and boot partition."""
    mounts = json.loads(machine.shell(MOUNTED))["filesystems"]
    found = {mount["target"]: mount["source"] for mount in mounts}
    return {re.sub(r"p?\d+$", "", found[target]) for target in ("/", "/data", "/boot/firmware")}


def identity(machine: Machine) -> str:
    return machine.shell("cat /etc/machine-id").strip()


def is_active(machine: Machine) -> bool:
    """Whether netd runs; False until the debug shell is there."""
    try:
        return machine.shell("systemctl is-active vpn-gateway-netd.service", timeout=30).strip() == "active"
    except (OSError, MachineError):
        return False
