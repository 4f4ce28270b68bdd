"""Cables in the wrong place are told once: after adapters had time to appear, and for as long as they stay."""

from __future__ import annotations

import pytest

from app.model import LinkProblem
from app.netd.cabling import SETTLE_TIME, CablingMonitor
from app.protocol.events import GatewayEvent, SecurityAlert

UNKNOWN = LinkProblem("wan_unknown", "which?")


class Machine:
    def __init__(self) -> None:
        self.now = 0.0
        self.problem: LinkProblem | None = None
        self.stopped = 0
        self.ports: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self.asked = 0
        self.told: list[GatewayEvent] = []
        self.cabling = CablingMonitor(
            problem=lambda: self.problem,
            drops=self.drops,
            foreign=self.foreign,
            publish=self.told.append,
            clock=lambda: self.now,
        )

    async def drops(self) -> dict[str, int]:
        return {"foreign_router": self.stopped}

    async def foreign(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        self.asked += 1
        return self.ports

    @property
    def alerts(self) -> list[SecurityAlert]:
        return [event for event in self.told if isinstance(event, SecurityAlert)]

    def look(self, after: float) -> list[GatewayEvent]:
        self.now += after
        self.told.clear()
        self.cabling.check_wan()
        return self.told


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_a_wan_that_stays_unknown_is_told_once_and_again_after_it_was_known(machine: Machine) -> None:
    machine.problem = UNKNOWN
    assert machine.look(1) == []
    machine.problem = LinkProblem("wan_unknown", "which of two?")  # another adapter has appeared
    assert machine.look(SETTLE_TIME - 1) == []
    assert machine.look(2) == [SecurityAlert("wan_unknown", "which of two?")]
    assert machine.look(SETTLE_TIME * 2) == []
    machine.problem = None
    assert machine.look(1) == []
    machine.problem = UNKNOWN
    assert machine.look(1) == []
    assert len(machine.look(SETTLE_TIME)) == 1


async def test_another_router_is_told_by_its_port_while_it_answers(machine: Machine) -> None:
    await machine.cabling.check_routers()
    assert machine.asked == 0  # an idle gateway starts no process for it
    machine.stopped, machine.ports = 3, (("enx1",), ("enx1", "enx2"))
    await machine.cabling.check_routers()
    assert [(told.reason, told.port) for told in machine.alerts] == [
        ("foreign_router", p) for p in ("enx1", "enx1", "enx2")
    ]
    assert "another DHCP server on the LAN port enx1" in machine.alerts[0].message
    machine.told.clear()
    machine.stopped = 4
    await machine.cabling.check_routers()
    assert machine.told == []
    machine.ports = ((), ())
    await machine.cabling.check_routers()
    asked = machine.asked
    await machine.cabling.check_routers()
    assert machine.asked == asked
    machine.stopped, machine.ports = 5, (("enx1",), ())
    await machine.cabling.check_routers()
    assert len(machine.told) == 1
