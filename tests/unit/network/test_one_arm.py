"""A single port is WAN and LAN once no other can be expected: an adapter that begins as a disk has longer to appear."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.network.one_arm import SETTLE, SWITCH, OneArm

DISK = "0bda:8151 at usb-1.2"


class Machine:
    def __init__(self, record: Path) -> None:
        self.now = 100.0
        self.disks: tuple[str, ...] = ()
        self.one_arm = OneArm(record, disks=lambda: self.disks, clock=lambda: self.now)

    def allowed(self, after: float, *disks: str, single: bool = True) -> bool:
        self.now += after
        self.disks = disks
        return self.one_arm.allowed(single)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "topology")


def test_without_one_it_is_decided_when_adapters_have_had_their_time(machine: Machine) -> None:
    assert not machine.allowed(SETTLE - 1)
    assert machine.allowed(1)


def test_it_becomes_a_port_in_time(machine: Machine) -> None:
    assert not machine.allowed(SETTLE, DISK)
    assert not machine.allowed(1)  # no disk any more, and no port yet
    assert not machine.allowed(1, single=False)
    assert not machine.allowed(SWITCH)  # and that was the LAN's: pulled out or not


def test_it_was_switched_before_the_decision_but_is_no_port_yet(machine: Machine) -> None:
    assert not machine.allowed(1, DISK)
    assert not machine.allowed(SETTLE)
    assert machine.allowed(SWITCH)


def test_it_stays_a_disk_which_is_not_waited_for_for_ever(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    assert not machine.allowed(SETTLE, DISK)
    assert not machine.allowed(SWITCH - 1, DISK)
    assert machine.allowed(1, DISK)
    assert DISK in caplog.text
    assert machine.allowed(1, DISK)


def test_what_was_decided_is_not_reconsidered(machine: Machine) -> None:
    assert machine.allowed(SETTLE)
    assert machine.allowed(1, DISK)
