"""Exits made, changed, renamed and removed while netd runs, with a fake kernel in which every server answers."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest
from msgspec.structs import replace

from app import keys
from app.errors import (
    ConflictError,
    ForbiddenError,
    GatewayError,
    InvalidFieldError,
    KernelError,
    NotFoundError,
    UnavailableError,
)
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    ExitSettings,
    Fallback,
    LanLink,
    Links,
    Never,
    VpnPolicy,
    WanLink,
)
from app.netd.daemon import Daemon
from app.network.plan import MARK_BLOCKED, MARK_DIRECT
from app.network.policy import make_view
from app.network.wireguard.types import DeviceConfig, DeviceStats, PeerStats
from app.protocol.commands import (
    AddCustomServer,
    Bulk,
    ChangeExit,
    Connect,
    Disconnect,
    MakeExit,
    RemoveExit,
    SelectProvider,
    SetDevicePolicy,
    StartException,
)
from app.protocol.events import DeviceChanged, ExitChanged
from app.protocol.exit_commands import ExitChange
from app.tunnel.states import Blocked, Connected, Disconnected
from ci.labnet.owner import PASSWORD
from tests.unit.netd.test_daemon import Kernel, Machine, deps, started, until  # noqa: F401 - fixtures

TV = "02:00:00:00:00:01"
WAN = WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),), ip_address("192.168.1.1"))


class AnsweringKernel(Kernel):
    """Handshakes come at once; ``configured`` are the interfaces in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.configured: dict[str, DeviceConfig] = {}

    async def configure(self, name: str, device: DeviceConfig) -> None:
        self.configured[name] = device

    async def stats(self, name: str) -> DeviceStats | None:
        device = self.configured.get(name)
        if device is None:
            return None
        return DeviceStats(1, 1, tuple(PeerStats(p.public_key, p.endpoint, 1.0, 1, 1) for p in device.peers))


@pytest.fixture
def kernel() -> AnsweringKernel:
    return AnsweringKernel()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.links = Links(wan=WAN, lan=(LanLink("lan0"),))
    return made


@pytest.fixture
async def daemon(started) -> Daemon:  # noqa: F811
    """Two custom servers, se and de, each with a key of its own."""
    daemon = await started("exits", "automatic connection", "policies")
    await asyncio.sleep(0)
    for number, name in enumerate(("se", "de"), 1):
        await add_server(daemon, name, number)
    await daemon.gateway.submit(SelectProvider("custom"))
    return daemon


async def add_server(daemon: Daemon, name: str, number: int) -> None:
    await daemon.gateway.submit(
        AddCustomServer(
            name,
            f"198.51.100.{number}:51820",
            keys.generate().public_key,
            keys.generate().private_key.reveal(),
            f"10.0.{number}.2/32",
            allowed_ips="0.0.0.0/0",
        )
    )


async def make(daemon: Daemon, name: str, **given: object) -> None:
    await daemon.gateway.submit(MakeExit(ExitSettings(name, **{"auto_connect": False, **given})))


async def change(daemon: Daemon, exit_name: str, **given: object) -> object:
    return await daemon.gateway.submit(ChangeExit(exit_name, ExitChange(**given)))


def state(daemon: Daemon, name: str) -> object:
    return daemon.exits.get(name).state


def events(daemon: Daemon) -> list[ExitChanged]:
    return [e.event for e in daemon.events._recent if isinstance(e.event, ExitChanged)]


def changes(daemon: Daemon) -> int:
    """How often the policy of the device has become another."""
    return sum(e.event == DeviceChanged(TV, "policy") for e in daemon.events._recent)


def mark_of(daemon: Daemon, mac: str) -> int:
    network = daemon.network
    return dict(make_view(network._inputs(network.exit_plans, frozenset())).device_marks)[mac]


async def test_exit_is_made_and_used_at_run_time(daemon, kernel):
    await daemon.gateway.submit(Connect("de"))
    before = daemon.exits.get("default")
    await make(daemon, "tv", label="Telly")
    await daemon.gateway.submit(Connect("se", "tv"))
    await daemon.gateway.submit(SetDevicePolicy(TV, VpnPolicy("tv")))
    assert mark_of(daemon, TV) == 0x101
    now = await daemon.gateway.snapshot()
    assert [(e.name, e.state.value, e.server, e.label, e.asked) for e in now.exits] == [
        ("default", "connected", "de", None, "de"),
        ("tv", "connected", "se", "Telly", "se"),
    ]
    assert daemon.exits.get("default") is before
    assert set(kernel.configured) == {"wg0a", "wg1a"}
    assert events(daemon) == [ExitChanged("tv", "made")]


async def test_seventeenth_exit_is_refused(daemon):
    for number in range(1, 16):
        await make(daemon, f"x{number}")
    with pytest.raises(ConflictError) as caught:
        await make(daemon, "x16")
    assert (caught.value.code, caught.value.field) == ("too_many", "name")
    assert len((await daemon.gateway.snapshot()).exits) == 16
    await daemon.gateway.submit(RemoveExit("x3"))
    await make(daemon, "again")
    assert daemon.exits.get("again").index == 3


BAD = [
    (ExitSettings("default"), ConflictError, "name"),
    (ExitSettings("A"), InvalidFieldError, "name"),
    (ExitSettings("direct"), InvalidFieldError, "name"),
    (ExitSettings("x", provider="nowhere"), InvalidFieldError, "provider"),
    (ExitSettings("x", fallbacks=(Fallback("a", "nowhere"),)), InvalidFieldError, "fallbacks[0].provider"),
    (ExitSettings("x", dns=(ip_address("192.168.77.1"),)), InvalidFieldError, "dns"),
]


@pytest.mark.parametrize(("bad", "error", "field"), BAD)
async def test_bad_exit_is_refused_and_changes_nothing(daemon, kernel, deps, bad, error, field):  # noqa: F811
    before, plans = deps.store.settings, len(kernel.plans)
    with pytest.raises(error) as caught:
        await daemon.gateway.submit(MakeExit(bad))
    assert caught.value.field == field
    assert (deps.store.settings, len(kernel.plans)) == (before, plans)


async def test_exit_that_the_kernel_refuses_is_not_made(daemon, kernel, deps):  # noqa: F811
    before = deps.store.settings
    kernel.refuses = True
    with pytest.raises(KernelError):
        await make(daemon, "tv")
    assert deps.store.settings == before
    assert [e.name for e in (await daemon.gateway.snapshot()).exits] == ["default"]
    kernel.refuses = False
    await make(daemon, "tv")


async def test_rename_keeps_the_tunnel_and_the_plan(daemon, kernel, deps):  # noqa: F811
    """The kernel has nothing to do: the number stays, and whatever named the exit follows."""
    await make(daemon, "tv", label="Telly")
    await daemon.gateway.submit(Connect("se", "tv"))
    await daemon.gateway.submit(SetDevicePolicy(TV, VpnPolicy("tv")))
    machine, up, plan, applied = daemon.exits.get("tv"), state(daemon, "tv"), kernel.plan, len(kernel.plans)
    await change(daemon, "tv", name="telly", label="The big one")
    assert daemon.exits.get("telly") is machine
    assert state(daemon, "telly") == up
    assert len(kernel.plans) == applied
    assert deps.store.settings.devices == (Device(TV, VpnPolicy("telly")),)
    await daemon.network.replan()
    assert kernel.plan == plan
    with pytest.raises(NotFoundError):
        daemon.exits.get("tv")
    assert events(daemon)[1:] == [ExitChanged("telly", "renamed", before="tv"), ExitChanged("telly", "changed")]
    await daemon.gateway.submit(Connect("de", "telly"))
    assert deps.store.settings.desired == {"telly": "custom/de"}


async def test_rename_during_a_connect_loses_nothing(daemon, deps, kernel, monkeypatch):  # noqa: F811
    await make(daemon, "tv")
    waiting, go_on = asyncio.Event(), asyncio.Event()
    original = kernel.configure

    async def slow(name, device):
        waiting.set()
        await go_on.wait()
        await original(name, device)

    monkeypatch.setattr(kernel, "configure", slow)
    connecting = asyncio.create_task(daemon.gateway.submit(Connect("se", "tv")))
    await waiting.wait()
    await change(daemon, "tv", name="telly")
    go_on.set()
    await connecting
    assert isinstance(state(daemon, "telly"), Connected)
    assert deps.store.settings.desired == {"telly": "custom/se"}
    assert {plan.name for plan in daemon.network.exit_plans} == {"default", "telly"}


async def test_default_exit_stays_and_keeps_its_name(daemon):
    for command in (ChangeExit("default", ExitChange(name="other")), RemoveExit("default")):
        with pytest.raises(ConflictError) as caught:
            await daemon.gateway.submit(command)
        assert caught.value.code == "default_exit"
    for command in (ChangeExit("nowhere", ExitChange()), RemoveExit("nowhere")):
        with pytest.raises(NotFoundError) as missing:
            await daemon.gateway.submit(command)
        assert missing.value.field == "name"


async def test_exit_in_use_is_removed_only_with_an_answer(daemon, kernel, deps):  # noqa: F811
    await make(daemon, "tv")
    await daemon.gateway.submit(Connect("se", "tv"))
    await daemon.gateway.submit(SetDevicePolicy(TV, VpnPolicy("tv")))
    with pytest.raises(ConflictError, match=TV) as caught:
        await daemon.gateway.submit(RemoveExit("tv"))
    assert (caught.value.code, caught.value.field) == ("exit_in_use", "then")
    assert isinstance(state(daemon, "tv"), Connected)
    for then in (VpnPolicy("nowhere"), VpnPolicy("tv")):
        with pytest.raises(NotFoundError) as missing:
            await daemon.gateway.submit(RemoveExit("tv", then))
        assert missing.value.field == "then"
    with pytest.raises(ForbiddenError):
        await daemon.gateway.submit(RemoveExit("tv", DirectPolicy(), "wrong password"))
    assert isinstance(state(daemon, "tv"), Connected)
    await daemon.gateway.submit(RemoveExit("tv", BlockedPolicy()))
    assert deps.store.settings.devices == (Device(TV, BlockedPolicy()),)
    assert deps.store.settings.exits == ("default",)
    assert mark_of(daemon, TV) == MARK_BLOCKED
    assert not any(rule.fwmark == 0x101 for rule in kernel.plan.rules)
    assert events(daemon)[-1] == ExitChanged("tv", "removed")
    await make(daemon, "tv")
    assert isinstance(state(daemon, "tv"), Disconnected)
    await daemon.gateway.submit(SetDevicePolicy(TV, VpnPolicy("tv")))
    await daemon.gateway.submit(RemoveExit("tv", DirectPolicy(), PASSWORD))
    assert mark_of(daemon, TV) == MARK_DIRECT


async def test_removal_that_the_kernel_refuses_is_undone(daemon, kernel, deps, monkeypatch):  # noqa: F811
    """The exit goes on with its server; no other exit has noticed anything."""
    await make(daemon, "tv")
    await daemon.gateway.submit(Connect("se", "tv"))
    await daemon.gateway.submit(SetDevicePolicy(TV, VpnPolicy("tv")))
    before = deps.store.settings
    original = kernel.apply

    async def refuse(plan, **more):
        if not any(rule.fwmark == 0x101 for rule in plan.rules):
            raise KernelError("refused")
        await original(plan, **more)

    monkeypatch.setattr(kernel, "apply", refuse)
    with pytest.raises(KernelError):
        await daemon.gateway.submit(RemoveExit("tv", BlockedPolicy()))
    assert deps.store.settings == before
    await until(lambda: isinstance(state(daemon, "tv"), Connected))
    assert mark_of(daemon, TV) == 0x101


async def test_removal_that_runs_out_of_time_is_undone(daemon, deps, kernel, monkeypatch):  # noqa: F811
    """As in a bulk request, whose commands have a time together."""
    await make(daemon, "tv")
    await daemon.gateway.submit(Connect("se", "tv"))
    before, waiting, go_on = deps.store.settings, asyncio.Event(), asyncio.Event()
    original = kernel.apply

    async def slow(plan, **more):
        waiting.set()
        await go_on.wait()
        await original(plan, **more)

    monkeypatch.setattr(kernel, "apply", slow)
    removing = asyncio.create_task(daemon.gateway.submit(RemoveExit("tv")))
    await waiting.wait()
    removing.cancel()
    await asyncio.gather(removing, return_exceptions=True)
    go_on.set()
    await until(lambda: daemon.exits.get("tv").goal is not None)
    await until(lambda: isinstance(state(daemon, "tv"), Connected))
    assert deps.store.settings == before


async def test_change_that_runs_out_of_time_is_undone(daemon, deps, kernel, monkeypatch):  # noqa: F811
    await make(daemon, "tv")
    before, waiting, original = deps.store.settings, asyncio.Event(), kernel.apply

    async def endless(plan, **more):
        monkeypatch.setattr(kernel, "apply", original)
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(kernel, "apply", endless)
    changing = asyncio.create_task(change(daemon, "tv", name="telly", dns=(ip_address("203.0.113.53"),)))
    await waiting.wait()
    changing.cancel()
    await asyncio.gather(changing, return_exceptions=True)
    assert deps.store.settings == before
    assert daemon.exits.get("tv").index == 1
    assert [e.change for e in events(daemon)] == ["made"]


async def test_server_never_used_is_no_goal_once_it_is_left(daemon, deps, kernel, monkeypatch):  # noqa: F811
    """Wherever the change ends, no later start comes back to it."""
    await make(daemon, "tv")
    await daemon.gateway.submit(Connect("se", "tv"))
    waiting, go_on = asyncio.Event(), asyncio.Event()
    original = kernel.apply

    async def slow(plan, **more):
        waiting.set()
        await go_on.wait()
        await original(plan, **more)

    monkeypatch.setattr(kernel, "apply", slow)
    changing = asyncio.create_task(change(daemon, "tv", never=Never(servers=("se",))))
    await waiting.wait()
    changing.cancel()
    await asyncio.gather(changing, return_exceptions=True)
    go_on.set()
    assert deps.store.settings.desired == {}


async def test_removal_that_cannot_be_stored_is_undone(daemon, deps, monkeypatch):  # noqa: F811
    """The exceptions by the exit had been given what was to come next, and kept that."""
    await make(daemon, "tv")
    await daemon.gateway.submit(StartException(VpnPolicy("tv"), TV, seconds=600, by="test"))
    store = deps.store.update_settings

    def full(change):
        if "tv" not in change(deps.store.settings).exits:
            raise UnavailableError("No space left on device", code="storage")
        return store(change)

    monkeypatch.setattr(deps.store, "update_settings", full)
    with pytest.raises(UnavailableError):
        await daemon.gateway.submit(RemoveExit("tv", BlockedPolicy()))
    assert [e.policy for e in (await daemon.gateway.snapshot()).exceptions] == [VpnPolicy("tv")]
    assert "tv" in deps.store.settings.exits


async def test_removal_is_its_devices_change_of_policy(daemon):
    """What they get next is compared with what they had since the removal, and not with the exit that is gone."""
    await make(daemon, "tv")
    await daemon.gateway.submit(SetDevicePolicy(TV, VpnPolicy("tv")))
    for _ in range(2):
        before = changes(daemon)
        await daemon.gateway.submit(RemoveExit("tv", BlockedPolicy()))
        await until(lambda before=before: changes(daemon) == before + 1)
        await make(daemon, "tv")
        await daemon.gateway.submit(SetDevicePolicy(TV, VpnPolicy("tv")))
        assert changes(daemon) == before + 2


async def test_two_exits_never_dial_one_server(daemon):
    await make(daemon, "tv")
    await daemon.gateway.submit(Connect("se"))
    for selector in ("se", "SE"):
        with pytest.raises(ConflictError) as caught:
            await daemon.gateway.submit(Connect(selector, "tv"))
        assert (caught.value.code, caught.value.field) == ("server_in_use", "server")
    for selector in ("fastest", "random"):
        answer = await daemon.gateway.submit(Connect(selector, "tv"))
        assert answer.server == "de"
        await daemon.gateway.submit(Disconnect("tv"))
    await make(daemon, "phone")
    answers = await asyncio.gather(
        *(daemon.gateway.submit(Connect("random", name)) for name in ("tv", "phone")), return_exceptions=True
    )
    assert sorted(type(a).__name__ for a in answers) == ["ConflictError", "Done"]
    servers = [e.server for e in (await daemon.gateway.snapshot()).exits if e.state == "connected"]
    assert sorted(servers) == ["de", "se"]


async def test_goal_that_another_exit_has_waits_with_the_reason(daemon, deps):  # noqa: F811
    """As after a restore: both want the same, and only one may dial it."""
    await make(daemon, "tv")
    await daemon.gateway.submit(Connect("se"))
    deps.store.update_settings(
        lambda s: replace(s, desired={**s.desired, "tv": "custom/se"}, failover=replace(s.failover, enabled=False))
    )
    daemon.exits.resume("tv")
    await until(lambda: isinstance(state(daemon, "tv"), Blocked))
    blocked = state(daemon, "tv")
    assert (blocked.reason, "exit default uses se" in blocked.message) == ("server_in_use", True)
    assert isinstance(state(daemon, "default"), Connected)


async def test_exit_with_a_target_connects_by_itself(daemon, deps):  # noqa: F811
    await make(daemon, "tv", target="se", auto_connect=True)
    await until(lambda: isinstance(state(daemon, "tv"), Connected))
    await daemon.gateway.submit(Disconnect("tv"))
    await daemon.gateway.submit(Connect(None, "tv"))
    assert deps.store.settings.desired == {"tv": "custom/se"}
    with pytest.raises(InvalidFieldError) as caught:
        await daemon.gateway.submit(Connect(None))
    assert caught.value.field == "server"


async def test_server_never_used_any_more_is_left_at_once(daemon):
    await make(daemon, "tv", target="random")
    await daemon.gateway.submit(Connect("se", "tv"))
    answer = await change(daemon, "tv", never=Never(servers=("custom/se",)))
    assert "de" in answer.warnings[0]
    await until(lambda: isinstance(state(daemon, "tv"), Connected))
    assert state(daemon, "tv").tunnel.target.hostname == "de"
    answer = await change(daemon, "tv", never=Never(servers=("se", "de")))
    assert "disconnected" in answer.warnings[0]
    assert isinstance(state(daemon, "tv"), Disconnected)


async def test_own_resolvers_take_the_place_of_the_servers(daemon, kernel):
    await make(daemon, "tv")
    await daemon.gateway.submit(Connect("se", "tv"))
    await change(daemon, "tv", dns=(ip_address("203.0.113.53"),), mtu=1300)
    assert daemon.network.resolvers("tv").order == (ip_address("203.0.113.53"),)
    assert "203.0.113.53" in kernel.plan.ruleset
    await until(lambda: state(daemon, "tv").tunnel.plan.mtu == 1300)
    kernel.refuses = True
    with pytest.raises(KernelError):
        await change(daemon, "tv", dns=())
    kernel.refuses = False
    assert daemon.network.resolvers("tv").order == (ip_address("203.0.113.53"),)


async def test_exits_of_a_failed_atomic_request_are_undone(daemon, deps):  # noqa: F811
    await make(daemon, "tv")
    await daemon.gateway.submit(Connect("se", "tv"))
    before = deps.store.settings
    commands = (
        MakeExit(ExitSettings("phone", auto_connect=False)),
        ChangeExit("tv", ExitChange(name="telly", label="x")),
        Connect("de", "phone"),
        RemoveExit("nowhere"),
    )
    with pytest.raises(GatewayError, match="nothing was changed"):
        await daemon.gateway.submit(Bulk(commands))
    assert deps.store.settings == before
    assert [(e.name, e.server) for e in (await daemon.gateway.snapshot()).exits] == [("default", None), ("tv", "se")]
    assert {plan.name for plan in daemon.network.exit_plans} == {"default", "tv"}
    await daemon.gateway.submit(Bulk(commands[:3]))
    names = [(e.name, e.server) for e in (await daemon.gateway.snapshot()).exits]
    assert names == [("default", None), ("telly", "se"), ("phone", "de")]


async def test_removed_exit_of_a_failed_request_comes_back(daemon, deps):  # noqa: F811
    await make(daemon, "tv")
    await daemon.gateway.submit(Connect("se", "tv"))
    before = deps.store.settings
    with pytest.raises(GatewayError, match="nothing was changed"):
        await daemon.gateway.submit(Bulk((RemoveExit("tv"), RemoveExit("nowhere"))))
    assert deps.store.settings == before
    await until(lambda: isinstance(state(daemon, "tv"), Connected))


async def test_numbers_and_goals_outlast_a_restart(daemon, deps, started, tmp_path: Path):  # noqa: F811
    for name in ("a", "b"):
        await make(daemon, name)
    await daemon.gateway.submit(RemoveExit("a"))
    await daemon.gateway.submit(Connect("se", "b"))
    assert deps.store.settings.exits == ("default", "", "b")
    again = await started()
    assert [(m.name, m.index) for m in again.exits.machines] == [("default", 0), ("b", 2)]
    assert again.exits.get("b").goal.hostname == "se"


async def test_rename_leaves_a_disconnected_exit_disconnected(daemon):
    """Whoever has disconnected it did not ask for a connection by the new name either."""
    await make(daemon, "tv", target="se")
    await change(daemon, "tv", auto_connect=True)
    await until(lambda: isinstance(state(daemon, "tv"), Connected))
    await daemon.gateway.submit(Disconnect("tv"))
    await change(daemon, "tv", name="telly")
    await asyncio.sleep(0.2)
    assert isinstance(state(daemon, "telly"), Disconnected)
    assert daemon.exits.get("telly").goal is None


async def test_renamed_exit_still_waits_for_its_target(daemon):
    """Its first attempt finds no such server; the next one, by the new name, does."""
    await make(daemon, "tv", target="later", auto_connect=True)
    await asyncio.sleep(0.1)
    await add_server(daemon, "later", 3)
    await change(daemon, "tv", name="telly")
    await until(lambda: isinstance(state(daemon, "telly"), Connected))


async def test_connect_to_an_exit_renamed_meanwhile_reaches_it(daemon, deps, monkeypatch):  # noqa: F811
    """The rename comes while the server's configuration is fetched, before there is any goal."""
    await make(daemon, "tv")
    fetching, go_on = hold_back_the_fetch(daemon, monkeypatch)
    connecting = asyncio.create_task(daemon.gateway.submit(Connect("se", "tv")))
    await fetching.wait()
    await change(daemon, "tv", name="telly")
    go_on.set()
    await connecting
    assert isinstance(state(daemon, "telly"), Connected)
    assert deps.store.settings.desired == {"telly": "custom/se"}


async def test_connect_to_an_exit_removed_meanwhile_is_refused(daemon, deps, monkeypatch):  # noqa: F811
    await make(daemon, "tv")
    fetching, go_on = hold_back_the_fetch(daemon, monkeypatch)
    connecting = asyncio.create_task(daemon.gateway.submit(Connect("se", "tv")))
    await fetching.wait()
    await daemon.gateway.submit(RemoveExit("tv"))
    await make(daemon, "tv")  # another one, of which nobody has asked anything
    go_on.set()
    with pytest.raises(NotFoundError) as caught:
        await connecting
    assert caught.value.field == "exit"
    assert isinstance(state(daemon, "tv"), Disconnected)
    assert deps.store.settings.desired == {}


def hold_back_the_fetch(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Events for the fetch of a configuration: that it has begun, and that it may go on."""
    fetching, go_on = asyncio.Event(), asyncio.Event()
    fetch = daemon.exits._fetch

    async def slow(target):
        fetching.set()
        await go_on.wait()
        return await fetch(target)

    monkeypatch.setattr(daemon.exits, "_fetch", slow)
    return fetching, go_on


async def test_connect_heeds_what_is_never_used_meanwhile(daemon, deps, monkeypatch):  # noqa: F811
    await make(daemon, "tv")
    fetching, go_on = hold_back_the_fetch(daemon, monkeypatch)
    connecting = asyncio.create_task(daemon.gateway.submit(Connect("se", "tv")))
    await fetching.wait()
    await change(daemon, "tv", never=Never(servers=("se",)))
    go_on.set()
    with pytest.raises(ConflictError) as caught:
        await connecting
    assert caught.value.code == "never_used"
    assert (state(daemon, "tv"), deps.store.settings.desired) == (Disconnected(), {})


async def test_new_target_leaves_a_disconnected_exit_disconnected(daemon):
    """It is for the next connect, like that of an exit which is connected; a first target is what it waited for."""
    await make(daemon, "tv", auto_connect=True)
    await change(daemon, "tv", target="se")
    await until(lambda: isinstance(state(daemon, "tv"), Connected))
    await daemon.gateway.submit(Disconnect("tv"))
    await change(daemon, "tv", target="de")
    await asyncio.sleep(0.2)
    assert daemon.exits.get("tv").goal is None
    await daemon.gateway.submit(Connect(None, "tv"))
    assert state(daemon, "tv").tunnel.target.hostname == "de"


async def test_switch_under_way_to_a_server_never_used_ends(daemon, kernel, monkeypatch):
    """The exit is not to arrive at a server that it is set never to use in the meantime."""
    waiting, go_on = asyncio.Event(), asyncio.Event()
    await make(daemon, "tv", target="se")
    await daemon.gateway.submit(Connect("se", "tv"))
    original = kernel.configure

    async def slow(name, device):
        if name == "wg1b":
            waiting.set()
            await go_on.wait()
        await original(name, device)

    monkeypatch.setattr(kernel, "configure", slow)
    switching = asyncio.create_task(daemon.gateway.submit(Connect("de", "tv")))
    await waiting.wait()
    changing = asyncio.create_task(change(daemon, "tv", never=Never(servers=("de",))))
    await asyncio.sleep(0.05)
    go_on.set()
    await changing
    await asyncio.gather(switching, return_exceptions=True)
    await until(lambda: isinstance(state(daemon, "tv"), Connected) and state(daemon, "tv").candidate is None)
    assert state(daemon, "tv").tunnel.target.hostname == "se"
