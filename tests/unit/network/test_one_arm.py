"""The one-arm decision: a single port is WAN and LAN once no other port can be expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.network.one_arm import SETTLE_TIME, SWITCH_TIME, OneArm
from tests.support.file_calls import blocking_file_calls

DISK = "0bda:8151 at usb-1.2"


class Machine:
    def __init__(self, record: Path) -> None:
        self.now = 100.0
        self.disks: tuple[str, ...] = ()
        self.one_arm = OneArm(record, disks=self.disks_now, clock=lambda: self.now)

    async def disks_now(self) -> tuple[str, ...]:
        return self.disks

    async def allowed(self, after: float, *disks: str, single: bool = True) -> bool:
        self.now += after
        self.disks = disks
        await self.one_arm.refresh()
        return self.one_arm.allowed(single)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "topology")


async def test_single_port_is_one_arm_after_the_settle_time(machine: Machine) -> None:
    assert not await machine.allowed(SETTLE_TIME - 1)
    assert await machine.allowed(1)


async def test_disk_that_becomes_a_port_prevents_one_arm(machine: Machine) -> None:
    assert not await machine.allowed(SETTLE_TIME, DISK)
    assert not await machine.allowed(1)  # no disk any more, and no port yet
    assert not await machine.allowed(1, single=False)
    assert not await machine.allowed(SWITCH_TIME)  # and that was the LAN's: pulled out or not


async def test_switched_disk_that_is_no_port_yet_delays_one_arm(machine: Machine) -> None:
    assert not await machine.allowed(1, DISK)
    assert not await machine.allowed(SETTLE_TIME)
    assert await machine.allowed(SWITCH_TIME)


async def test_disk_that_stays_a_disk_delays_one_arm_once(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    assert not await machine.allowed(SETTLE_TIME, DISK)
    assert not await machine.allowed(SWITCH_TIME - 1, DISK)
    assert await machine.allowed(1, DISK)
    assert DISK in caplog.text
    assert await machine.allowed(1, DISK)


async def test_one_arm_decision_is_not_reconsidered(machine: Machine) -> None:
    assert await machine.allowed(SETTLE_TIME)
    assert await machine.allowed(1, DISK)


async def test_one_arm_decision_is_recorded_once_off_the_event_loop(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "topology")
    with blocking_file_calls(tmp_path) as found:
        assert not await machine.allowed(1)
        await machine.one_arm.remember()
        assert not (tmp_path / "topology").exists()
        assert await machine.allowed(SETTLE_TIME)
        await machine.one_arm.remember()
    assert found == []
    assert (tmp_path / "topology").read_text() == "one-arm"
    (tmp_path / "topology").unlink()
    await machine.one_arm.remember()
    assert not (tmp_path / "topology").exists()
