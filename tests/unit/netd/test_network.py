"""The network's controller with a fake kernel: what is in force, what is open for a moment, and what is told."""

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


class World:
    """Kernel and links; ``refuses``: the kernel does not follow."""

    attestation = Attestation(ok=True)

    def __init__(self, store: Store, directory: Path) -> None:
        self.plans: list[NetworkPlan] = []
        self.refuses = False
        self.links = Links(WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),)), (LanLink("lan0"),))
        self.told: list[object] = []
        self.changes: list[object] = []
        self.store = store
        self.files = Files(*(directory / name for name in ("synchronized", "offered", "configured", "chosen")))

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
            publish=self.told.append,
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
def world(tmp_path: Path) -> Iterator[World]:
    with Store(tmp_path) as store:
        yield World(store, tmp_path)


def interfaces(plan: NetworkPlan) -> list[str]:
    return sorted(link.name for link in plan.links)


async def test_a_tunnel_that_was_taken_over_outlives_a_first_plan_that_fails(world: World) -> None:
    network = world.network(default=UP)
    world.refuses = True
    await network.start()
    (alert,) = world.told
    assert isinstance(alert, SecurityAlert)
    assert alert.reason == "plan_failed"
    world.refuses = False
    await network.replan()
    assert interfaces(world.plans[-1]) == ["wg0a"]


async def test_what_the_kernel_refused_is_not_in_force(world: World) -> None:
    network = world.network()
    world.refuses = True
    with pytest.raises(KernelError):
        await network.apply(UP)
    assert network.exit_plans == (ExitPlan("default", 0),)
    assert world.changes == []


async def test_an_opening_in_the_midst_of_a_switch_keeps_both_tunnels_as_they_are(world: World) -> None:
    """The route leads into the new one already: a look-up of somebody else must not lead it back."""
    both = ExitPlan("default", 0, active=tunnel("b"), draining=tunnel("a"))
    network = world.network(default=UP)
    await network.apply(both)
    flipped = world.plans[-1]
    async with network.allow_cleartext((API,)):
        assert str(API.address) in world.plans[-1].ruleset
        assert world.plans[-1].routes == flipped.routes
        assert network.exit_plans == (both,)
    assert world.plans[-1] == flipped


async def test_an_opening_ends_also_where_the_exchange_is_cancelled(world: World) -> None:
    network = world.network()
    opened = asyncio.Event()

    async def exchange() -> None:
        async with network.allow_cleartext((API,)):
            opened.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(exchange())
    await opened.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert str(API.address) not in world.plans[-1].ruleset


async def test_openings_of_a_moment_are_no_news_for_others(world: World) -> None:
    network = world.network()
    async with network.allow_cleartext((API,)):
        pass
    assert world.changes == []
    await network.apply(UP)
    await network.replan()
    assert world.changes == [PlanApplied(), PlanApplied()]


async def test_a_tunnel_at_fault_is_told_from_settings_at_fault(world: World) -> None:
    network = world.network()
    bad = ExitPlan("default", 0, candidate=tunnel("a", mtu=100))
    with pytest.raises(InvalidFieldError):
        await network.apply(bad)
    assert network.problem is None
    world.links = Links(None, (LanLink('lan"0'),))
    with pytest.raises(KernelError) as refused:
        await network.relink()
    assert refused.value.code == "unplannable"
    with pytest.raises(KernelError):
        await network.apply(bad)
    assert network.problem is not None


async def test_another_wan_is_published_and_told(world: World) -> None:
    network = world.network()
    await network.relink()
    assert (world.told, world.changes) == ([], []), "nothing has changed"
    world.links = Links(WanLink("wan1", True, 1500, ()), (LanLink("lan0"),))
    await network.relink()
    assert world.told == [WanChanged("wan1", "wan1", None), StatusChanged()]
    assert world.changes == [PlanApplied(), WanMoved()]


async def test_drift_is_published_and_told(world: World) -> None:
    world.network()
    world.drift(("a", "b"))
    assert world.told == [SecurityAlert("drift", "a; b", drift=("a", "b"))]
    assert world.changes == [DriftRepaired(("a", "b"))]


async def test_once_frozen_nothing_changes(world: World) -> None:
    network = world.network()
    network.freeze()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await network.apply(UP)
    assert world.plans == []
