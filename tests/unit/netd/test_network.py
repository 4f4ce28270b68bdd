"""The network controller with a fake kernel: plans in force, temporary openings, and events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from app.addresses import Address
from app.errors import InvalidFieldError, KernelError
from app.model import BlockedPolicy, Device, LanLink, Links, WanLink
from app.netd.network import NetworkController
from app.netd.network_parts import DriftRepaired, PlanApplied, WanMoved
from app.netd.timesync import Files, TimeSync
from app.network import conntrack
from app.network.nft_layout import elements
from app.network.plan import (
    MARK_LOOKUP,
    ExitPlan,
    NetworkPlan,
    TransportPeer,
    TunnelPlan,
    exit_mark,
    resolver_network,
)
from app.network.resolvers import Answer
from app.protocol.events import SecurityAlert, StatusChanged, WanChanged
from app.protocol.status import Attestation
from app.store import Store
from app.tunnel.resolve import LookupFailedError

PEER = TransportPeer(ip_address("198.51.100.7"), 51820)
API = TransportPeer(ip_address("203.0.113.80"), 443)


RESOLVERS = (ip_address("10.64.0.1"), ip_address("10.64.0.2"))


def tunnel(slot: str, mtu: int = 1420, dns: tuple[Address, ...] = RESOLVERS) -> TunnelPlan:
    return TunnelPlan(slot, (ip_interface("10.0.0.2/32"),), mtu, (PEER,), (ip_network("0.0.0.0/0"),), dns)


UP = ExitPlan("default", 0, active=tunnel("a"))


class Fakes:
    """Fake kernel and links. ``refuses``: each plan raises KernelError; ``gone``: those with this port do."""

    attestation = Attestation(ok=True)

    def __init__(self, store: Store, directory: Path) -> None:
        self.plans: list[NetworkPlan] = []
        self.refuses = False
        self.gone: str | None = None
        self.applications = 0
        self.wanted: NetworkPlan | None = None  # what a reconciler goes on to try
        self.ready = asyncio.Event()  # cleared: the kernel takes its time
        self.ready.set()
        self.uid: int | None = None  # the time daemon's
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
            time_sync=TimeSync(self.uid, self.files),
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
        self.applications += 1
        self.wanted = plan
        await self.ready.wait()
        if self.refuses or self.gone in plan.unfiltered:
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


async def test_all_exits_are_shut_while_one_is_made(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    network = fakes.network(default=UP)
    forgotten: list[int] = []

    async def forget(index: int) -> None:
        if not forgotten:
            await network.add_exit("tv", 1)
        forgotten.append(index)

    monkeypatch.setattr(network, "forget_flows", forget)
    await network.shut_exits(shut=True)
    assert 0 in forgotten


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


async def test_exits_that_cannot_be_opened_stay_shut(fakes: Fakes) -> None:
    """Also in the plan that the kernel's repair goes on to try, and in the next one that anybody asks for."""
    network = fakes.network(default=UP)
    await network.shut_exits(shut=True)
    shut, others = fakes.wanted, fakes.applications
    fakes.refuses = True
    with pytest.raises(KernelError):
        await network.shut_exits(shut=False)
    assert fakes.applications > others + 1
    assert fakes.wanted == shut
    fakes.refuses = False
    await network.replan()
    assert fakes.plans[-1] == shut
    await network.shut_exits(shut=False)
    assert fakes.plans[-1] != shut


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


@contextlib.asynccontextmanager
async def closing(network: NetworkController) -> AsyncGenerator[None]:
    task = asyncio.create_task(network.close_openings())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def is_open(fakes: Fakes) -> bool:
    return str(API.address) in fakes.plans[-1].ruleset


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_opening_ends_at_its_deadline_whatever_its_user_does(
    fakes: Fakes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.netd.network.MAX_EXCHANGE", 0.2)
    network = fakes.network()
    async with closing(network), network.allow_cleartext((API,)):
        assert is_open(fakes)
        await until(lambda: not is_open(fakes))  # the exchange still hangs
    assert not is_open(fakes)


async def test_opening_that_the_kernel_kept_is_closed_later(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.netd.openings.RETRY_DELAY", 0.01)
    network = fakes.network()
    async with closing(network):
        async with network.allow_cleartext((API,)):
            fakes.refuses = True
        await until(lambda: bool(fakes.published))
        await asyncio.sleep(0.05)  # it is tried again and again meanwhile
        assert is_open(fakes)
        fakes.refuses = False
        await until(lambda: not is_open(fakes))
    assert [(type(e), e.reason) for e in fakes.published] == [(SecurityAlert, "plan_failed")]


async def test_time_servers_close_when_nobody_watches_the_clock(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.netd.timesync.MAX_OPEN", 0.3)
    fakes.uid = 104
    network = fakes.network()
    await network.replan()
    assert "104 . " in fakes.plans[-1].ruleset
    async with closing(network):
        await until(lambda: "104 . " not in fakes.plans[-1].ruleset)


# --- Looking up a name -----------------------------------------------------------------------------------------------

INSIDE, OUTSIDE = ip_address("10.64.0.1"), ip_address("192.168.1.1")


class Asked:
    """Name servers in place of real ones: ``knows`` says which have the address. Notes whom and with which opening."""

    def __init__(self, fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fakes = fakes
        self.knows: set[object] = set()
        self.asked: list[tuple[object, int, bool]] = []
        wan = WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),), OUTSIDE, nameservers=(OUTSIDE,))
        fakes.links = Links(wan, (LanLink("lan0"),))
        monkeypatch.setattr("app.tunnel.resolve.ask", self.ask)

    async def ask(self, host: str, server: object, kind: str, *, mark: int, timeout: float = 1.0) -> list[object]:
        self.asked.append((server, mark, bool(self.fakes.plans) and opened(self.fakes.plans[-1])))
        return [PEER.address if server in self.knows else ip_address("0.0.0.0")]


def opened(plan: NetworkPlan) -> bool:
    return str(OUTSIDE) in elements(plan.ruleset, "lookup4")


@pytest.fixture
def asked(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(fakes, monkeypatch)


def resolving(slot: str) -> ExitPlan:
    return ExitPlan("default", 0, active=replace(tunnel(slot), dns=(INSIDE,)))


async def test_lookup_while_a_tunnel_is_up_stays_inside(fakes: Fakes, asked: Asked) -> None:
    """The ISP does not learn which server comes next; nothing is opened."""
    network = fakes.network(default=resolving("a"))
    await network.replan()
    asked.knows = {INSIDE, OUTSIDE}
    assert await network.lookup("vps.example") == [PEER.address]
    assert asked.asked == [(INSIDE, exit_mark(0), False)]
    assert len(fakes.plans) == 1


async def test_lookup_that_fails_inside_goes_on_over_the_wan(fakes: Fakes, asked: Asked) -> None:
    """A tunnel that is dead, or a filter of the provider, must not stop the way to another server."""
    network = fakes.network(default=resolving("a"))
    await network.replan()
    asked.knows = {OUTSIDE}
    assert await network.lookup("vps.example") == [PEER.address]
    assert asked.asked == [(INSIDE, exit_mark(0), False), (OUTSIDE, MARK_LOOKUP, True)]
    assert not opened(fakes.plans[-1])


async def test_failed_lookup_names_every_server_and_answer(fakes: Fakes, asked: Asked) -> None:
    network = fakes.network(default=resolving("a"))
    await network.replan()
    with pytest.raises(LookupFailedError) as failed:
        await network.lookup("vps.example")
    assert failed.value.reasons == (
        f"the name server {INSIDE} in the tunnel gives 0.0.0.0 for vps.example: it is blocked there",
        f"the name server {OUTSIDE} of the WAN gives 0.0.0.0 for vps.example: it is blocked there",
    )
    assert not opened(fakes.plans[-1])


async def test_lookup_without_a_tunnel_asks_the_wan_alone(fakes: Fakes, asked: Asked) -> None:
    network = fakes.network()
    asked.knows = {OUTSIDE}
    assert await network.lookup("vps.example") == [PEER.address]
    assert [server for server, *_ in asked.asked] == [OUTSIDE]


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


def lease(address: str, router: str, *servers: str) -> Links:
    wan = WanLink(
        "wan0", True, 1500, (ip_interface(address),), IPv4Address(router), None, tuple(map(ip_address, servers))
    )
    return Links(wan, (LanLink("lan0"),))


async def test_lease_in_the_lan_is_the_problem_until_it_moves(fakes: Fakes) -> None:
    """The router gives out the LAN's own network, as a second gateway in a row does."""
    network = fakes.network()
    fakes.links = lease("192.168.77.20/24", "192.168.77.1")
    await network.relink()
    assert network.links.problem is not None
    assert network.links.problem.reason == "networks_overlap"
    assert "lan_address" in network.links.problem.message
    assert StatusChanged() in fakes.published
    await network.relink()
    assert len(fakes.plans) == 1, "the same lease again"
    fakes.links = lease("192.168.1.20/24", "192.168.1.1")
    await network.relink()
    assert network.links.problem is None


async def test_plan_of_links_that_are_gone_is_no_failure(fakes: Fakes) -> None:
    """udev renames a port that was just plugged in: the plan with its first name has an interface that is not there."""
    network = fakes.network()
    wan, renamed = fakes.links.wan, (LanLink("lan0"), LanLink("enx020000000001"))
    fakes.links = Links(wan, (LanLink("lan0"), LanLink("eth1")))
    fakes.ready.clear()
    fakes.gone = "eth1"
    relinking = asyncio.create_task(network.relink())
    await until(lambda: fakes.applications == 1)
    fakes.links = Links(wan, renamed)
    fakes.ready.set()
    await relinking
    assert (network.links.lan, len(fakes.plans)) == (renamed, 1)
    fakes.gone, fakes.links = "lan0", Links(wan, (LanLink("lan0"),))
    with pytest.raises(KernelError):
        await network.relink()


async def test_lease_in_the_lan_at_the_start_is_the_problem(fakes: Fakes) -> None:
    fakes.links = lease("192.168.77.20/24", "192.168.77.1")
    assert fakes.network().links.problem is not None


@pytest.mark.parametrize("lacks", [{"addresses": ()}, {"up": False}], ids=["address", "link"])
async def test_unusable_wan_has_no_overlap_as_well(fakes: Fakes, lacks: dict[str, Any]) -> None:
    """While a lease is being set, the router may be seen without the address: "wan_down" had the overlap's words."""
    whole = lease("192.168.77.20/24", "192.168.77.1")
    assert whole.wan is not None
    fakes.links = replace(whole, wan=replace(whole.wan, **lacks))
    network = fakes.network()
    assert network.links.problem is None
    fakes.links = whole
    await network.relink()
    assert network.links.problem is not None


async def test_one_wire_may_have_the_lan_in_the_routers_network(fakes: Fakes) -> None:
    shared = lease("192.168.77.20/24", "192.168.77.254", "192.168.77.254")
    fakes.links = Links(shared.wan, (LanLink("wan0"),))
    assert fakes.network().links.problem is None


async def test_overlap_that_only_limits_is_listed_among_the_problems(fakes: Fakes) -> None:
    fakes.links = lease("192.168.1.20/16", "192.168.0.1", "192.168.77.3")
    network = fakes.network()
    assert network.links.problem is None
    (problem,) = network.problems
    assert "192.168.77.3" in problem


async def test_tunnel_that_overlaps_is_refused_by_name(fakes: Fakes) -> None:
    """The router, another exit's server and the stand-ins are somebody else's; the WAN's own address is not."""
    other = TunnelPlan("a", (ip_interface("10.9.0.2/32"),), 1420, (PEER,), (ip_network("0.0.0.0/0"),), ())
    fakes.links = lease("10.5.0.2/16", "10.5.0.1")
    network = fakes.network(default=ExitPlan("default", 0, active=other))
    cases = {
        "10.5.0.2": None, "10.5.0.1": "router", "198.51.100.7": "exit default", "198.18.53.1": "resolvers",
        "192.168.77.9": "LAN",
    }  # fmt: skip
    for address, word in cases.items():
        found = network.clash("second", TunnelPlan("a", (ip_interface(address),), 1420, (), (), ()))
        assert (found is None) if word is None else word in (found or ""), (address, found)
    assert network.clash("default", other) is None, "the tunnel that it replaces"


async def test_lease_that_takes_a_tunnels_address_is_listed(fakes: Fakes) -> None:
    fakes.links = lease("10.0.0.9/24", "10.0.0.2")  # the router has the tunnel's address
    (problem,) = fakes.network(default=UP).problems
    assert "router" in problem


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


def translated(plan: NetworkPlan) -> list[str]:
    """The resolvers in the places of exit 0."""
    return [to for vip, to in elements(plan.ruleset, "resolver4").items() if ip_address(vip) in resolver_network(0, 4)]


async def test_resolver_in_the_lan_is_replaced_by_the_fallback(fakes: Fakes) -> None:
    """A provider's resolvers in the LAN's network: the LAN had no names at all, while the exit was connected."""
    network = fakes.network(default=ExitPlan("default", 0, tunnel("a", dns=(ip_address("192.168.77.53"),))))
    await network.start()
    assert translated(fakes.plans[-1]) == ["9.9.9.9", "149.112.112.112"] * 2
    (plan,) = network.exit_plans
    assert plan.active is not None
    assert [str(a) for a in plan.active.dns] == ["9.9.9.9", "149.112.112.112"], "netd's own look-ups use them too"


async def test_silent_resolver_loses_its_place_until_the_next_tunnel(fakes: Fakes) -> None:
    network = fakes.network(default=UP)
    await network.start()
    assert translated(fakes.plans[-1]) == ["10.64.0.1", "10.64.0.2"] * 2
    await network.use_answers("default", {RESOLVERS[0]: Answer.SILENT, RESOLVERS[1]: Answer.GOOD})
    assert translated(fakes.plans[-1]) == ["10.64.0.2", "10.64.0.1"] * 2
    count = len(fakes.plans)
    await network.use_answers("default", {RESOLVERS[0]: Answer.SILENT, RESOLVERS[1]: Answer.GOOD})
    assert len(fakes.plans) == count, "nothing has changed"
    await network.apply(ExitPlan("default", 0, tunnel("b")))
    assert translated(fakes.plans[-1]) == ["10.64.0.1", "10.64.0.2"] * 2


async def under_way(fakes: Fakes, network: NetworkController) -> asyncio.Task[None]:
    """An application that the kernel has not finished."""
    fakes.ready.clear()
    first = asyncio.create_task(network.replan())
    while not fakes.applications:
        await asyncio.sleep(0)
    return first


async def test_a_disconnect_waits_for_two_applications_at_most(fakes: Fakes) -> None:
    """However many ask for a plan of the present settings: they share one."""
    network = fakes.network(default=UP)
    tasks = [await under_way(fakes, network)]
    tasks += [asyncio.create_task(network.replan()) for _ in range(200)]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(network.apply(ExitPlan("default", 0))))
    await asyncio.sleep(0)
    fakes.ready.set()
    await asyncio.gather(*tasks)
    assert fakes.applications == 3
    assert [interfaces(plan) for plan in fakes.plans] == [["wg0a"], ["wg0a"], []]


async def test_a_change_is_in_force_when_its_request_is_answered(fakes: Fakes) -> None:
    network = fakes.network()
    first = await under_way(fakes, network)
    fakes.store.update_settings(lambda s: replace(s, devices=(Device("02:00:00:00:00:11", BlockedPolicy()),)))
    second = asyncio.create_task(network.replan())  # the one under way began before the change
    await asyncio.sleep(0)
    fakes.ready.set()
    await asyncio.gather(first, second)
    assert ["02:00:00:00:00:11" in plan.transaction for plan in fakes.plans] == [False, True]


async def test_a_refused_application_is_shared_by_nobody(fakes: Fakes) -> None:
    network = fakes.network()
    tasks = [await under_way(fakes, network)]
    tasks += [asyncio.create_task(network.replan()) for _ in range(3)]
    await asyncio.sleep(0)
    fakes.refuses = True
    fakes.ready.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [KernelError] * 4
    assert fakes.applications == 4


# --- what the canary goes by -----------------------------------------------------------------------------------------


async def test_what_the_kernel_follows_is_told_once_it_does(fakes):
    network = fakes.network()
    assert network.followed is None
    await network.replan()
    before = fakes.store.settings
    assert network.followed == before
    fakes.store.update_settings(lambda s: replace(s, default_policy=BlockedPolicy()))
    fakes.refuses = True
    with pytest.raises(KernelError):
        await network.replan()
    assert network.followed == before
    fakes.refuses = False
    await network.replan()
    assert network.followed == fakes.store.settings


async def test_exits_that_could_not_be_opened_stay_shut(fakes, monkeypatch):
    """The next plan, made for another reason, must not open them."""

    async def flush_mark(mark: int) -> None: ...

    monkeypatch.setattr(conntrack, "flush_mark", flush_mark)
    network = fakes.network(default=UP)
    await network.shut_exits(shut=True)
    fakes.refuses = True
    with pytest.raises(KernelError):
        await network.shut_exits(shut=False)
    fakes.refuses = False
    await network.replan()
    assert network.carrying_plans[0].active is None
    await network.shut_exits(shut=False)
    assert network.carrying_plans[0].active is not None
