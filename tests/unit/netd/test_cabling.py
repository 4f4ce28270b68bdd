"""The cabling monitor reports a wrong cable once, after adapters have had time to appear."""

from __future__ import annotations

import pytest

from app.model import LinkProblem
from app.netd.cabling import SETTLE_TIME, CablingMonitor
from app.protocol.events import GatewayEvent, SecurityAlert

UNKNOWN = LinkProblem("wan_unknown", "which?")


class Fakes:
    def __init__(self) -> None:
        self.now = 0.0
        self.problem: LinkProblem | None = None
        self.stopped = 0
        self.ports: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self.asked = 0
        self.published: list[GatewayEvent] = []
        self.cabling = CablingMonitor(
            problem=lambda: self.problem,
            drops=self.drops,
            foreign=self.foreign,
            publish=self.published.append,
            clock=lambda: self.now,
        )

    async def drops(self) -> dict[str, int]:
        return {"foreign_router": self.stopped}

    async def foreign(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        self.asked += 1
        return self.ports

    @property
    def alerts(self) -> list[SecurityAlert]:
        return [event for event in self.published if isinstance(event, SecurityAlert)]

    def look(self, after: float) -> list[GatewayEvent]:
        self.now += after
        self.published.clear()
        self.cabling.check_wan()
        return self.published


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


def test_unknown_wan_is_reported_once_per_occurrence(fakes: Fakes) -> None:
    """A problem is reported after it has lasted, once, and again if it returns."""
    fakes.problem = UNKNOWN
    assert fakes.look(1) == []
    fakes.problem = LinkProblem("wan_unknown", "which of two?")  # another adapter has appeared
    assert fakes.look(SETTLE_TIME - 1) == []
    assert fakes.look(2) == [SecurityAlert("wan_unknown", "which of two?")]
    assert fakes.look(SETTLE_TIME * 2) == []
    fakes.problem = None
    assert fakes.look(1) == []
    fakes.problem = UNKNOWN
    assert fakes.look(1) == []
    assert len(fakes.look(SETTLE_TIME)) == 1


async def test_foreign_router_is_reported_once_per_port(fakes: Fakes) -> None:
    """A port is reported once for as long as its router keeps answering."""
    await fakes.cabling.check_routers()
    assert fakes.asked == 0  # an idle gateway starts no process
    fakes.stopped, fakes.ports = 3, (("enx1",), ("enx1", "enx2"))
    await fakes.cabling.check_routers()
    assert [(alert.reason, alert.port) for alert in fakes.alerts] == [
        ("foreign_router", p) for p in ("enx1", "enx1", "enx2")
    ]
    assert "another DHCP server on the LAN port enx1" in fakes.alerts[0].message
    fakes.published.clear()
    fakes.stopped = 4
    await fakes.cabling.check_routers()
    assert fakes.published == []
    fakes.ports = ((), ())
    await fakes.cabling.check_routers()
    asked = fakes.asked
    await fakes.cabling.check_routers()
    assert fakes.asked == asked
    fakes.stopped, fakes.ports = 5, (("enx1",), ())
    await fakes.cabling.check_routers()
    assert len(fakes.published) == 1
