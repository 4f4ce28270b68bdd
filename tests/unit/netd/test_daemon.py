"""All of netd with a fake kernel: the plans it applies, and the settings after the kernel has refused one."""

from __future__ import annotations

import asyncio
import contextlib
import typing
from dataclasses import replace as dataclass_replace
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import GatewayError, InvalidFieldError, KernelError
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    LanLink,
    Links,
    MtuSettings,
    ScheduleEntry,
    ServerChange,
    Settings,
    VpnPolicy,
)
from app.netd import server_commands
from app.netd.canary.door import SHUT
from app.netd.daemon import Daemon, assemble
from app.netd.dependencies import Dependencies
from app.netd.log_buffer import LogBuffer
from app.netd.timesync import Files, TimeSync
from app.netd.wan_port import WanPort
from app.network.plan import NetworkPlan, TransportPeer, TunnelPlan
from app.protocol.commands import (
    AnyCommand,
    Bulk,
    ChangePreferences,
    EndException,
    GetWhy,
    LeakTest,
    SetDevicePolicy,
    SetDeviceSchedule,
    SetFavourite,
    SetGroup,
    StartException,
)
from app.protocol.events import SecurityAlert
from app.protocol.preferences import PreferencesChange
from app.protocol.status import Attestation
from app.providers.config import ProvidersConfig
from app.store import Store
from app.store.validation import check_settings
from app.tunnel.exitcheck import ExitAddress
from app.tunnel.states import Connected, Connecting, Target, Tunnel
from ci.labnet.owner import PASSWORD, own

PEER = TransportPeer(ip_address("198.51.100.7"), 51820)


class Kernel:
    """A fake reconciler and WireGuard; ``refuses``: each plan raises KernelError."""

    def __init__(self) -> None:
        self.kind = "kernel"
        self.attestation = Attestation(ok=False)
        self.plans: list[NetworkPlan] = []
        self.refuses = False

    @property
    def plan(self) -> NetworkPlan | None:
        return self.plans[-1] if self.plans else None

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
    """The machine around netd: links and leases."""

    def __init__(self, directory: Path) -> None:
        self.lease_path = directory / "dnsmasq.leases"
        self.links = Links(wan=None, lan=(LanLink("lan0"),))
        self.link_events: asyncio.Queue[None] = asyncio.Queue()

    async def observe(self, settings: object) -> Links:
        return self.links

    async def changes(self):
        while True:
            yield await self.link_events.get()

    async def apply(self, *arguments: object, **more: object) -> None:
        pass

    def leases(self) -> tuple[()]:
        return ()

    def forget_host(self, mac: str) -> None: ...

    def lease_file(self) -> str:
        return ""

    async def update_hosts(self, *arguments: object) -> None:
        pass


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def deps(tmp_path: Path, kernel: Kernel, machine: Machine):
    files = Files(*(tmp_path / name for name in ("synchronized", "offered", "configured", "chosen")))
    web = tmp_path / "web"
    web.mkdir()
    own(web, tmp_path)
    with Store(tmp_path) as store:
        yield Dependencies(
            store=store,
            state_dir=tmp_path,
            run_dir=tmp_path,
            backend=kernel,
            make_kernel=lambda _on_drift: kernel,
            link_source=machine,
            services=machine,
            flowtable=False,
            http_ports=(5000,),
            time_sync=TimeSync(None, files),
            wan_port=WanPort(tmp_path / "card", tmp_path / "wan" / "port"),
            providers=ProvidersConfig(),
            logs=LogBuffer(),
        )


@pytest.fixture
async def started(deps: Dependencies):
    """Assemble and start the daemon, with the named jobs only."""
    running: list[asyncio.Task[None]] = []
    made: list[Daemon] = []

    async def start(*wanted: str) -> Daemon:
        daemon = await assemble(deps, asyncio.Event())
        made.append(daemon)
        await daemon.start()
        running.extend(asyncio.ensure_future(daemon.jobs[name]()) for name in wanted)
        return daemon

    yield start
    for task in running:
        assert not task.done() or task.cancelled(), task
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for daemon in made:
        await daemon.close()


def alerts(daemon: Daemon) -> list[tuple[object, object]]:
    kept = daemon.events._recent
    return [(e.event.reason, e.event.message) for e in kept if isinstance(e.event, SecurityAlert)]


async def until(condition) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


# --- settings and links that cannot be planned -----------------------------------------------------------------------


async def test_unplannable_links_keep_netd_up_and_blocked(machine, kernel, started):
    """netd stays up, keeps the exits blocked, and publishes the problem."""
    good, machine.links = machine.links, Links(wan=None, lan=(LanLink('lan"0'),))
    daemon = await started("links")
    now = await daemon.gateway.snapshot()
    assert (kernel.plans, now.attestation.ok) == ([], False)
    (problem,) = now.problems
    assert "links" in problem
    assert alerts(daemon) == [("plan_failed", problem)]

    def change(links: Links) -> None:
        machine.links = links
        machine.link_events.put_nowait(None)

    change(good)
    await until(lambda: kernel.plans)
    assert (await daemon.gateway.snapshot()).problems == ()
    change(Links(wan=None, lan=(LanLink("lan 0"),)))
    await until(lambda: len(alerts(daemon)) == 2)
    assert (await daemon.gateway.snapshot()).problems == now.problems
    assert len(kernel.plans) == 1


async def test_unplannable_tunnel_is_reported_as_the_servers_fault(kernel, started):
    """The error names the server's problem, and the settings are not reported as unplannable."""
    daemon = await started()
    plan = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 100, (PEER,), (ip_network("0.0.0.0/0"),), ())
    tunnel = Tunnel(Target("custom", "x"), plan, "key", PEER)
    with pytest.raises(InvalidFieldError) as caught:
        await daemon.exits.enter("default", Connecting(tunnel))
    assert caught.value.field == "mtu"
    assert (await daemon.gateway.snapshot()).problems == ()


# --- settings that several change at once ----------------------------------------------------------------------------

MAC = "02:00:00:00:00:01"
OTHER = Device("02:00:00:00:00:02", BlockedPolicy())


def store_another(deps: Dependencies) -> None:
    deps.store.update_settings(
        lambda s: replace(s, favourites=("custom/a",), devices=tuple(dict.fromkeys((*s.devices, OTHER))))
    )


@pytest.mark.parametrize("old", [None, Device(MAC, BlockedPolicy(), "Telly")])
async def test_policy_refused_by_kernel_is_reverted_alone(deps, kernel, started, monkeypatch, old):
    """Changes stored while the kernel was applying the plan are kept."""
    daemon = await started()
    deps.store.update_settings(lambda s: replace(s, devices=(old,) if old else ()))

    async def refuse(plan, **_):
        store_another(deps)
        raise KernelError("refused")

    monkeypatch.setattr(kernel, "apply", refuse)
    with pytest.raises(KernelError):
        await daemon.gateway.submit(SetDevicePolicy(MAC, DirectPolicy(), password=PASSWORD))
    assert deps.store.settings.favourites == ("custom/a",)
    assert set(deps.store.settings.devices) == {OTHER, *([old] if old else [])}


async def test_policy_set_by_another_request_is_not_reverted(deps, kernel, started, monkeypatch):
    daemon = await started()

    async def refuse(plan, **_):
        deps.store.update_settings(lambda s: replace(s, devices=(Device(MAC, BlockedPolicy()),)))
        raise KernelError("refused")

    monkeypatch.setattr(kernel, "apply", refuse)
    with pytest.raises(KernelError):
        await daemon.gateway.submit(SetDevicePolicy(MAC, DirectPolicy(), password=PASSWORD))
    assert deps.store.settings.devices == (Device(MAC, BlockedPolicy()),)


async def test_favourite_keeps_one_marked_concurrently(deps, started, monkeypatch):
    """Fetching the server list takes time, in which another favourite may be marked."""
    daemon = await started()

    async def find(provider, name):
        deps.store.update_settings(lambda s: replace(s, favourites=("mullvad/first",)))

    monkeypatch.setattr(server_commands, "find_server", find)
    await daemon.gateway.submit(SetFavourite("mullvad", "second", favourite=True))
    assert deps.store.settings.favourites == ("mullvad/first", "mullvad/second")


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
    ("rebind_exceptions", "rebind_exceptions", True, ("plex.direct", "Corp.example", "fritz.box", "lab")),
    *(
        ("rebind_exceptions", "rebind_exceptions", False, value)
        for value in [("a/b",), ("a\nserver=8.8.8.8",), ("",), ("*.example.com",), ("192.168.1.1",), ("a.b",) * 101]
    ),
    ("host_names", "host_names", True, ("gateway.home.example", "Tor", "x.lan.")),
    *(
        ("host_names", "host_names", False, value)
        for value in [("a/b",), ("",), ("*.example.com",), ("192.168.1.1",), ("::1",), ("WPAD",), ("a.b",) * 21]
    ),
    ("mtu", "", True, MtuSettings(exits={"default": 1380}, providers={"mullvad": 1300})),
    ("mtu", "mtu.exits", False, MtuSettings(exits={"nowhere": 1380})),
    ("mtu", "mtu.providers", False, MtuSettings(providers={"no/provider": 1380})),
    ("server_changes", "", True, (ServerChange(60),)),
    ("server_changes", "server_changes[1].days", False, (ServerChange(60), ServerChange(60, frozenset()))),
    ("server_changes", "server_changes[0].select", False, (ServerChange(60, select=" "),)),
]


@pytest.mark.parametrize(("name", "field", "good", "value"), PREFERENCES, ids=range(len(PREFERENCES)))
async def test_preferences_of_restore_and_change_have_one_check(started, name, field, good, value):
    daemon = await started()

    async def change():
        await daemon.gateway.submit(ChangePreferences(PreferencesChange(**{name: value})))

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
async def test_ipv6_of_a_tunnel_has_the_same_answer_everywhere(started, monkeypatch, routes, addresses, carried):
    asked: list[bool] = []

    async def look(*_, ipv6: bool, **__):
        asked.append(ipv6)
        return ExitAddress("203.0.113.1")

    monkeypatch.setattr("app.tunnel.exit_address.check_exit_address", look)
    monkeypatch.setattr("app.netd.leak_test.check_exit_address", look)
    daemon = await started()
    plan = TunnelPlan(
        "a",
        tuple(map(ip_interface, addresses.split(", "))),
        1420,
        (PEER,),
        tuple(map(ip_network, routes.split(", "))),
        (),
    )
    state = Connected(Tunnel(Target("custom", "x"), plan, "key", PEER), 1.0, 1.0)
    await daemon.exits.enter("default", state)
    daemon.exits.get("default")._exit_address.on_state(state)
    await until(lambda: asked)
    report = await daemon.gateway.submit(LeakTest())
    assert asked == [carried, carried]
    assert ("IPv6 is carried" in str(report.checks)) is carried
    assert (await daemon.gateway.snapshot()).exit().ipv6 is carried
    assert daemon.lan_services.ipv6_default() is carried


async def test_every_command_has_a_handler(started) -> None:
    daemon = await started()
    assert daemon.commands.command_types == set(typing.get_args(AnyCommand))


# --- the tasks -------------------------------------------------------------------------------------------------------


async def test_task_that_returns_ends_all_tasks_and_netd(deps: Dependencies) -> None:
    """Even a task that loses cancellations ends: systemd starts the next netd only after this one has ended."""
    daemon = await assemble(deps, asyncio.Event())
    deaf: list[str] = []

    async def loses_cancellations() -> None:
        while len(deaf) < 3:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            deaf.append("cancelled")

    async def ends() -> None:
        await asyncio.sleep(0)

    daemon = dataclass_replace(daemon, jobs={"deaf": loses_cancellations, "short": ends})
    with pytest.raises(ExceptionGroup) as ended:
        async with asyncio.timeout(20), daemon.running():
            await asyncio.Event().wait()
    assert "'short' has ended by itself" in str(ended.value.exceptions)
    assert len(deaf) == 3


async def test_tasks_end_with_their_context(deps: Dependencies) -> None:
    daemon = await assemble(deps, asyncio.Event())
    running = asyncio.Event()

    async def endless() -> None:
        running.set()
        await asyncio.Event().wait()

    daemon = dataclass_replace(daemon, jobs={"endless": endless})
    async with asyncio.timeout(5), daemon.running():
        await running.wait()
        (task,) = (t for t in asyncio.all_tasks() if t.get_name() == "endless")
    assert task.cancelled()


async def test_a_device_gets_out_directly_with_the_owners_password(deps, started):
    """A web process that was taken over let devices out in the clear."""
    daemon = await started()
    for password, error in ((None, (422, "missing_field")), ("not the owner's", (403, "wrong_password"))):
        with pytest.raises(GatewayError) as refused:
            await daemon.gateway.submit(SetDevicePolicy(MAC, DirectPolicy(), password=password))
        assert (refused.value.status, refused.value.code) == error
        with pytest.raises(GatewayError) as refused:
            await daemon.gateway.submit(Bulk((SetDevicePolicy(MAC, DirectPolicy(), password=password),)))
        assert (refused.value.status, refused.value.code) == error
    assert deps.store.settings.devices == ()
    await daemon.gateway.submit(SetDevicePolicy(MAC, DirectPolicy(), password=PASSWORD))
    await daemon.gateway.submit(SetDevicePolicy(MAC, DirectPolicy(), "Radio"))  # it is direct already
    assert deps.store.settings.devices == (Device(MAC, DirectPolicy(), "Radio"),)


async def test_failed_bulk_request_takes_back_its_exceptions(kernel, started):
    daemon = await started("exceptions")
    kept = await daemon.commands.run(StartException(BlockedPolicy(), MAC, seconds=600, by="test"))
    bulk = Bulk((EndException(kept.id), StartException(BlockedPolicy(), OTHER.mac, seconds=600), SetGroup("a/b")))
    with pytest.raises(GatewayError) as caught:
        await daemon.gateway.submit(bulk)
    assert caught.value.field == "operations[2].name"
    (left,) = (await daemon.gateway.snapshot()).exceptions
    assert (left.id, left.mac) == (kept.id, MAC)
    assert f"{MAC} : 0x1" in kernel.plan.ruleset
    assert OTHER.mac not in kernel.plan.ruleset


async def test_exception_in_the_clear_is_in_the_plan_until_its_end(kernel, started):
    daemon = await started("exceptions")
    await daemon.gateway.submit(StartException(DirectPolicy(), MAC, seconds=1, by="test", password=PASSWORD))
    assert [one.key for one in kernel.plan.timed if one.collection == "exception"] == [(MAC,)]
    assert MAC not in kernel.plan.ruleset  # it has no other policy than all
    await until(lambda: not kernel.plan.timed)
    assert (await daemon.gateway.snapshot()).exceptions == ()


async def test_schedule_of_the_moment_is_in_the_plan(kernel, started):
    daemon = await started()
    always = (ScheduleEntry(frozenset(range(7)), 0, 0, BlockedPolicy()),)
    await daemon.gateway.submit(SetDeviceSchedule(MAC, always))
    assert f"{MAC} : 0x1" in kernel.plan.ruleset


# --- exits that a leak has shut --------------------------------------------------------------------------------------


async def test_why_says_that_a_leak_has_shut_the_exits(deps, started):
    (deps.run_dir / SHUT).write_text("1 packet was seen on the WAN")
    daemon = await started()
    deps.store.update_settings(lambda s: replace(s, devices=(Device(MAC, VpnPolicy()),)))
    plan = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (PEER,), (ip_network("0.0.0.0/0"),), ())
    await daemon.exits.enter("default", Connecting(Tunnel(Target("custom", "x"), plan, "key", PEER)))
    why = await daemon.gateway.submit(GetWhy(MAC))
    assert (why.state, why.reason) == ("blocked", "canary_leak")
    assert "vpn-gateway canary" in (why.next_step or "")
