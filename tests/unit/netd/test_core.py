"""The core with a kernel of the mind: what it asks for, and what becomes of settings when that does not follow."""

from __future__ import annotations

import asyncio
import contextlib
import typing
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import InvalidFieldError, KernelError
from app.model import BlockedPolicy, Device, DirectPolicy, LanLink, Links, ServerChange, Settings
from app.netd import accounts
from app.netd import core as core_module
from app.netd.core import Core
from app.netd.gate import ProviderGate, environment
from app.netd.timesync import Files, TimeSync
from app.netd.wanport import WanPort
from app.network.plan import NetworkPlan, TransportPeer, TunnelPlan
from app.protocol.commands import AnyCommand, ChangePreferences, LeakTest, SetDevicePolicy, SetFavourite
from app.protocol.events import SecurityAlert
from app.protocol.preferences import PreferencesChange
from app.protocol.status import Attestation
from app.providers.config import ProvidersConfig
from app.providers.registry import Registry
from app.store import Store
from app.store.validation import check_settings
from app.tunnel.exitcheck import ExitAddress
from app.tunnel.states import Connected, Connecting, Target, Tunnel

PEER = TransportPeer(ip_address("198.51.100.7"), 51820)


class Kernel:
    """A reconciler and a WireGuard; ``refuses``: the kernel does not follow."""

    def __init__(self) -> None:
        self.kind = "kernel"
        self.attestation = Attestation(ok=False)
        self.plans: list[NetworkPlan] = []
        self.refuses = False

    async def verify(self) -> tuple[str, ...]:
        return ()

    async def names(self) -> set[str]:
        return set()

    async def stats(self, name: str) -> None:
        return None

    async def apply(self, plan: NetworkPlan, *, routed=None) -> None:
        if self.refuses:
            raise KernelError("refused")
        self.plans.append(plan)
        self.attestation = Attestation(ok=True)

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def drops(self) -> dict[str, int]:
        return {}

    async def foreign(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return (), ()

    async def neighbours(self, mac: str) -> list[str]:
        return []


class Machine:
    """netd's :class:`Services`: links and leases."""

    http_ports = (5000,)

    def __init__(self) -> None:
        self.links = Links(wan=None, lan=(LanLink("lan0"),))
        self.link_events: asyncio.Queue[None] = asyncio.Queue()

    async def observe(self, settings: object) -> Links:
        return self.links

    async def link_changes(self):
        while True:
            yield await self.link_events.get()

    async def apply(self, *arguments: object, **more: object) -> None:
        pass

    def leases(self) -> tuple[()]:
        return ()

    def lease_file(self) -> str:
        return ""


@pytest.fixture
def kernel(monkeypatch):
    made = Kernel()
    monkeypatch.setattr(core_module, "Reconciler", lambda backend, on_drift: made)
    return made


@pytest.fixture
async def core(tmp_path: Path, kernel: Kernel):
    files = Files(*(tmp_path / name for name in ("synchronized", "offered", "configured", "chosen")))
    with Store(tmp_path) as store:
        made = Core(
            store=store,
            state_dir=tmp_path,
            backend=kernel,  # type: ignore[arg-type]
            registry=Registry(store, environment(store, tmp_path, ProviderGate(), ProvidersConfig())),
            services=Machine(),  # type: ignore[arg-type]
            run_dir=tmp_path,
            flowtable=False,
            time_sync=TimeSync(None, files),
            wan_port=WanPort(tmp_path / "card", tmp_path / "wan" / "port"),
        )
        yield made
        await made.records.statistics.close()


@pytest.fixture
async def started(core: Core):
    """Starts the core; only the tasks named run."""
    running: list[asyncio.Task[None]] = []

    async def start(*wanted: str) -> None:
        for task in await core.start():
            if task.get_name() in wanted:
                running.append(task)
            else:
                task.cancel()

    yield start
    for task in running:
        assert not task.done() or task.cancelled(), task
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def alerts(core: Core) -> list[tuple[object, object]]:
    kept = core.events._recent
    return [(e.event.reason, e.event.message) for e in kept if isinstance(e.event, SecurityAlert)]


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


# --- settings and links that cannot be planned -----------------------------------------------------------------------


async def test_links_that_cannot_be_planned_leave_it_up_blocked_and_heard(core, kernel, started):
    services = core._services
    good, services.links = services.links, Links(wan=None, lan=(LanLink('lan"0'),))
    await started("links")
    now = await core.snapshot()
    assert (kernel.plans, now.attestation.ok) == ([], False)
    (problem,) = now.problems
    assert "links" in problem
    assert alerts(core) == [("plan_failed", problem)]

    def change(links: Links) -> None:
        services.links = links
        services.link_events.put_nowait(None)

    change(good)
    await until(lambda: kernel.plans)
    assert (await core.snapshot()).problems == ()
    change(Links(wan=None, lan=(LanLink("lan 0"),)))
    await until(lambda: len(alerts(core)) == 2)
    assert (await core.snapshot()).problems == now.problems
    assert len(kernel.plans) == 1


async def test_a_tunnel_that_cannot_be_planned_is_at_fault_itself(core, kernel, started):
    """The caller hears what is wrong with the server, and the settings are not blamed."""
    await started()
    plan = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 100, (PEER,), (ip_network("0.0.0.0/0"),), ())
    tunnel = Tunnel(Target("custom", "x"), plan, "key", PEER)
    with pytest.raises(InvalidFieldError) as caught:
        await core.enter("default", Connecting(tunnel))
    assert caught.value.field == "mtu"
    assert (await core.snapshot()).problems == ()


# --- settings that several change at once ----------------------------------------------------------------------------

MAC = "02:00:00:00:00:01"
OTHER = Device("02:00:00:00:00:02", BlockedPolicy())


def store_another(core: Core) -> None:
    core.store.update_settings(lambda s: replace(s, favourites=("custom/a",), devices=(*s.devices, OTHER)))


@pytest.mark.parametrize("old", [None, Device(MAC, BlockedPolicy(), "Telly")])
async def test_a_policy_that_the_kernel_refuses_takes_back_itself_alone(core, kernel, started, monkeypatch, old):
    """What others stored while the kernel was asked stays."""
    await started()
    core.store.update_settings(lambda s: replace(s, devices=(old,) if old else ()))

    async def refuse(plan, **_):
        store_another(core)
        raise KernelError("refused")

    monkeypatch.setattr(kernel, "apply", refuse)
    with pytest.raises(KernelError):
        await core.submit(SetDevicePolicy(MAC, DirectPolicy()))
    assert core.settings.favourites == ("custom/a",)
    assert set(core.settings.devices) == {OTHER, *([old] if old else [])}


async def test_a_policy_that_somebody_else_set_meanwhile_is_not_taken_back(core, kernel, started, monkeypatch):
    await started()

    async def refuse(plan, **_):
        core.store.update_settings(lambda s: replace(s, devices=(Device(MAC, BlockedPolicy()),)))
        raise KernelError("refused")

    monkeypatch.setattr(kernel, "apply", refuse)
    with pytest.raises(KernelError):
        await core.submit(SetDevicePolicy(MAC, DirectPolicy()))
    assert core.settings.devices == (Device(MAC, BlockedPolicy()),)


async def test_a_favourite_forgets_none_that_was_marked_meanwhile(core, started, monkeypatch):
    """The server's list may have to be fetched first; two may be marked meanwhile."""
    await started()

    async def find(provider, name):
        core.store.update_settings(lambda s: replace(s, favourites=("mullvad/first",)))

    monkeypatch.setattr(accounts, "find_server", find)
    await core.submit(SetFavourite("mullvad", "second", favourite=True))
    assert core.settings.favourites == ("mullvad/first", "mullvad/second")


# --- one judge of a value --------------------------------------------------------------------------------------------

PREFERENCES = [
    ("exit_check_url", "exit_check_url", good, url)
    for url, good in {
        "https://example.net/json": True,
        "https://[2001:db8::1]:8443/ip": True,
        "http://example.net/json": False,
        "https://user:pw@example.net/": False,
        "https://example.net:0/": False,
        "https:///json": False,
        "https://example.net/\x07": False,
        "https://example.net/" + "a" * 240: False,
        "file:///etc/shadow": False,
        "": False,
    }.items()
] + [
    ("fallback_dns", "fallback_dns", True, (ip_address("9.9.9.9"), ip_address("2620:fe::fe"))),
    ("fallback_dns", "fallback_dns", False, (ip_address("224.0.0.1"),)),
    ("fallback_dns", "fallback_dns", False, (ip_address("127.0.0.1"),)),
    ("fallback_dns", "fallback_dns", False, (ip_address("9.9.9.9"),) * 17),
    ("server_changes", "", True, (ServerChange(60),)),
    ("server_changes", "server_changes[1].days", False, (ServerChange(60), ServerChange(60, frozenset()))),
    ("server_changes", "server_changes[0].select", False, (ServerChange(60, select=" "),)),
]


@pytest.mark.parametrize(("name", "field", "good", "value"), PREFERENCES, ids=range(len(PREFERENCES)))
async def test_a_restore_and_a_change_take_the_same_preferences(core, started, name, field, good, value):
    await started()

    async def change():
        await core.submit(ChangePreferences(PreferencesChange(**{name: value})))

    async def restore():
        check_settings(Settings(**{name: value}))

    for way in (change, restore):
        with contextlib.nullcontext() if good else pytest.raises(InvalidFieldError) as caught:
            await way()
        assert good or caught.value.field == field


# Whether a tunnel carries IPv6: its routes and own addresses, and the answer that everybody gives.
CARRIED = [
    ("0.0.0.0/0, ::/0", "10.0.0.2/32, fd00:1::2/128", True),
    ("0.0.0.0/0, ::/1, 8000::/1", "10.0.0.2/32, fd00:1::2/128", True),
    ("0.0.0.0/0, 2000::/3", "10.0.0.2/32, fd00:1::2/128", True),  # all that there is on the Internet (RFC 4291)
    ("0.0.0.0/0, fd00::/8", "10.0.0.2/32, fd00:1::2/128", False),  # the provider's own resolvers, say
    ("0.0.0.0/0, ::/0", "10.0.0.2/32", False),
    ("0.0.0.0/0", "10.0.0.2/32", False),
]


@pytest.mark.parametrize(("routes", "addresses", "carried"), CARRIED)
async def test_everybody_answers_alike_whether_a_tunnel_carries_ipv6(
    core, started, monkeypatch, routes, addresses, carried
):
    asked: list[bool] = []

    async def look(*_, ipv6: bool, **__):
        asked.append(ipv6)
        return ExitAddress("203.0.113.1")

    monkeypatch.setattr("app.tunnel.outside.exit_address", look)
    monkeypatch.setattr("app.netd.leaktest.exit_address", look)
    await started()
    plan = TunnelPlan(
        "a",
        tuple(map(ip_interface, addresses.split(", "))),
        1420,
        (PEER,),
        tuple(map(ip_network, routes.split(", "))),
        (),
    )
    state = Connected(Tunnel(Target("custom", "x"), plan, "key", PEER), 1.0, 1.0)
    await core.enter("default", state)
    core.machines["default"]._outside.follow(state)
    await until(lambda: asked)
    report = await core.submit(LeakTest())
    assert asked == [carried, carried]
    assert ("IPv6 is carried" in str(report.checks)) is carried
    assert (await core.snapshot()).exit().ipv6 is carried
    assert core._ipv6_default() is carried


async def test_every_command_is_carried_out(core: Core) -> None:
    assert core._commands._handlers.keys() == set(typing.get_args(AnyCommand))
