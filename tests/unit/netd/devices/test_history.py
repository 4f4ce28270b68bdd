"""Each event of a device becomes a record of its history, with what was there before; all of netd runs here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from typing import Any

import pytest
from msgspec import structs

from app.errors import GatewayError
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    ExitSettings,
    Group,
    Lease,
    ScheduleEntry,
    SelfService,
    VpnPolicy,
)
from app.netd.daemon import Daemon
from app.netd.dependencies import Dependencies
from app.netd.devices import history as history_module
from app.protocol.commands import (
    AdmitDevice,
    Bulk,
    ChangeDevice,
    ChangeException,
    ChangeExit,
    ChangePreferences,
    Command,
    EndException,
    ForgetDevice,
    GetDeviceHistory,
    MakeExit,
    RemoveGroup,
    SetDevicePolicy,
    SetDeviceSchedule,
    SetGroup,
    SetSelfService,
    StartException,
)
from app.protocol.device_history import DeviceHistoryQuery
from app.protocol.events import DeviceChanged
from app.protocol.exit_commands import ExitChange
from app.protocol.preferences import PreferencesChange
from ci.labnet.owner import PASSWORD
from tests.unit.netd.test_daemon import Kernel, Machine, deps, kernel, machine, started  # noqa: F401 - fixtures

TV, PHONE = "02:00:00:00:00:01", "02:00:00:00:00:02"
BLOCKED, DIRECT, VPN = BlockedPolicy(), DirectPolicy(), VpnPolicy()
ALWAYS = ScheduleEntry(frozenset(range(7)), 0, 0, BLOCKED)
Start = Callable[..., Awaitable[Daemon]]


class House:
    """netd with a history that can be asked for; ``leases`` are those of DHCP."""

    def __init__(self, daemon: Daemon, leases: list[Lease]) -> None:
        self.daemon = daemon
        self.leases = leases

    async def run(self, command: Command[Any]) -> Any:
        return await self.daemon.gateway.submit(command)

    def publish(self, mac: str, *reasons: Any) -> None:
        for reason in reasons:
            self.daemon.events.publish(DeviceChanged(mac, reason))

    async def lease(self, address: str, mac: str = TV) -> None:
        """A new or renewed lease of the device, and a look at it."""
        self.leases[:] = [Lease(mac, address, "telly", time.time() + 3600)]
        await self.daemon.watcher.look()

    async def told(self, mac: str = TV) -> list[dict[str, Any]]:
        """What the history tells of the device, the first first; without ids and times."""
        page = await self.run(GetDeviceHistory(DeviceHistoryQuery(mac)))
        records = [structs.asdict(record) for record in reversed(page.records)]
        assert all(record["id"] > 0 and abs(record["time"] - time.time()) < 60 for record in records)
        return [
            {name: value for name, value in record.items() if name not in {"id", "time"} and value is not None}
            for record in records
        ]


Opened = Callable[..., Awaitable[House]]


@pytest.fixture
def opened(
    deps: Dependencies,  # noqa: F811
    machine: Machine,  # noqa: F811
    started: Start,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Opened:
    """Start netd with these settings."""

    async def open_(**settings: Any) -> House:
        leases: list[Lease] = []
        monkeypatch.setattr(machine, "leases", lambda: tuple(leases))
        deps.store.update_settings(lambda s: structs.replace(s, **settings))
        daemon = await started()
        await asyncio.to_thread(daemon.statistics._open)
        daemon.device_history.start({})
        return House(daemon, leases)

    return open_


@pytest.fixture
async def house(opened: Opened) -> House:
    return await opened()


# --- what devices do -------------------------------------------------------------------------------------------------


async def test_device_appears_and_gets_another_address(house: House) -> None:
    await house.lease("192.168.77.20")
    house.daemon.events.publish(DeviceChanged(TV, "lease", "192.168.77.20"))
    house.daemon.events.publish(DeviceChanged(TV, "lease", "192.168.77.21"))
    house.publish(TV, "lease_ended")
    house.daemon.events.publish(DeviceChanged(TV, "lease", "192.168.77.21"))
    assert await house.told() == [
        {"change": "appeared", "address": "192.168.77.20", "name": "telly"},
        {"change": "address", "address": "192.168.77.21", "before": "192.168.77.20"},
    ]


async def test_coming_and_going_is_told_once_in_ten_minutes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, clock = house.daemon.device_history, 1000.0
    monkeypatch.setattr(recorder, "_clock", lambda: clock)
    house.publish(TV, "online", "offline", "online", "offline")
    recorder.look()
    assert await house.told() == [{"change": "online"}]
    clock += 600
    recorder.look()
    recorder.look()
    assert await house.told() == [{"change": "online"}, {"change": "offline"}]


async def test_what_was_held_back_stands_before_what_came_later(house: House) -> None:
    house.publish(TV, "online", "offline")
    await house.run(ChangeDevice(TV, name="Telly"))
    assert [each["change"] for each in await house.told()] == ["online", "offline", "renamed"]


async def test_what_is_held_back_at_the_end_is_told(house: House) -> None:
    house.publish(TV, "online", "offline")
    house.daemon.device_history.close()
    assert [each["change"] for each in await house.told()] == ["online", "offline"]


async def test_presence_before_the_start_is_remembered(started: Start) -> None:  # noqa: F811
    """What was told last comes from the disk; events that come before it was read wait for it."""
    daemon = await started()
    house = House(daemon, [])
    house.publish(TV, "online")
    house.publish(PHONE, "online")
    await asyncio.to_thread(daemon.statistics._open)
    daemon.device_history.start({TV: True, PHONE: False})
    assert await house.told() == []
    assert await house.told(PHONE) == [{"change": "online"}]


async def test_device_that_netd_lost_in_a_crash_is_not_new(started: Start) -> None:  # noqa: F811
    """The list of devices is written a minute after a new one came; the history may have been written before that."""
    daemon = await started()
    house = House(daemon, [])
    await asyncio.to_thread(daemon.statistics._open)
    house.publish(TV, "appeared")
    house.publish(PHONE, "appeared")
    daemon.device_history.start({TV: True})
    assert await house.told() == []
    assert await house.told(PHONE) == [{"change": "appeared"}]


# --- what people decide ----------------------------------------------------------------------------------------------


async def test_policy_is_told_with_the_one_before(house: House) -> None:
    await house.run(SetDevicePolicy(TV, BLOCKED))
    await house.run(SetDevicePolicy(TV, BLOCKED))
    await house.run(SetDevicePolicy(TV, None))
    assert await house.told() == [
        {"change": "policy", "policy": "blocked", "before": "vpn", "cause": "own"},
        {"change": "policy", "policy": "vpn", "before": "blocked", "cause": "default"},
    ]


async def test_names_groups_and_addresses_are_told(opened: Opened) -> None:
    house = await opened(devices=(Device(TV, BLOCKED, "Old", own=True),))
    await house.run(ChangeDevice(TV, name="Telly", group="Children", address=IPv4Address("192.168.77.9")))
    await house.run(ChangeDevice(TV, name=None, group=None, address=None))
    await house.run(ChangeDevice(TV))
    assert await house.told() == [
        {"change": "renamed", "name": "Telly", "before": "Old"},
        {"change": "group", "group": "Children"},
        {"change": "fixed_address", "address": "192.168.77.9"},
        {"change": "renamed", "before": "Telly"},
        {"change": "group", "before": "Children"},
        {"change": "fixed_address", "before": "192.168.77.9"},
    ]


async def test_admission_is_told(opened: Opened) -> None:
    house = await opened(new_device_policy="wait")
    await house.lease("192.168.77.20")
    await house.run(AdmitDevice(TV))
    assert (await house.told())[1:] == [
        {"change": "policy", "policy": "vpn", "before": "blocked", "cause": "default"},
        {"change": "admitted"},
    ]


async def test_what_a_device_may_decide_is_told(house: House) -> None:
    await house.run(SetSelfService(TV, SelfService("pause"), password=PASSWORD))
    await house.run(SetSelfService(TV, None))
    assert await house.told() == [{"change": "self_service", "allow": "pause"}, {"change": "self_service"}]


async def test_schedule_is_told_and_what_it_does_now(house: House) -> None:
    await house.run(SetDeviceSchedule(TV, (ALWAYS,)))
    await house.run(SetDevicePolicy(TV, DIRECT, password=PASSWORD))
    await house.run(SetDeviceSchedule(TV, (), password=PASSWORD))
    assert await house.told() == [
        {"change": "schedule"},
        {"change": "policy", "policy": "blocked", "before": "vpn", "cause": "schedule"},
        {"change": "own_policy", "policy": "direct"},
        {"change": "schedule"},
        {"change": "policy", "policy": "direct", "before": "blocked", "cause": "own"},
    ]


async def test_policy_of_its_group_is_told_of_whom_it_moves(opened: Opened) -> None:
    house = await opened(devices=(Device(TV, own=False, group="Children"), Device(PHONE, BLOCKED, group="Children")))
    await house.run(SetGroup("Children", DIRECT, (), password=PASSWORD))
    await house.run(SetGroup("Children", DIRECT, (ALWAYS,)))
    assert await house.told() == [
        {"change": "policy", "policy": "direct", "before": "vpn", "cause": "group", "group": "Children"},
        {"change": "policy", "policy": "blocked", "before": "direct", "cause": "group_schedule", "group": "Children"},
    ]
    assert await house.told(PHONE) == []


async def test_default_policy_moves_also_who_is_away(house: House) -> None:
    await house.lease("192.168.77.20")
    await house.run(ChangePreferences(PreferencesChange(default_policy="blocked")))
    await house.run(ChangePreferences(PreferencesChange(host_names=("x.example",))))
    assert (await house.told())[1:] == [{"change": "policy", "policy": "blocked", "before": "vpn", "cause": "default"}]


# --- exceptions ------------------------------------------------------------------------------------------------------


async def test_exception_is_told_from_its_start_to_its_end(house: House) -> None:
    made = await house.run(StartException(DIRECT, TV, seconds=60, by="admin", reason="football", password=PASSWORD))
    moved = await house.run(ChangeException(made.id, seconds=120, password=PASSWORD))
    another = await house.run(StartException(BLOCKED, TV, seconds=60, by="phone"))
    await house.run(EndException(another.id))
    first, second, *others = await house.told()
    assert first == {
        "change": "exception_start", "policy": "direct", "until": made.until, "by": "admin", "reason": "football",
    }  # fmt: skip
    assert second == first | {"until": moved.until}
    assert others == [
        {"change": "exception_end", "before": "direct", "policy": "blocked", "cause": "replaced"},
        {"change": "exception_start", "policy": "blocked", "until": another.until, "by": "phone"},
        {"change": "exception_end", "before": "blocked", "policy": "vpn", "cause": "ended"},
    ]


async def test_decision_during_an_exception_is_told(house: House) -> None:
    made = await house.run(StartException(DIRECT, TV, seconds=60, by="admin", password=PASSWORD))
    await house.run(SetDevicePolicy(TV, BLOCKED))
    await house.run(EndException(made.id))
    assert (await house.told())[1:] == [
        {"change": "own_policy", "policy": "blocked"},
        {"change": "exception_end", "before": "direct", "policy": "blocked", "cause": "ended"},
    ]


async def test_exception_of_its_group_is_told_by_its_name(opened: Opened) -> None:
    house = await opened(
        devices=(Device(TV, own=False, group="Children"), Device(PHONE, own=False)), groups=(Group("Children", VPN),)
    )
    made = await house.run(StartException(BLOCKED, group="Children", seconds=60, by="admin"))
    await house.run(RemoveGroup("Children"))
    assert await house.told() == [
        {"change": "exception_start", "policy": "blocked", "until": made.until, "by": "admin", "group": "Children"},
        {"change": "exception_end", "before": "blocked", "policy": "vpn", "cause": "ended", "group": "Children"},
        {"change": "group", "before": "Children"},
    ]
    assert await house.told(PHONE) == []


# --- what ends and what goes on --------------------------------------------------------------------------------------


async def test_forgotten_device_has_no_history(house: House) -> None:
    await house.lease("192.168.77.20")
    await house.run(SetDevicePolicy(TV, BLOCKED, "Telly"))
    await house.run(ForgetDevice(TV))
    assert await house.told() == []
    await house.lease("192.168.77.20")
    assert await house.told() == [{"change": "appeared", "address": "192.168.77.20", "name": "telly"}]


async def test_failing_bulk_request_forgets_nothing(house: House) -> None:
    await house.lease("192.168.77.20")
    await house.run(ChangeDevice(TV, name="Telly"))
    with pytest.raises(GatewayError, match="no such device"):
        await house.run(Bulk((ForgetDevice(TV), ForgetDevice(PHONE))))
    assert [each["change"] for each in await house.told()] == ["appeared", "renamed"]
    await house.run(Bulk((ForgetDevice(TV),)))
    assert await house.told() == []


async def test_renamed_exit_has_its_new_name_in_the_history(house: House) -> None:
    await house.run(MakeExit(ExitSettings("se")))
    await house.run(SetDevicePolicy(TV, VpnPolicy("se")))
    await house.run(ChangeExit("se", ExitChange(name="no")))
    await house.run(SetDevicePolicy(TV, BLOCKED))
    assert await house.told() == [
        {"change": "policy", "policy": "vpn:no", "before": "vpn", "cause": "own"},
        {"change": "policy", "policy": "blocked", "before": "vpn:no", "cause": "own"},
    ]


async def test_refused_change_is_not_told(house: House, kernel: Kernel) -> None:  # noqa: F811
    kernel.refuses = True
    with pytest.raises(Exception, match="refused"):
        await house.run(SetDevicePolicy(TV, BLOCKED))
    assert await house.told() == []


async def test_invented_devices_take_no_room_for_ever(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "MOST", 10)
    for number in range(20):
        house.publish(f"02:00:00:00:01:{number:02x}", "appeared")
        house.daemon.events.publish(DeviceChanged(f"02:00:00:00:01:{number:02x}", "lease", "192.168.77.20"))
    recorder = house.daemon.device_history
    assert (len(recorder._known), len(recorder._addresses)) == (10, 10)
