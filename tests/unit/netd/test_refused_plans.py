"""A change that the kernel refuses is taken back as a whole: stored, and in what the kernel goes on to try.

The reconciler tries the last plan that it was given again and again. If that stayed the refused one, a device could be
in the clear two seconds after the answer that nothing has changed.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest
from msgspec.structs import replace

from app.errors import KernelError
from app.model import DirectPolicy, ExitSettings, MtuSettings, ScheduleEntry, SelfService, Settings, VpnPolicy
from app.netd.daemon import Daemon
from app.network.plan import NetworkPlan
from app.network.planner import plan as make_plan
from app.protocol.commands import (
    ChangeDevice,
    ChangeExit,
    ChangePreferences,
    Command,
    Connect,
    EndException,
    ForgetDevice,
    MakeExit,
    RemoveExit,
    RemoveGroup,
    SetDevicePolicy,
    SetDeviceSchedule,
    SetGroup,
    SetSelfService,
    StartException,
)
from app.protocol.exit_commands import ExitChange
from app.protocol.preferences import PreferencesChange
from ci.labnet.owner import PASSWORD
from tests.unit.netd.test_daemon import deps, started  # noqa: F401 - fixtures
from tests.unit.netd.test_exit_commands import AnsweringKernel, daemon, machine  # noqa: F401 - fixtures

TV, PHONE, NAS = (f"02:00:00:00:00:0{n}" for n in range(1, 4))
DIRECT = DirectPolicy()
ALWAYS = tuple(range(7))


class RefusingKernel(AnsweringKernel):
    """``wanted`` is what it was given last, which a reconciler goes on to try; the next ``refusals`` are refused."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted: NetworkPlan | None = None
        self.refusals = 0

    async def apply(self, plan: NetworkPlan, *, routed=None) -> None:
        self.wanted = plan
        if self.refusals:
            self.refusals -= 1
            raise KernelError("refused")
        await super().apply(plan, routed=routed)


@pytest.fixture
def kernel() -> RefusingKernel:
    return RefusingKernel()


def in_order(settings: Settings) -> Settings:
    return replace(
        settings,
        devices=tuple(sorted(settings.devices, key=lambda device: device.mac)),
        groups=tuple(sorted(settings.groups, key=lambda group: group.name)),
    )


async def opened(daemon: Daemon) -> list[tuple[int, float]]:  # noqa: F811
    return [(one.id, one.deadline) for one in (await daemon.gateway.snapshot()).exceptions]


CHANGES: dict[str, Command[object]] = {
    "policy": SetDevicePolicy(TV, DIRECT, password=PASSWORD),
    "group": ChangeDevice(NAS, group="guests", password=PASSWORD),
    "forget": ForgetDevice(NAS),
    "groups-policy": SetGroup("children", DIRECT, password=PASSWORD),
    "remove-group": RemoveGroup("children"),
    "schedule": SetDeviceSchedule(TV, (ScheduleEntry(frozenset(ALWAYS), 0, 0, DIRECT),), password=PASSWORD),
    "exception": StartException(DIRECT, TV, seconds=600, by="admin", password=PASSWORD),
    "end-of-exception": EndException(1),
    "default": ChangePreferences(PreferencesChange(default_policy="direct"), password=PASSWORD),
    "default-and-mtu": ChangePreferences(
        PreferencesChange(default_policy="direct", new_device_policy="wait", mtu=MtuSettings(exits={"default": 1300})),
        password=PASSWORD,
    ),
    "self-service": SetSelfService(None, SelfService("off")),
    "make-exit": MakeExit(ExitSettings("new", auto_connect=False)),
    "remove-exit": RemoveExit("tv", DIRECT, PASSWORD),
    "exits-resolver": ChangeExit("default", ExitChange(dns=(ip_address("203.0.113.53"),))),
}


async def prepare(daemon: Daemon, deps, name: str) -> None:  # noqa: F811
    """Have everything there that a change is about."""
    await daemon.gateway.submit(MakeExit(ExitSettings("tv", auto_connect=False)))
    await daemon.gateway.submit(SetSelfService(None, SelfService("exit")))
    await daemon.gateway.submit(SetGroup("children", VpnPolicy("tv")))
    await daemon.gateway.submit(ChangeDevice(PHONE, group="children"))
    await daemon.gateway.submit(SetDevicePolicy(TV, VpnPolicy("tv")))
    await daemon.gateway.submit(ChangeDevice(NAS, group="children"))
    await daemon.gateway.submit(SetGroup("guests", DIRECT, password=PASSWORD))
    await daemon.gateway.submit(StartException(VpnPolicy("tv"), PHONE, seconds=600, by="admin"))
    deps.store.update_settings(lambda s: replace(s, chosen_exits={PHONE: "default"}))
    await daemon.network.replan()
    if name == "exits-resolver":
        await daemon.gateway.submit(Connect("se"))


@pytest.mark.parametrize("refusals", [1, 9], ids=["once", "again"])
@pytest.mark.parametrize("name", CHANGES)
async def test_kernel_tries_what_is_stored(daemon: Daemon, kernel, deps, name: str, refusals: int) -> None:  # noqa: F811
    await prepare(daemon, deps, name)
    before, planned = deps.store.settings, kernel.wanted
    exceptions = await opened(daemon)
    kernel.refusals = refusals
    with pytest.raises(KernelError):
        await daemon.gateway.submit(CHANGES[name])
    kernel.refusals = 0
    await asyncio.sleep(0)
    assert in_order(deps.store.settings) == in_order(before)
    assert await opened(daemon) == exceptions
    assert kernel.wanted == planned == make_plan(daemon.network.inputs)


@pytest.mark.parametrize("name", CHANGES)
async def test_change_without_time_left_is_undone(daemon: Daemon, kernel, deps, monkeypatch, name: str) -> None:  # noqa: F811
    """As in a bulk request, whose commands have a time together."""
    await prepare(daemon, deps, name)
    before, exceptions = deps.store.settings, await opened(daemon)
    waiting, original = asyncio.Event(), kernel.apply

    async def endless(plan, **more):
        monkeypatch.setattr(kernel, "apply", original)
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(kernel, "apply", endless)
    changing = asyncio.create_task(daemon.gateway.submit(CHANGES[name]))
    await waiting.wait()
    changing.cancel()
    await asyncio.gather(changing, return_exceptions=True)
    assert in_order(deps.store.settings) == in_order(before)
    assert await opened(daemon) == exceptions
    assert kernel.wanted == make_plan(daemon.network.inputs)
