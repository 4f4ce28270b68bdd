"""The network controller with a fake kernel: plans in force, temporary openings, and events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from app.errors import InvalidFieldError, KernelError
from app.model import LanLink, Links, WanLink
from app.netd.network import NetworkController
from app.netd.network_parts import DriftRepaired, PlanApplied, WanMoved
from app.netd.timesync import Files, TimeSync
from app.network.plan import ExitPlan, NetworkPlan, TransportPeer, TunnelPlan
from app.protocol.events import SecurityAlert, StatusChanged, WanChanged
from app.protocol.status import Attestation
from app.store import Store

PEER = TransportPeer(ip_address("198.51.100.7"), 51820)
API = TransportPeer(ip_address("203.0.113.80"), 443)


def tunnel(slot: str, mtu: int = 1420) -> TunnelPlan:
    return TunnelPlan(slot, (ip_interface("10.0.0.2/32"),), mtu, (PEER,), (ip_network("0.0.0.0/0"),), ())


UP = ExitPlan("default", 0, active=tunnel("a"))


class Fakes:
    """Fake kernel and links; ``refuses``: each plan raises KernelError."""

    attestation = Attestation(ok=True)

    def __init__(self, store: Store, directory: Path) -> None:
        self.plans: list[NetworkPlan] = []
        self.refuses = False
        self.links = Links(WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),)), (LanLink("lan0"),))
        self.published: list[object] = []
        self.changes: list[object] = []
        self.store = store
        self.files = Files(*(directory / name for name in ("synchronized", "offered", "configured", "chosen")))

    @property
    def plan(self) -> NetworkPlan | None:
        return self.plans[-1] if self.plans else None

    def network(self, **exit_plans: ExitPlan) -> NetworkController:
        made = NetworkController(
            store=self.store,
            make_kernel=self.make,
            link_source=self,
            links=self.links,
            exit_plans=exit_plans,
            time_sync=TimeSync(None, self.files),
            flowtable=False,
            http_ports=(5000,),
            publish=self.published.append,
        )
        made.subscribe(self.changes.append)
        return made

    def make(self, on_drift):
        self.drift = on_drift
        return self

    async def apply(self, plan: NetworkPlan, *, routed=None) -> None:
        if self.refuses:
            raise KernelError("refused")
        self.plans.append(plan)

    async def observe(self, settings: object) -> Links:
        return self.links


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    with Store(tmp_path) as store:
        yield Fakes(store, tmp_path)


def interfaces(plan: NetworkPlan) -> list[str]:
    return sorted(link.name for link in plan.links)


async def test_adopted_tunnel_survives_a_failed_first_plan(fakes: Fakes) -> None:
    network = fakes.network(default=UP)
    fakes.refuses = True
    await network.start()
    (alert,) = fakes.published
    assert isinstance(alert, SecurityAlert)
    assert alert.reason == "plan_failed"
    fakes.refuses = False
    await network.replan()
    assert interfaces(fakes.plans[-1]) == ["wg0a"]


async def test_plan_refused_by_kernel_is_not_in_force(fakes: Fakes) -> None:
    network = fakes.network()
    fakes.refuses = True
    with pytest.raises(KernelError):
        await network.apply(UP)
    assert network.exit_plans == (ExitPlan("default", 0),)
    assert fakes.changes == []


async def test_opening_during_a_switch_keeps_both_tunnels(fakes: Fakes) -> None:
    """The route already leads into the new tunnel: the plan of another look-up must not move it back."""
    both = ExitPlan("default", 0, active=tunnel("b"), draining=tunnel("a"))
    network = fakes.network(default=UP)
    await network.apply(both)
    flipped = fakes.plans[-1]
    async with network.allow_cleartext((API,)):
        assert str(API.address) in fakes.plans[-1].ruleset
        assert fakes.plans[-1].routes == flipped.routes
        assert network.exit_plans == (both,)
    assert fakes.plans[-1] == flipped


async def test_opening_ends_when_the_exchange_is_cancelled(fakes: Fakes) -> None:
    network = fakes.network()
    opened = asyncio.Event()

    async def exchange() -> None:
        async with network.allow_cleartext((API,)):
            opened.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(exchange())
    await opened.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert str(API.address) not in fakes.plans[-1].ruleset


async def test_openings_are_not_announced(fakes: Fakes) -> None:
    network = fakes.network()
    async with network.allow_cleartext((API,)):
        pass
    assert fakes.changes == []
    await network.apply(UP)
    await network.replan()
    assert fakes.changes == [PlanApplied(), PlanApplied()]


async def test_unplannable_tunnel_and_settings_differ_in_error(fakes: Fakes) -> None:
    network = fakes.network()
    bad = ExitPlan("default", 0, candidate=tunnel("a", mtu=100))
    with pytest.raises(InvalidFieldError):
        await network.apply(bad)
    assert network.problem is None
    fakes.links = Links(None, (LanLink('lan"0'),))
    with pytest.raises(KernelError) as refused:
        await network.relink()
    assert refused.value.code == "unplannable"
    with pytest.raises(KernelError):
        await network.apply(bad)
    assert network.problem is not None


async def test_changed_wan_is_published_and_announced(fakes: Fakes) -> None:
    network = fakes.network()
    await network.relink()
    assert (fakes.published, fakes.changes) == ([], []), "nothing has changed"
    fakes.links = Links(WanLink("wan1", True, 1500, ()), (LanLink("lan0"),))
    await network.relink()
    assert fakes.published == [WanChanged("wan1", "wan1", None), StatusChanged()]
    assert fakes.changes == [PlanApplied(), WanMoved()]


async def test_drift_is_published_and_announced(fakes: Fakes) -> None:
    fakes.network()
    fakes.drift(("a", "b"))
    assert fakes.published == [SecurityAlert("drift", "a; b", drift=("a", "b"))]
    assert fakes.changes == [DriftRepaired(("a", "b"))]


async def test_frozen_network_applies_nothing(fakes: Fakes) -> None:
    network = fakes.network()
    network.freeze()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await network.apply(UP)
    assert fakes.plans == []
