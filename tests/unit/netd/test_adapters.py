"""The adapter monitor reports each stuck adapter once, after the time for a switch, and records its removal."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.netd.adapters import AdapterMonitor
from app.network.modeswitch import advice
from app.network.one_arm import SWITCH_TIME
from app.protocol.events import GatewayEvent, SecurityAlert
from tests.support.file_calls import blocking_file_calls

ONE, TWO = "0bda:8151 at usb-1.2", "12d1:1f01 at usb-1.3"


class Fakes:
    def __init__(self, record: Path) -> None:
        self.now = 100.0
        self.disks: tuple[str, ...] = ()
        self.record = record
        self.published: list[GatewayEvent] = []
        self.start()

    def start(self) -> None:
        """Start netd again."""
        self.adapters = AdapterMonitor(
            self.record,
            publish=self.published.append,
            disks=self.disks_now,
            clock=lambda: self.now,
        )

    async def disks_now(self) -> tuple[str, ...]:
        return self.disks

    async def look(self, after: float, *disks: str) -> list[GatewayEvent]:
        self.now += after
        self.disks = disks
        self.published.clear()
        with blocking_file_calls(self.record.parent) as found:
            await self.adapters.check()
        assert found == []
        return self.published

    @property
    def recorded(self) -> list[str]:
        return self.record.read_text().splitlines()


@pytest.fixture
def fakes(tmp_path: Path) -> Fakes:
    return Fakes(tmp_path / "adapters")


def alert(disk: str) -> SecurityAlert:
    return SecurityAlert("adapter_is_disk", advice(disk))


async def test_adapter_switched_in_time_is_not_reported(fakes: Fakes) -> None:
    assert await fakes.look(0, ONE) == []
    assert await fakes.look(SWITCH_TIME - 1, ONE) == []
    assert await fakes.look(1) == []
    assert await fakes.look(1, ONE) == []  # plugged in again: its time starts again
    assert not fakes.record.exists()  # no report either


async def test_adapter_stuck_as_disk_is_reported_once_until_removed(fakes: Fakes) -> None:
    assert await fakes.look(0, ONE) == []
    assert await fakes.look(SWITCH_TIME, ONE) == [alert(ONE)]
    assert fakes.recorded == [advice(ONE)]
    assert await fakes.look(SWITCH_TIME, ONE, TWO) == []
    assert await fakes.look(SWITCH_TIME, ONE, TWO) == [alert(TWO)]
    assert fakes.recorded == [advice(ONE), advice(TWO)]
    assert await fakes.look(1, TWO) == []
    assert fakes.recorded == [advice(TWO)]
    assert await fakes.look(1) == []
    assert fakes.recorded == []


async def test_restarted_netd_does_not_repeat_a_report(fakes: Fakes) -> None:
    await fakes.look(0, ONE)
    await fakes.look(SWITCH_TIME, ONE)
    fakes.start()
    assert await fakes.look(1, ONE) == []
    assert fakes.recorded == [advice(ONE)]
    fakes.start()
    await fakes.look(1)
    assert fakes.recorded == []
