"""The activation of a WAN that is named by its place, its MAC address or its kind."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from app.model import Links, LinkSettings, WanLink
from app.netd.wan_activation import WanActivation
from app.network.plan import NetworkPlan, RulePlan

USB0 = Links(WanLink("usb0"), ())
SETTINGS = LinkSettings(wan="usb-1.2@a.usb")


def plan(name: str) -> NetworkPlan:
    return NetworkPlan("", (RulePlan(10025, 4, 254, iif="lo", oif=name),), (), (), (), ())


@dataclass
class Ports:
    """Fake ports by their names, and a list of those that were taken up."""

    present: dict[str, int] = field(default_factory=lambda: {"usb0": 7})
    started: list[str] = field(default_factory=list[str])

    async def start(self, name: str) -> None:
        self.started.append(name)

    def index(self, name: str) -> int:
        if name not in self.present:
            raise OSError(f"no interface {name}")
        return self.present[name]


@pytest.fixture
def ports() -> Ports:
    return Ports()


@pytest.fixture
def activation(ports: Ports) -> WanActivation:
    return WanActivation(ports.start, ports.index)


@pytest.mark.parametrize("wan", ["usb-1.2", "usb-1.2@a.usb", "00:e0:4c:68:01:22", "usb-modem"])
async def test_port_is_taken_up_once_for_each_time_it_appears(
    activation: WanActivation, ports: Ports, wan: str
) -> None:
    settings = LinkSettings(wan=wan)
    await activation.follow(settings, USB0, plan("usb0"))
    await activation.follow(settings, USB0, plan("usb0"))  # an administrator may have taken it down
    assert ports.started == ["usb0"]
    ports.present["usb0"] = 8
    await activation.follow(settings, USB0, plan("usb0"))
    assert ports.started == ["usb0", "usb0"]


@pytest.mark.parametrize(
    ("settings", "links", "in_force"),
    [
        (SETTINGS, USB0, None),  # the kernel refused the plan
        (SETTINGS, USB0, plan("usb1")),
        (SETTINGS, Links(None, ()), plan("usb0")),
        (LinkSettings(), USB0, plan("usb0")),
        (LinkSettings(wan="usb0"), USB0, plan("usb0")),
        (LinkSettings(wan="wan-ppp", carrier="usb-1.2"), Links(WanLink("wan-ppp"), ()), plan("wan-ppp")),
    ],
)
async def test_port_stays_as_it_is(
    activation: WanActivation, ports: Ports, settings: LinkSettings, links: Links, in_force: NetworkPlan | None
) -> None:
    await activation.follow(settings, links, in_force)
    assert ports.started == []


async def test_port_that_was_just_pulled_out_is_taken_up_later(activation: WanActivation, ports: Ports) -> None:
    ports.present = {}
    await activation.follow(SETTINGS, USB0, plan("usb0"))
    assert ports.started == []
    ports.present = {"usb0": 9}
    await activation.follow(SETTINGS, USB0, plan("usb0"))
    assert ports.started == ["usb0"]
