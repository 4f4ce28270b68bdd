"""An adapter that stays a disk is told once, after it had time to be switched, and its end gets into the record."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.netd.adapters import AdapterMonitor
from app.network.modeswitch import advice
from app.network.one_arm import SWITCH
from app.protocol.events import GatewayEvent, SecurityAlert
from tests.support.file_calls import blocking_file_calls

ONE, TWO = "0bda:8151 at usb-1.2", "12d1:1f01 at usb-1.3"


class Machine:
    def __init__(self, record: Path) -> None:
        self.now = 100.0
        self.disks: tuple[str, ...] = ()
        self.record = record
        self.told: list[GatewayEvent] = []
        self.start()

    def start(self) -> None:
        """netd, anew."""
        self.adapters = AdapterMonitor(
            self.record,
            publish=self.told.append,
            disks=self.disks_now,
            clock=lambda: self.now,
        )

    async def disks_now(self) -> tuple[str, ...]:
        return self.disks

    async def look(self, after: float, *disks: str) -> list[GatewayEvent]:
        self.now += after
        self.disks = disks
        self.told.clear()
        with blocking_file_calls(self.record.parent) as found:
            await self.adapters.check()
        assert found == []
        return self.told

    @property
    def recorded(self) -> list[str]:
        return self.record.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "adapters")


def alert(disk: str) -> SecurityAlert:
    return SecurityAlert("adapter_is_disk", advice(disk))


async def test_what_is_switched_in_time_is_not_worth_a_word(machine: Machine) -> None:
    assert await machine.look(0, ONE) == []
    assert await machine.look(SWITCH - 1, ONE) == []
    assert await machine.look(1) == []
    assert await machine.look(1, ONE) == []  # in again: its time begins anew
    assert not machine.record.exists()  # nor a report


async def test_what_stays_a_disk_is_told_once_and_taken_back(machine: Machine) -> None:
    assert await machine.look(0, ONE) == []
    assert await machine.look(SWITCH, ONE) == [alert(ONE)]
    assert machine.recorded == [advice(ONE)]
    assert await machine.look(SWITCH, ONE, TWO) == []
    assert await machine.look(SWITCH, ONE, TWO) == [alert(TWO)]
    assert machine.recorded == [advice(ONE), advice(TWO)]
    assert await machine.look(1, TWO) == []
    assert machine.recorded == [advice(TWO)]
    assert await machine.look(1) == []
    assert machine.recorded == []


async def test_another_netd_knows_what_was_told(machine: Machine) -> None:
    await machine.look(0, ONE)
    await machine.look(SWITCH, ONE)
    machine.start()
    assert await machine.look(1, ONE) == []
    assert machine.recorded == [advice(ONE)]
    machine.start()
    await machine.look(1)
    assert machine.recorded == []
