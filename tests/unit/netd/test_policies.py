"""Exceptions, schedules and groups in netd: whose connections end when, what is told, and what a restart keeps."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import inspect
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import (
    ConflictError,
    ForbiddenError,
    GatewayError,
    InvalidFieldError,
    KernelError,
    NotFoundError,
    UnavailableError,
)
from app.exit_changes import renamed, with_exit
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    ExitSettings,
    Group,
    PolicyException,
    ScheduleEntry,
    VpnPolicy,
)
from app.netd.bulk import BulkRunner
from app.netd.device_policy import DevicePolicies
from app.netd.policies import changes as changes_module
from app.netd.policies import exception_ends as ends_module
from app.netd.policies import open_exceptions as open_exceptions_module
from app.netd.policies.changes import PolicyChanges
from app.netd.policies.exceptions import Exceptions
from app.netd.policies.groups import GroupCommands
from app.netd.policies.open_exceptions import OpenExceptions
from app.network.plan import MAX_EXCEPTIONS
from app.policies import effective
from app.protocol.commands import (
    Bulk,
    ChangeException,
    Command,
    EndException,
    RemoveGroup,
    SetDevicePolicy,
    SetDeviceSchedule,
    SetGroup,
    StartException,
)
from app.protocol.events import (
    DeviceChanged,
    ExceptionEnded,
    ExceptionEnding,
    ExceptionStarted,
    SecurityAlert,
    SettingsChanged,
)
from app.store import Store
from app.tunnel.states import Target

TV, PHONE, NAS, OURS = (f"02:00:00:00:00:0{n}" for n in range(1, 5))
BLOCKED, DIRECT, VPN = BlockedPolicy(), DirectPolicy(), VpnPolicy()
WRONG = ForbiddenError("the password is wrong", field="password", code="wrong_password")
MONDAY = datetime.fromisoformat("2026-11-30T12:00Z").timestamp()


class World:
    """All of policies on a real store; the clocks are the test's. ``refuses``: each plan raises KernelError."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.wall, self.boot, self.boot_id = MONDAY, 1000.0, "first"
        self.refuses = False
        self.plans = 0
        self.when_planned: Callable[[], None] = lambda: None
        self.forgotten: list[str | int] = []
        self.published: list[object] = []
        self.store = Store(directory / "state")
        self.store.load()
        self.begin()

    def begin(self) -> None:
        """Start netd's part, also again."""
        self.opened = OpenExceptions(
            self.directory / "exceptions.json", lambda: self.wall, lambda: self.boot, lambda: self.boot_id
        )
        self.changes = PolicyChanges(
            store=self.store, network=self, exceptions=self.opened.present, publish=self.published.append,
            wall=lambda: self.wall,
        )  # fmt: skip
        self.exceptions = Exceptions(
            opened=self.opened, changes=self.changes, store=self.store, exits=self, own_addresses=lambda: (OURS,),
            publish=self.published.append, check_owner=self.check, wall=lambda: self.wall,
        )  # fmt: skip
        groups = GroupCommands(
            store=self.store, changes=self.changes, exceptions=self.exceptions, exits=self,
            own_addresses=lambda: (OURS,), publish=self.published.append, check_owner=self.check,
        )  # fmt: skip
        devices = DevicePolicies(
            store=self.store, changes=self.changes, exits=self, check_owner=self.check, publish=self.published.append
        )
        self.handlers = dict((*self.exceptions.handlers(), *groups.handlers(), *devices.handlers()))

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.boot += seconds

    def devices(self, *devices: Device, groups: tuple[Group, ...] = ()) -> None:
        self.store.update_settings(lambda s: replace(s, devices=devices, groups=groups))
        self.begin()

    async def run(self, command: Command[object]) -> object:
        return await self.handlers[type(command)](command)

    async def keep(self, seconds: float = 0.05) -> None:
        """Let the task that carries out ends run for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.exceptions.run()

    def events(self, *kinds: type) -> list[object]:
        return [event for event in self.published if isinstance(event, kinds)]

    async def replan(self) -> None:
        if self.refuses:
            raise KernelError("refused")
        self.plans += 1
        self.when_planned()
        self.when_planned = lambda: None

    async def plan_again(self) -> None:
        with contextlib.suppress(KernelError):
            await self.replan()

    async def forget_device(self, mac: str) -> None:
        self.forgotten.append(mac)

    async def forget_exception(self, slot: int) -> None:
        self.forgotten.append(slot)

    def get(self, name: str) -> object:
        if name not in {"default", "se"}:
            raise NotFoundError(f"there is no exit {name!r}", field="exit")
        return name

    async def check(self, password: str | None) -> None:
        if password != "right":
            raise WRONG


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.store.close()


def direct(seconds: float = 1800, **more: object) -> StartException:
    return StartException(DIRECT, TV, seconds=seconds, by="admin", password="right", **more)  # type: ignore[arg-type]


# --- exceptions ------------------------------------------------------------------------------------------------------


async def test_exception_moves_its_device_and_no_other(world: World) -> None:
    world.devices(Device(TV, VPN), Device(PHONE, VPN))
    made = await world.run(direct(reason="game night"))
    assert isinstance(made, PolicyException)
    assert (made.mac, made.policy, made.until, made.reason) == (TV, DIRECT, MONDAY + 1800, "game night")
    assert world.forgotten == [TV]
    assert world.events(ExceptionStarted, DeviceChanged) == [
        DeviceChanged(TV, "policy"),
        ExceptionStarted(1, TV, None, "direct", MONDAY + 1800, "admin", "game night"),
    ]
    assert world.opened.present() == (made,)


async def test_exception_is_announced_to_end_and_ends(world: World) -> None:
    await world.run(direct(300))
    world.pass_time(239)
    await world.keep()
    assert world.events(ExceptionEnding) == []
    world.pass_time(1.5)
    await world.keep()
    await world.keep()
    assert world.events(ExceptionEnding) == [ExceptionEnding(1, TV, None, "direct", MONDAY + 300)]
    world.forgotten.clear()
    world.pass_time(60)
    await world.keep()
    assert world.events(ExceptionEnded) == [ExceptionEnded(1, TV, None, "direct", "time")]
    assert world.forgotten == [0, TV]  # the connections of its number, and the device's
    assert world.opened.kept == ()


async def test_failure_to_end_connections_keeps_no_end_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> None:
        raise OSError("netlink")

    await world.run(direct(60))
    monkeypatch.setattr(world, "forget_device", broken)
    monkeypatch.setattr(world, "forget_exception", broken)
    world.pass_time(61)
    await world.keep()
    assert (len(world.events(ExceptionEnded)), world.opened.kept) == (1, ())


async def test_short_exception_is_not_announced_to_end(world: World) -> None:
    await world.run(direct(45))
    await world.keep()
    assert world.events(ExceptionEnding) == []


@pytest.mark.parametrize("step", [-86400, 86400])
async def test_set_clock_changes_no_announcement(world: World, step: float) -> None:
    """Its length was taken from the wall clock: set back by a day, no end was announced; set on, each was."""
    await world.run(direct(600))
    await world.run(StartException(BLOCKED, PHONE, seconds=45, by="x"))
    await world.keep()
    world.wall += step
    await world.keep()
    assert world.events(ExceptionEnding) == []
    world.pass_time(541)
    await world.keep()
    assert [e.id for e in world.events(ExceptionEnding)] == [1]  # type: ignore[attr-defined]


async def test_moved_end_is_announced_by_that_or_again(world: World) -> None:
    await world.run(direct(600))
    await world.keep()
    await world.run(ChangeException(1, seconds=50, password="right"))
    await world.keep()
    assert world.events(ExceptionEnding) == []
    await world.run(ChangeException(1, seconds=90, password="right"))
    await world.keep()
    world.pass_time(31)
    await world.keep()
    assert len(world.events(ExceptionEnding)) == 1


async def test_end_refused_by_the_kernel_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends_module, "RETRY_DELAY", 0.01)
    await world.run(direct(60))
    world.pass_time(61)
    world.refuses = True
    await world.keep()
    assert [e.reason for e in world.events(SecurityAlert)] == ["plan_failed"]  # type: ignore[attr-defined]
    assert world.opened.present() == ()  # no plan has it any more
    assert world.events(ExceptionEnded) == []
    world.refuses = False
    await world.keep()
    assert len(world.events(ExceptionEnded)) == 1


async def test_refused_start_leaves_what_was_there(world: World) -> None:
    first = await world.run(direct(600))
    world.published.clear()
    world.refuses = True
    with pytest.raises(KernelError):
        await world.run(StartException(BLOCKED, TV, seconds=60, by="admin"))
    with pytest.raises(KernelError):
        await world.run(StartException(BLOCKED, PHONE, seconds=60, by="admin"))
    with pytest.raises(KernelError):
        await world.run(ChangeException(1, seconds=30))
    with pytest.raises(KernelError):
        await world.run(EndException(1))
    assert world.opened.present() == (first,)
    assert world.published == []


async def test_new_exception_takes_the_place_of_the_old(world: World) -> None:
    await world.run(direct(600))
    await world.run(StartException(BLOCKED, TV, seconds=60, by="admin"))
    assert [(e.id, e.policy) for e in world.opened.present()] == [(2, BLOCKED)]
    assert world.events(ExceptionEnded) == [ExceptionEnded(1, TV, None, "direct", "replaced")]


async def test_prolonging_disturbs_no_connection(world: World) -> None:
    await world.run(direct(600))
    world.forgotten.clear()
    changed = await world.run(ChangeException(1, seconds=1200, password="right"))
    assert changed == world.opened.get(1)
    assert world.opened.get(1).until == MONDAY + 1200
    assert world.forgotten == []


async def test_owner_is_asked_to_open_in_the_clear(world: World) -> None:
    world.devices(Device(TV, VPN), Device(PHONE, DIRECT))
    with pytest.raises(ForbiddenError):
        await world.run(StartException(DIRECT, TV, seconds=9, by="x"))
    await world.run(StartException(DIRECT, PHONE, seconds=9, by="x"))  # it is direct anyway
    await world.run(direct(600))
    with pytest.raises(ForbiddenError):
        await world.run(ChangeException(2, seconds=700))
    await world.run(ChangeException(2, seconds=500))
    await world.run(EndException(2))


BAD = [
    (StartException(DIRECT, TV, seconds=9, until=MONDAY + 9), "for"),
    (StartException(DIRECT, TV), "for"),
    (StartException(DIRECT, TV, seconds=0), "for"),
    (StartException(DIRECT, TV, seconds=float("nan")), "for"),
    (StartException(DIRECT, TV, seconds=float("inf")), "for"),
    (StartException(DIRECT, TV, until=MONDAY - 1), "until"),
    (StartException(DIRECT, TV, until=MONDAY + 30 * 86400 + 60), "until"),
    (StartException(DIRECT, "01:00:5e:00:00:01", seconds=9), "device"),
    (StartException(DIRECT, OURS, seconds=9), "device"),
    (StartException(DIRECT, seconds=9), "device"),
    (StartException(DIRECT, TV, "children", seconds=9), "device"),
    (StartException(DIRECT, group="nobody", seconds=9), "group"),
    (StartException(VpnPolicy("atlantis"), TV, seconds=9), "policy"),
    (StartException(BLOCKED, TV, seconds=9, reason="a\nb"), "reason"),
    (ChangeException(7, seconds=9), "id"),
    (EndException(7), "id"),
]


@pytest.mark.parametrize(("command", "field"), BAD, ids=[f"{n}-{field}" for n, (_, field) in enumerate(BAD)])
async def test_bad_exception_changes_nothing(world: World, command: Command[object], field: str) -> None:
    with pytest.raises((InvalidFieldError, NotFoundError)) as caught:
        await world.run(command)
    assert caught.value.field == field
    assert (world.opened.kept, world.plans, world.published) == ((), 0, [])


async def test_as_many_exceptions_as_there_are_numbers(world: World) -> None:
    for number in range(MAX_EXCEPTIONS):
        await world.run(StartException(BLOCKED, f"02:00:00:00:01:{number:02x}", seconds=60, by="x"))
    assert len({e.slot for e in world.opened.present()}) == MAX_EXCEPTIONS
    with pytest.raises(ConflictError):
        await world.run(StartException(BLOCKED, TV, seconds=60, by="x"))


# --- a restart and a reboot ------------------------------------------------------------------------------------------


async def test_restart_keeps_what_is_open_and_ends_what_is_over(world: World) -> None:
    await world.run(direct(600))
    await world.run(StartException(BLOCKED, PHONE, seconds=60, by="x"))
    world.pass_time(100)
    world.begin()
    assert [e.mac for e in world.opened.present()] == [TV]
    world.published.clear()
    await world.keep()
    assert world.events(ExceptionEnded) == [ExceptionEnded(2, PHONE, None, "blocked", "time")]
    assert await world.run(StartException(BLOCKED, NAS, seconds=60, by="x")) == world.opened.get(3)


async def test_reboot_ends_all(world: World) -> None:
    await world.run(direct(600))
    world.boot_id = "second"
    world.begin()
    assert world.opened.kept == ()


async def test_full_run_directory_keeps_no_end_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task ended with the error, and netd with it, at each start again."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    await world.run(direct(60))
    monkeypatch.setattr(open_exceptions_module.atomic, "write_atomic", full)
    with pytest.raises(UnavailableError):
        await world.run(StartException(BLOCKED, PHONE, seconds=60, by="x"))
    world.pass_time(61)
    await world.keep()
    assert world.opened.kept == ()
    assert [e.cause for e in world.events(ExceptionEnded)] == ["time"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("content", [b"", b"{}", b'{"boot":"first","last":1,"exceptions":[{}]}'])
async def test_damaged_file_ends_all(world: World, content: bytes) -> None:
    await world.run(direct(600))
    (world.directory / "exceptions.json").write_bytes(content)
    world.begin()
    assert world.opened.kept == ()


async def test_restore_ends_all_and_keeps_no_other(world: World) -> None:
    await world.run(direct(600))
    world.opened.close()
    with pytest.raises(UnavailableError):
        await world.run(direct(600))
    world.begin()
    assert world.opened.kept == ()


async def test_step_of_the_wall_clock_moves_no_end(world: World) -> None:
    await world.run(direct(600))
    world.wall += 86400
    (one,) = world.opened.present()
    assert one.until == world.wall + 600
    assert effective(world.store.settings, TV, world.wall, world.opened.present()).policy == DIRECT
    world.boot += 601
    assert world.opened.present() == ()


# --- schedules and groups --------------------------------------------------------------------------------------------


def entry(start: int, end: int, policy: object = BLOCKED) -> ScheduleEntry:
    return ScheduleEntry(frozenset(range(7)), start, end, policy)  # type: ignore[arg-type]


async def test_schedule_begins_on_the_minute_for_its_devices(world: World) -> None:
    evening = (entry(12 * 60 + 1, 13 * 60),)
    world.devices(
        Device(TV, VPN, group="children"), Device(PHONE, VPN), Device(NAS, BLOCKED, group="children"),
        groups=(Group("children", schedule=evening),),
    )  # fmt: skip
    world.pass_time(59)
    await world.changes.check()
    assert (world.plans, world.forgotten) == (0, [])
    world.pass_time(1)
    await world.changes.check()
    assert (world.plans, world.forgotten) == (1, [TV])  # the other member was blocked before
    world.pass_time(3600)
    await world.changes.check()
    assert (world.plans, world.forgotten) == (2, [TV, TV])


async def until_forgotten(world: World, *macs: str) -> None:
    async with asyncio.timeout(20):
        while world.forgotten != list(macs):
            await asyncio.sleep(0.005)


async def test_schedule_is_followed_by_the_task_in_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "LOOK_INTERVAL", 0.01)
    world.devices(Device(TV, VPN, schedule=(entry(12 * 60 + 1, 13 * 60),)))
    task = asyncio.create_task(world.changes.run())
    await asyncio.sleep(0.05)
    assert world.forgotten == []
    world.pass_time(60)
    await until_forgotten(world, TV)
    world.store.update_settings(lambda s: replace(s, time_zone="Asia/Tokyo"))
    world.changes.wake()
    await until_forgotten(world, TV, TV)  # it is 21:01 there
    task.cancel()


async def test_schedule_refused_by_the_kernel_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes_module, "RETRY_DELAY", 0.01)
    world.devices(Device(TV, VPN, schedule=(entry(12 * 60 + 1, 13 * 60),)))
    world.pass_time(60)
    world.refuses = True
    task = asyncio.create_task(world.changes.check())
    await asyncio.sleep(0.05)
    assert world.forgotten == []
    world.refuses = False
    await asyncio.wait_for(task, 20)
    assert world.forgotten == [TV]
    assert len(world.events(SecurityAlert)) == 1


async def test_group_policy_moves_those_who_follow_it(world: World) -> None:
    world.devices(Device(TV, VPN, group="children", own=False), Device(PHONE, VPN, group="children"), Device(NAS, VPN))
    await world.run(SetGroup("children", BLOCKED))
    assert world.forgotten == [TV]
    assert world.store.settings.groups == (Group("children", BLOCKED),)
    assert world.events(SettingsChanged) == [SettingsChanged(("groups",))]
    await world.run(SetDevicePolicy(PHONE, None))
    assert world.forgotten == [TV, PHONE]
    await world.run(StartException(VPN, group="children", seconds=60, by="x"))
    assert world.forgotten == [TV, PHONE, TV, PHONE]
    world.forgotten.clear()
    await world.run(RemoveGroup("children"))
    assert world.opened.kept == ()
    assert {d.group for d in world.store.settings.devices} == {None}
    assert world.forgotten == [0]  # the connections of its number: the VPN is what both follow afterwards, too


async def test_owner_is_asked_by_every_way_into_the_clear(world: World) -> None:
    world.devices(Device(TV, VPN, group="guests"))
    always = (entry(0, 0, DIRECT),)
    ways = (
        SetGroup("guests", DIRECT),
        SetGroup("guests", None, always),
        SetDeviceSchedule(TV, always),
        SetDevicePolicy(TV, DIRECT),
    )
    for way in ways:
        with pytest.raises(ForbiddenError):
            await world.run(way)
    assert world.plans == 0
    await world.run(replace(ways[0], password="right"))
    with pytest.raises(ForbiddenError):
        await world.run(SetDevicePolicy(TV, None))  # into the group's policy
    assert world.store.settings.devices == (Device(TV, VPN, group="guests"),)


async def test_removed_group_lets_nobody_out_in_between(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exception keeps the devices of the group from leaving in the clear, and what they follow next is the VPN."""
    world.devices(Device(TV, own=False, group="guests"), groups=(Group("guests", DIRECT),))
    await world.run(StartException(BLOCKED, group="guests", seconds=600, by="admin"))
    plans: list[object] = []

    async def replan() -> None:
        plans.append(effective(world.store.settings, TV, world.wall, world.opened.present()).policy)
        if len(plans) == 1:
            raise KernelError("refused")

    monkeypatch.setattr(world, "replan", replan)
    with pytest.raises(KernelError):
        await world.run(RemoveGroup("guests"))
    assert plans == [VPN, BLOCKED]
    assert world.store.settings.groups == (Group("guests", DIRECT),)
    await world.run(RemoveGroup("guests"))
    assert plans == [VPN, BLOCKED, VPN]
    assert (len(world.events(ExceptionEnded)), world.opened.kept) == (1, ())


async def test_refused_change_of_a_group_is_undone_alone(world: World) -> None:
    world.devices(Device(TV, VPN, group="children"), groups=(Group("children", VPN),))
    before = world.store.settings
    world.refuses = True
    for command in (
        SetGroup("children", BLOCKED),
        SetGroup("new", BLOCKED),
        RemoveGroup("children"),
        SetDeviceSchedule(TV, (entry(0, 1),)),
        SetDeviceSchedule(NAS, (entry(0, 1),)),
        SetDevicePolicy(TV, BLOCKED),
    ):
        with pytest.raises(KernelError):
            await world.run(command)
        assert world.store.settings == before
    assert world.published == []


GROUP_FAULTS: list[tuple[Command[object], str]] = [
    (SetGroup("", BLOCKED), "name"),
    (SetGroup("a/b", BLOCKED), "name"),
    (SetGroup("a\nb", BLOCKED), "name"),
    (SetGroup("a", VpnPolicy("atlantis")), "policy"),
    (SetGroup("a", None, (ScheduleEntry(frozenset(), 0, 1, BLOCKED),)), "schedule[0].days"),
    (SetGroup("a", None, (entry(0, 1),) * 51), "schedule"),
    (RemoveGroup("a"), "name"),
    (SetDeviceSchedule("01:00:5e:00:00:01", ()), "mac"),
    (SetDeviceSchedule(OURS, ()), "mac"),
    (SetDeviceSchedule(TV, (entry(0, 1), entry(1, 2, VpnPolicy("atlantis")))), "schedule[1].policy"),
]


@pytest.mark.parametrize(("command", "field"), GROUP_FAULTS, ids=[str(n) for n in range(len(GROUP_FAULTS))])
async def test_bad_group_or_schedule_changes_nothing(world: World, command: Command[object], field: str) -> None:
    before = world.store.settings
    with pytest.raises(GatewayError) as caught:
        await world.run(command)
    assert caught.value.field == field
    assert (world.store.settings, world.plans, world.published) == (before, 0, [])


async def test_schedule_lets_no_device_in_that_waits(world: World) -> None:
    """It was stored as an admitted one, without a word: an empty schedule was enough."""
    world.store.update_settings(lambda s: replace(s, new_device_policy="wait"))
    await world.run(SetDeviceSchedule(TV, ()))
    assert world.store.settings.devices == ()
    await world.run(SetDeviceSchedule(TV, (entry(0, 1),)))
    assert [d.admitted for d in world.store.settings.devices] == [False]


async def test_removal_of_a_group_is_all_or_nothing(world: World) -> None:
    world.devices(Device(TV, VPN, group="children", own=False))
    await world.run(StartException(BLOCKED, group="children", seconds=60, by="x"))
    world.published.clear()
    world.refuses = True
    with pytest.raises(KernelError):
        await world.run(RemoveGroup("children"))
    assert ([d.group for d in world.store.settings.devices], len(world.opened.present())) == (["children"], 1)
    world.refuses = False
    plans = world.plans
    await world.run(RemoveGroup("children"))
    assert ([d.group for d in world.store.settings.devices], world.opened.kept) == ([None], ())
    assert world.plans == plans + 1
    assert DeviceChanged(TV, "group") in world.published


class NoExits:
    def goals(self) -> dict[str, Target | None]:
        return {}

    async def follow_settings(self) -> None: ...

    async def restore_goals(self, before: object, own_goals: object) -> None: ...


def bulk_of(world: World) -> BulkRunner:
    return BulkRunner(
        run=world.run, store=world.store, exits=NoExits(), policies=world.changes, importer=world,  # type: ignore[arg-type]
        publish=world.published.append, exceptions=world.exceptions,
    )  # fmt: skip


async def test_undone_bulk_moves_its_own_devices_alone(world: World) -> None:
    """All devices with settings lost their connections where one operation of a request failed."""
    world.devices(Device(TV, VPN), Device(PHONE, VPN))
    with pytest.raises(GatewayError):
        await bulk_of(world).run(
            Bulk((SetDevicePolicy(TV, BLOCKED), StartException(BLOCKED, NAS, seconds=60), EndException(9)))
        )
    assert (world.opened.kept, [d.policy for d in world.store.settings.devices]) == ((), [VPN, VPN])
    assert set(world.forgotten) == {TV, NAS}
    assert world.forgotten.count(TV) == 2


async def test_policies_of_a_bulk_are_one_plan(world: World) -> None:
    """A hundred plans in turn kept netd from all else, on a slow machine until its watchdog ended it."""
    world.devices(Device(TV, VPN), Device(PHONE, VPN))
    world.plans = 0
    night = (ScheduleEntry(frozenset(range(7)), 0, 1439, BLOCKED),)
    done = asyncio.create_task(
        bulk_of(world).run(
            Bulk((SetDevicePolicy(TV, BLOCKED), SetDeviceSchedule(PHONE, night), SetDevicePolicy(NAS, BLOCKED)))
        )
    )
    turns = 0
    while not done.done():
        await asyncio.sleep(0)
        turns += 1
    assert [outcome.status for outcome in done.result()] == [200, 200, 200]
    assert world.plans == 1
    assert sorted(world.forgotten) == [TV, PHONE, NAS]
    assert turns > 3  # others had theirs between two commands


async def test_policies_before_another_command_are_planned(world: World) -> None:
    world.devices(Device(TV, VPN), Device(PHONE, VPN))
    world.plans = 0
    start = StartException(BLOCKED, NAS, seconds=60)
    await bulk_of(world).run(Bulk((SetDevicePolicy(TV, BLOCKED), start, SetDevicePolicy(PHONE, BLOCKED))))
    assert (world.plans, world.forgotten) == (3, [TV, NAS, PHONE])


@pytest.mark.parametrize("cause", ["kernel", "command"])
async def test_failed_policies_of_a_bulk_leave_nothing(world: World, cause: str) -> None:
    """What a device opened while the plan had it, if only in part, is gone as well."""
    world.devices(Device(TV, VPN), Device(PHONE, VPN))
    before = world.store.settings
    world.refuses = cause == "kernel"
    commands = SetDevicePolicy(TV, BLOCKED), SetDevicePolicy(PHONE, BLOCKED if world.refuses else VpnPolicy("atlantis"))
    with pytest.raises(GatewayError) as caught:
        await bulk_of(world).run(Bulk(commands))
    assert caught.value.message.startswith(f"operations[1]: {'refused' if cause == 'kernel' else 'policy: '}")
    assert world.store.settings == before
    assert set(world.forgotten) == ({TV, PHONE} if cause == "kernel" else {TV})
    world.refuses = False
    world.forgotten.clear()
    await world.changes.follow()
    assert world.forgotten == []


def test_every_command_has_a_handler_here(world: World) -> None:
    module = inspect.getmodule(StartException)
    assert module is not None
    own = {c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == module.__name__}
    assert own <= world.handlers.keys()


@pytest.mark.parametrize("when", ["alone", "planned", "refused"])
async def test_renamed_exit_keeps_its_devices_connections(
    world: World, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next change of any device's policy must not take the new name for another policy."""
    world.store.update_settings(lambda s: with_exit(s, ExitSettings("work")))
    world.store.update_settings(lambda s: replace(s, default_policy=VpnPolicy("work")))
    world.devices(Device(TV, policy=VpnPolicy("work")), Device(PHONE))

    def rename() -> None:
        world.store.update_settings(lambda s: renamed(s, "work", "office"))
        world.changes.rename_exit("work", "office")

    async def refuse() -> None:
        rename()
        raise KernelError("refused")

    if when == "refused":
        monkeypatch.setattr(world, "replan", refuse)
        with pytest.raises(KernelError):
            await world.changes.follow()
        monkeypatch.undo()
    elif when == "planned":
        world.when_planned = rename
        await world.changes.follow()
    else:
        rename()
    await world.run(SetDevicePolicy(PHONE, BLOCKED))
    assert world.forgotten == [PHONE]
    assert [e.mac for e in world.events(DeviceChanged)] == [PHONE]
    await world.changes.check()
    assert world.forgotten == [PHONE]
