"""The built image on QEMU's Raspberry Pi 3: the Pi's own device tree, serial port and card reader."""

from __future__ import annotations

from image.qemu.fixtures import MakeMachine
from image.qemu.pi3 import DEBUG_SHELL, Pi3


def test_it_starts_on_the_pi_3_model(new_machine: MakeMachine) -> None:
    machine = new_machine("pi3", kind=Pi3, extra_args=DEBUG_SHELL)
    assert isinstance(machine, Pi3)
    machine.start()
    machine.wait_started()
