"""A device by the address that it asks from: what it sees, what it may choose, and when its pauses end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest

from app.errors import (
    ConflictError,
    ForbiddenError,
    GatewayError,
    InvalidFieldError,
    KernelError,
    NotFoundError,
)
from app.explain.decision import Decision, by_admin, stored
from app.model import BlockedPolicy, Device, DirectPolicy, Neighbour, Policy, PolicyException, SelfService, VpnPolicy
from app.netd import own_device
from app.netd.known_device import KnownDevices
from app.netd.network_parts import PlanApplied
from app.netd.own_device import OwnDevices
from app.netd.self_service import SelfServiceCommands
from app.protocol.commands import ChangeOwnDevice, GetOwnDevice, GetSelfService, SetSelfService
from app.protocol.events import DeviceChanged, SettingsChanged
from app.protocol.explanations import Pause, Why
from app.store import Store
from app.store import settings as settings_file

TV, PHONE, ROUTER = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
AT_TV, AT_PHONE = "192.168.77.21", "fd12::22"
NOW = 1_000_000.0
PASSWORD = "correct horse"


class FakePauses:
    def __init__(self) -> None:
        self.open: dict[str, float] = {}
        self.begun: list[tuple[str, float]] = []
        self.refuses = False

    def paused(self) -> Iterable[str]:
        return list(self.open)

    def until(self, mac: str) -> float | None:
        return self.open.get(mac)

    async def begin(self, mac: str, seconds: float) -> None:
        self.begun.append((mac, seconds))
        self.open[mac] = NOW + seconds

    async def end(self, mac: str) -> None:
        if self.refuses:
            raise KernelError("refused")
        self.open.pop(mac, None)


class Gateway:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.pauses = FakePauses()
        self.exceptions: tuple[PolicyException, ...] = ()  # of the admin
        self.neighbours = [
            Neighbour(TV, AT_TV, 1.0),
            Neighbour(TV, "fe80::21", 1.0),
            Neighbour(PHONE, AT_PHONE, 1.0),
        ]
        self.published: list[object] = []
        self.plans = 0
        self.refuses = False
        self.bedtime = NOW + 1e9
        self.subscriber = lambda _change: None
        store.update_settings(lambda s: msgspec.structs.replace(s, exits=("default", "de", "se")))

    def subscribe(self, subscriber) -> None:
        self.subscriber = subscriber

    async def follow(self, *, undo) -> None:
        self.plans += 1
        if self.refuses:
            undo()
            raise KernelError("refused")

    async def known(self) -> KnownDevices:
        return KnownDevices(self.store.settings.devices, (), tuple(self.neighbours))

    def admins(self, settings, mac: str, at: float) -> Decision:
        if at >= self.bedtime:
            return Decision(BlockedPolicy(), "schedule")
        return by_admin(lambda: self.exceptions)(settings, mac, at)

    def decide(self, settings, mac: str, at: float) -> Decision:
        if at >= self.bedtime:
            return Decision(BlockedPolicy(), "schedule")
        until = self.pauses.until(mac)
        if until is not None:
            return Decision(DirectPolicy(), "exception", until=until)
        return stored(settings, mac, at)

    async def why(self, mac: str) -> Why:
        decision = self.decide(self.store.settings, mac, NOW)
        return Why(
            mac, None, "vpn", decision.policy, decision.origin, None, None, None, None, None, None, None, "", None, ()
        )

    async def check_owner(self, password: str | None) -> None:
        if password != PASSWORD:
            raise ForbiddenError("the password is wrong", code="wrong_password")

    def own_devices(self) -> OwnDevices:
        return OwnDevices(
            store=self.store,
            known=self.known,
            why=self.why,
            admins=self.admins,
            pauses=self.pauses,
            follow=self.follow,
            subscribe=self.subscribe,
            clock=lambda: NOW,
        )

    async def run(self, command):
        own = self.own_devices()
        admin = SelfServiceCommands(self.store, self.published.append, self.check_owner, self.follow, own.wake)
        return await {**dict(own.handlers()), **dict(admin.handlers())}[type(command)](command)

    async def allow(self, allow, exits=None, longest: int = 1800, mac: str | None = None) -> None:
        await self.run(SetSelfService(mac, SelfService(allow, exits, longest), PASSWORD))


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with Store(tmp_path) as store:
        store.load()
        yield Gateway(store)


# --- Who asks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("address", "mac"), [(AT_TV, TV), ("fe80::21%br-lan", TV), ("FD12:0::22", PHONE)])
async def test_device_is_known_by_its_address(gateway: Gateway, address: str, mac: str) -> None:
    assert (await gateway.run(GetOwnDevice(address))).why.mac == mac


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.77.99", "203.0.113.9", "", "unix:", "fe80::99"])
async def test_who_is_no_device_of_the_lan_gets_nothing(gateway: Gateway, address: str) -> None:
    await gateway.allow("all")
    for command in (GetOwnDevice(address), ChangeOwnDevice(address, exit="de"), ChangeOwnDevice(address, pause=60)):
        with pytest.raises(NotFoundError) as caught:
            await gateway.run(command)
        assert caught.value.code == "not_a_device"
    assert gateway.store.settings.chosen_exits == {}


async def test_address_that_two_devices_claim_is_nobodys(gateway: Gateway) -> None:
    gateway.neighbours.append(Neighbour(ROUTER, AT_TV, 1.0))
    with pytest.raises(NotFoundError):
        await gateway.run(GetOwnDevice(AT_TV))


# --- The exit --------------------------------------------------------------------------------------------------------


async def test_nothing_is_allowed_unless_the_admin_says_so(gateway: Gateway) -> None:
    own = await gateway.run(GetOwnDevice(AT_TV))
    assert (own.service, own.exits, own.chosen_exit, own.can_pause, own.pause) == (
        SelfService(),
        (),
        None,
        False,
        None,
    )
    for command in (ChangeOwnDevice(AT_TV, exit="de"), ChangeOwnDevice(AT_TV, pause=60)):
        with pytest.raises(ForbiddenError) as caught:
            await gateway.run(command)
        assert caught.value.code == "not_allowed"


async def test_device_chooses_its_exit_and_gives_it_back(gateway: Gateway) -> None:
    await gateway.allow("exit", ("de", "se"))
    own = await gateway.run(ChangeOwnDevice(AT_TV, exit="de"))
    assert (own.chosen_exit, own.exits) == ("de", ("de", "se"))
    assert own.why.policy == VpnPolicy("de")
    assert gateway.plans == 1
    await gateway.run(ChangeOwnDevice(AT_TV, exit="de"))
    assert gateway.plans == 1
    own = await gateway.run(ChangeOwnDevice(AT_TV, exit=None))
    assert (own.chosen_exit, own.why.policy) == (None, VpnPolicy())
    assert gateway.store.settings.chosen_exits == {}


@pytest.mark.parametrize("wanted", ["se", "nowhere", "", "direct", "default"])
async def test_exit_that_is_not_offered_is_refused(gateway: Gateway, wanted: str) -> None:
    await gateway.allow("exit", ("de",))
    with pytest.raises(InvalidFieldError) as caught:
        await gateway.run(ChangeOwnDevice(AT_TV, exit=wanted))
    assert caught.value.field == "exit"
    assert gateway.store.settings.chosen_exits == {}


@pytest.mark.parametrize("policy", [BlockedPolicy(), DirectPolicy()])
async def test_device_does_not_free_itself(gateway: Gateway, policy: Policy) -> None:
    await gateway.allow("all")
    gateway.store.update_settings(lambda s: msgspec.structs.replace(s, devices=(Device(TV, policy),)))
    for command in (ChangeOwnDevice(AT_TV, exit="de"), ChangeOwnDevice(AT_TV, pause=60)):
        with pytest.raises(ConflictError) as caught:
            await gateway.run(command)
        assert caught.value.code == "blocked_by_admin"
    own = await gateway.run(GetOwnDevice(AT_TV))
    assert (own.exits, own.can_pause) == ((), False)


async def test_choice_that_the_kernel_refuses_is_taken_back(gateway: Gateway) -> None:
    await gateway.allow("exit")
    await gateway.run(ChangeOwnDevice(AT_TV, exit="se"))
    gateway.refuses = True
    with pytest.raises(KernelError):
        await gateway.run(ChangeOwnDevice(AT_TV, exit="de"))
    assert gateway.store.settings.chosen_exits == {TV: "se"}


async def test_choice_is_kept_but_not_longer_than_its_leave(gateway: Gateway) -> None:
    await gateway.allow("exit")
    await gateway.run(ChangeOwnDevice(AT_TV, exit="de"))
    kept = settings_file.decode(settings_file.encode(gateway.store.settings))
    assert stored(kept.value, TV, NOW).policy == VpnPolicy("de")
    await gateway.allow("off")
    assert gateway.plans == 2  # the network follows at once
    assert stored(gateway.store.settings, TV, NOW) == Decision(VpnPolicy(), "default")


async def test_one_change_at_a_time(gateway: Gateway) -> None:
    await gateway.allow("all")
    with pytest.raises(InvalidFieldError):
        await gateway.run(ChangeOwnDevice(AT_TV, exit="de", pause=60))
    assert gateway.store.settings.chosen_exits == {}


# --- The pause -------------------------------------------------------------------------------------------------------


async def test_pause_is_a_bounded_exception(gateway: Gateway) -> None:
    await gateway.allow("pause", longest=600)
    own = await gateway.run(ChangeOwnDevice(AT_TV, pause=300))
    assert own.pause == Pause(NOW + 300)
    assert gateway.pauses.begun == [(TV, 300)]
    assert (await gateway.run(ChangeOwnDevice(AT_TV, pause=0))).pause is None
    for seconds in (-1, 1, 59, 601, 86401):
        with pytest.raises(InvalidFieldError) as caught:
            await gateway.run(ChangeOwnDevice(AT_TV, pause=seconds))
        assert caught.value.field == "pause"


async def test_pause_ends_at_bedtime(gateway: Gateway) -> None:
    await gateway.allow("pause")
    gateway.bedtime = NOW // 60 * 60 + 120
    await gateway.run(ChangeOwnDevice(AT_TV, pause=1800))
    assert gateway.pauses.open == {TV: gateway.bedtime}


async def test_pause_is_lengthened_and_the_exit_changed_meanwhile(gateway: Gateway) -> None:
    await gateway.allow("all")
    await gateway.run(ChangeOwnDevice(AT_TV, pause=60))
    assert (await gateway.run(ChangeOwnDevice(AT_TV, pause=600))).pause == Pause(NOW + 600)
    own = await gateway.run(ChangeOwnDevice(AT_TV, exit="de"))
    assert (own.chosen_exit, own.pause) == ("de", Pause(NOW + 600))


@pytest.mark.parametrize("how", ["blocked", "not allowed"])
async def test_pause_ends_when_the_admin_decides_otherwise(
    gateway: Gateway, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gateway.allow("pause")
    monkeypatch.setattr(own_device, "RETRY", 0.02)
    own = gateway.own_devices()
    handler = dict(own.handlers())[ChangeOwnDevice]
    await handler(ChangeOwnDevice(AT_TV, pause=600))
    task = asyncio.create_task(own.run())
    gateway.subscriber(PlanApplied())
    await asyncio.sleep(0.01)
    assert TV in gateway.pauses.open  # nothing has been decided
    if how == "blocked":
        gateway.store.update_settings(lambda s: msgspec.structs.replace(s, devices=(Device(TV, BlockedPolicy()),)))
    else:
        gateway.store.update_settings(lambda s: msgspec.structs.replace(s, self_service=SelfService("exit")))
    gateway.pauses.refuses = True
    gateway.subscriber(PlanApplied())
    await asyncio.sleep(0.01)
    assert TV in gateway.pauses.open
    gateway.pauses.refuses = False
    await asyncio.sleep(2 * own_device.RETRY)
    assert gateway.pauses.open == {}
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("policy", [VpnPolicy("se"), BlockedPolicy()])
@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("whose", ["device", "group"])
async def test_pause_yields_to_the_admins_exception(gateway: Gateway, policy: Policy, paused: bool, whose: str) -> None:
    """An exception of a group as well, though that of the device, which its pause is, would be the stronger one."""
    await gateway.allow("all")
    gateway.store.update_settings(lambda s: msgspec.structs.replace(s, devices=(Device(TV, group="children"),)))
    if paused:
        await gateway.run(ChangeOwnDevice(AT_TV, pause=60))
    subject = {"mac": TV} if whose == "device" else {"group": "children"}
    gateway.exceptions = (PolicyException(1, 0, policy, NOW, NOW + 3600, NOW + 3600, "admin", **subject),)
    for command in (ChangeOwnDevice(AT_TV, pause=600), ChangeOwnDevice(AT_TV, exit="de")):
        with pytest.raises(ConflictError) as caught:
            await gateway.run(command)
        assert caught.value.code == "blocked_by_admin"
    own = await gateway.run(GetOwnDevice(AT_TV))
    assert (own.exits, own.can_pause) == ((), False)
    assert await gateway.own_devices().end_unwanted()
    assert gateway.pauses.open == {}


async def test_leave_that_the_kernel_refuses_is_taken_back(gateway: Gateway) -> None:
    await gateway.allow("exit")
    await gateway.run(ChangeOwnDevice(AT_TV, exit="de"))
    before, told = gateway.store.settings, len(gateway.published)
    gateway.refuses = True
    for mac in (None, TV):
        with pytest.raises(KernelError):
            await gateway.run(SetSelfService(mac, SelfService("off")))
        assert gateway.store.settings == before
    assert len(gateway.published) == told


# --- The admin -------------------------------------------------------------------------------------------------------


async def test_what_lets_devices_out_needs_the_password(gateway: Gateway) -> None:
    for service in (SelfService("pause"), SelfService("all")):
        for mac in (None, TV):
            with pytest.raises(ForbiddenError):
                await gateway.run(SetSelfService(mac, service, None))
    await gateway.run(SetSelfService(None, SelfService("exit"), None))
    await gateway.run(SetSelfService(None, SelfService("pause", None, 600), PASSWORD))
    await gateway.run(SetSelfService(TV, SelfService("pause", None, 300), None))  # no more than before
    with pytest.raises(ForbiddenError):
        await gateway.run(SetSelfService(TV, SelfService("pause", None, 3600), None))
    await gateway.run(SetSelfService(TV, SelfService("off"), None))
    with pytest.raises(ForbiddenError):
        await gateway.run(SetSelfService(TV, None, None))  # as all, who may pause
    await gateway.run(SetSelfService(None, None, None))
    found = await gateway.run(GetSelfService())
    assert (found.everybody, found.devices) == (SelfService(), {TV: SelfService("off")})


async def test_self_service_is_announced(gateway: Gateway) -> None:
    await gateway.allow("exit")
    await gateway.allow("exit", mac=TV)
    assert gateway.published == [SettingsChanged(("self_service",)), DeviceChanged(TV, "self_service")]


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (SetSelfService(None, SelfService("exit", ("nowhere",))), "exits"),
        (SetSelfService(None, SelfService("exit", ("",))), "exits"),
        (SetSelfService("ff:ff:ff:ff:ff:ff", SelfService("exit")), "mac"),
        (SetSelfService("01:00:5e:00:00:01", SelfService("exit")), "mac"),
    ],
)
async def test_bad_self_service_changes_nothing(gateway: Gateway, command: SetSelfService, field: str) -> None:
    with pytest.raises(GatewayError) as caught:
        await gateway.run(command)
    assert caught.value.field == field
    assert gateway.published == []
