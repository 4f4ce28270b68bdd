"""What people decide about devices: names, groups, fixed addresses, admission, forgetting, and the policy of all."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, ForbiddenError, InvalidFieldError, KernelError, NotFoundError
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Group,
    LanLink,
    Lease,
    Links,
    MtuSettings,
    PolicyException,
    SeenDevice,
    SelfService,
    VpnPolicy,
    WanLink,
)
from app.netd.device_policy import DevicePolicies
from app.netd.devices.commands import DeviceCommands
from app.netd.devices.policy_of_all import PolicyOfAll
from app.netd.policies.changes import PolicyChanges
from app.netd.policies.exceptions import Exceptions
from app.netd.policies.open_exceptions import OpenExceptions
from app.protocol.commands import AdmitDevice, ChangeDevice, ForgetDevice, SetDevicePolicy, StartException
from app.store import Store
from app.store.validation import MAX_DEVICES

NAS, TV, OWN = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:aa"
ADDRESS = IPv4Address("192.168.77.50")


class Around:
    """The network, the exits, the sightings and dnsmasq, as far as the commands use them."""

    def __init__(self, store: Store, directory: Path) -> None:
        self.links = Links(WanLink("wan"), (LanLink("br-lan"),))
        self.refuse = False
        self.plans = 0
        self.moved: list[str] = []
        self.events: list[tuple[str, str]] = []
        self.applied = 0
        self.seen = {NAS: SeenDevice(NAS, 5.0, 9.0, online=True)}
        self.given: tuple[Lease, ...] = ()
        self.forgotten: list[str] = []
        self.password = "right"
        self.while_asked = lambda: None  # what another request does while the password is checked
        self.exceptions: tuple[PolicyException, ...] = ()
        self.opened = OpenExceptions(directory / "exceptions.json", boot_id=lambda: "boot")
        changes = PolicyChanges(
            store=store,
            network=self,
            exceptions=lambda: (*self.exceptions, *self.opened.present()),
            publish=lambda _: None,
        )
        exceptions = Exceptions(
            opened=self.opened,
            changes=changes,
            store=store,
            exits=self,
            own_addresses=lambda: {OWN},
            publish=lambda _: None,
            check_owner=self.check,
        )
        devices = DeviceCommands(
            store=store,
            network=self,
            changes=changes,
            exceptions=exceptions,
            watcher=self,
            hosts=self,
            neighbours=tuple,
            own=lambda: {OWN},
            apply_services=self.apply,
            publish=lambda event: self.events.append((event.mac, event.reason)),
            check_owner=self.check,
        )
        policies = DevicePolicies(
            store=store,
            changes=changes,
            exits=self,
            check_owner=self.check,
            publish=lambda event: self.events.append((event.mac, event.reason)),
            own=lambda: {OWN},
        )
        self.run = dict((*devices.handlers(), *policies.handlers(), *exceptions.handlers()))
        self.of_all = PolicyOfAll(
            store=store,
            changes=changes,
            exits=self,
            seen=lambda: tuple(self.seen.values()),
            leases=self.leases,
            check_owner=self.check,
        )

    async def do(self, command):
        return await self.run[type(command)](command)

    async def replan(self) -> None:
        if self.refuse:
            raise KernelError("no")
        self.plans += 1

    async def plan_again(self) -> None:
        with contextlib.suppress(KernelError):
            await self.replan()

    async def forget_exception(self, slot: int) -> None: ...

    async def forget_device(self, mac: str) -> None:
        self.moved.append(mac)

    def get(self, key: str):
        if ":" in key:
            return self.seen.get(key)
        if key != "default":
            raise NotFoundError("no such exit", field="exit")
        return None

    def forget(self, mac: str) -> bool:
        return self.seen.pop(mac, None) is not None

    def forget_host(self, mac: str) -> None:
        self.forgotten.append(mac)

    def leases(self) -> tuple[Lease, ...]:
        return self.given

    def apply(self) -> None:
        self.applied += 1

    async def check(self, password: str | None) -> None:
        self.while_asked()
        if password != self.password:
            raise ForbiddenError("wrong", code="wrong_password")


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "state") as opened:
        yield opened


@pytest.fixture
def around(store, tmp_path):
    return Around(store, tmp_path)


def only(store: Store) -> Device:
    (device,) = store.settings.devices
    return device


async def test_name_group_and_address_change_nothing_of_the_policy(store, around):
    await around.do(ChangeDevice(NAS, name="Files", group="Office"))
    answer = await around.do(ChangeDevice(NAS, address=ADDRESS))
    assert "192.168.77.50" in answer.message
    assert only(store) == Device(NAS, name="Files", group="Office", address=ADDRESS, first_seen=5.0, own=False)
    assert around.events == [(NAS, "renamed"), (NAS, "group"), (NAS, "address")]
    assert (around.plans, around.moved, around.applied) == (0, [], 2)
    await around.do(ChangeDevice(NAS, name=None, group="", address=None))
    assert only(store) == Device(NAS, first_seen=5.0, own=False)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (ChangeDevice("01:00:5e:00:00:01", name="x"), "mac"),
        (ChangeDevice("ff:ff:ff:ff:ff:ff", name="x"), "mac"),
        (ChangeDevice(OWN, name="x"), "mac"),
        (AdmitDevice(OWN), "mac"),
        (SetDevicePolicy(OWN, BlockedPolicy()), "mac"),
        (ChangeDevice(NAS, name="x\n"), "name"),
        (ChangeDevice(NAS, group="x" * 65), "group"),
        (ChangeDevice(NAS, address=IPv4Address("192.168.77.1")), "address"),
    ],
)
async def test_bad_change_changes_nothing(store, around, command, field):
    with pytest.raises(InvalidFieldError) as raised:
        await around.do(command)
    assert raised.value.field == field
    assert (store.settings.devices, around.events, around.applied) == ((), [], 0)


async def test_address_is_fixed_for_one_device_only(store, around):
    await around.do(ChangeDevice(NAS, address=ADDRESS))
    with pytest.raises(ConflictError):
        await around.do(ChangeDevice(TV, address=ADDRESS))
    around.given = (Lease("02:00:00:00:00:09", "192.168.77.51", "pc", 0),)
    with pytest.raises(ConflictError):
        await around.do(ChangeDevice(TV, address=ADDRESS + 1))
    assert only(store).mac == NAS


async def test_new_device_waits_until_it_is_admitted(store, around):
    await around.of_all.change({"new_device_policy": "wait"})
    assert [d.mac for d in store.settings.devices] == [NAS]  # it was here before
    await around.do(ChangeDevice(TV, name="TV"))
    assert store.settings.devices[-1] == Device(TV, name="TV", admitted=False, own=False)
    around.moved.clear()
    await around.do(AdmitDevice(TV))
    assert store.settings.devices[-1] == Device(TV, name="TV", own=False)
    assert around.moved == [TV]
    assert (TV, "admitted") in around.events
    plans = around.plans
    await around.do(AdmitDevice(TV))
    assert around.plans == plans


async def test_policy_admits_unless_it_is_blocked(store, around):
    await around.of_all.change({"new_device_policy": "wait"})
    await around.do(SetDevicePolicy(TV, BlockedPolicy()))
    assert store.settings.devices[-1] == Device(TV, BlockedPolicy(), admitted=False)
    await around.do(SetDevicePolicy(TV, VpnPolicy()))
    assert store.settings.devices[-1] == Device(TV, VpnPolicy())


async def test_refused_plan_takes_the_admission_back(store, around):
    await around.of_all.change({"new_device_policy": "wait"})
    around.refuse = True
    with pytest.raises(KernelError):
        await around.do(AdmitDevice(TV))
    assert [d.mac for d in store.settings.devices] == [NAS]
    with pytest.raises(KernelError):
        await around.of_all.change({"new_device_policy": "default"})
    assert store.settings.new_device_policy == "wait"


async def test_refused_settings_change_nothing_at_all(store, around):
    """Settings of an exit that came with them stayed changed, and so did the admission of those that were here."""
    before = store.settings
    around.refuse = True
    wanted = {"new_device_policy": "wait", "mtu": MtuSettings(exits={"default": 1300}), "time_zone": "Europe/Berlin"}
    with pytest.raises(KernelError):
        await around.of_all.change(wanted)
    assert store.settings == before


async def test_forgotten_device_is_a_new_one(store, around):
    await around.do(SetDevicePolicy(NAS, BlockedPolicy(), "NAS"))
    around.moved.clear()
    await around.do(ForgetDevice(NAS))
    assert store.settings.devices == ()
    assert (around.moved, around.forgotten, around.seen) == ([NAS], [NAS], {})
    assert around.events[-1] == (NAS, "forgotten")
    with pytest.raises(NotFoundError):
        await around.do(ForgetDevice(NAS))


async def test_default_policy_moves_those_that_follow_it(store, around):
    around.seen[TV] = SeenDevice(TV, 1.0, 2.0, online=True)
    await around.do(SetDevicePolicy(TV, VpnPolicy()))
    around.moved.clear()
    await around.of_all.change({"default_policy": "blocked"})
    assert store.settings.default_policy == BlockedPolicy()
    assert around.moved == [NAS]


async def test_default_policy_direct_asks_for_the_password(store, around):
    for password in (None, "wrong"):
        with pytest.raises(ForbiddenError):
            await around.of_all.change({"default_policy": "direct"}, password)
    with pytest.raises(NotFoundError):
        await around.of_all.change({"default_policy": "vpn:none"})
    with pytest.raises(InvalidFieldError):
        await around.of_all.change({"default_policy": "open"})
    assert store.settings.default_policy == VpnPolicy()
    await around.of_all.change({"default_policy": "direct"}, "right")
    assert store.settings.default_policy == DirectPolicy()


async def test_thousand_devices_and_no_more(store, around):
    macs = [f"02:00:00:01:{n >> 8:02x}:{n & 255:02x}" for n in range(MAX_DEVICES + 50)]
    around.seen = {mac: SeenDevice(mac, 1.0, float(n)) for n, mac in enumerate(macs)}
    await around.of_all.change({"new_device_policy": "wait"})
    assert len(store.settings.devices) == MAX_DEVICES
    assert macs[0] not in {d.mac for d in store.settings.devices}  # those that were seen last are admitted
    with pytest.raises(ConflictError) as raised:
        await around.do(AdmitDevice(macs[0]))
    assert raised.value.code == "too_many"
    await around.do(ForgetDevice(macs[-1]))
    await around.do(AdmitDevice(macs[0]))


async def test_group_takes_its_open_exception_along(store, around):
    """A device that came into a blocked group went on until something else changed the plan."""
    around.exceptions = (PolicyException(1, 1, BlockedPolicy(), 0.0, 9e9, 9e9, "test", group="kids"),)
    await around.do(ChangeDevice(NAS, group="kids"))
    assert (around.plans, around.moved) == (1, [NAS])


async def test_change_keeps_what_another_request_decided(store, around, monkeypatch):
    """While the leases were read, a device was blocked: the change of its address undid that."""
    await around.do(SetDevicePolicy(NAS, VpnPolicy()))

    def leases() -> tuple[Lease, ...]:
        store.update_settings(lambda s: replace(s, devices=(replace(s.devices[0], policy=BlockedPolicy()),)))
        return ()

    monkeypatch.setattr(around, "leases", leases)
    await around.do(ChangeDevice(NAS, address=ADDRESS))
    assert (only(store).policy, only(store).address) == (BlockedPolicy(), ADDRESS)


async def test_forgetting_leaves_nothing_of_the_device(store, around):
    await around.do(SetDevicePolicy(NAS, VpnPolicy()))
    store.update_settings(
        lambda s: replace(s, device_self_service={NAS: SelfService("exit")}, chosen_exits={NAS: "default"})
    )
    around.refuse = True
    with pytest.raises(KernelError):
        await around.do(ForgetDevice(NAS))
    assert (len(store.settings.devices), set(store.settings.chosen_exits)) == (1, {NAS})
    around.refuse = False
    await around.do(ForgetDevice(NAS))
    assert NAS not in str(store.settings)


async def test_forgetting_ends_the_exceptions_of_the_device(store, around):
    """They were decided about it as well: it would have come back as a new device with an old decision."""
    await around.do(StartException(BlockedPolicy(), NAS, seconds=600, by="test"))
    await around.do(StartException(BlockedPolicy(), TV, seconds=600, by="test"))
    around.refuse = True
    with pytest.raises(KernelError):
        await around.do(ForgetDevice(NAS))
    assert [e.mac for e in around.opened.present()] == [TV, NAS]
    around.refuse = False
    await around.do(ForgetDevice(NAS))
    assert [e.mac for e in around.opened.present()] == [TV]
    await around.do(ForgetDevice(TV))  # nothing else is known of it
    assert (around.opened.kept, around.events[-1]) == ((), (TV, "forgotten"))


@pytest.mark.parametrize("command", [ChangeDevice(TV), ChangeDevice(TV, name=None), AdmitDevice(TV)])
async def test_nothing_is_kept_where_nothing_is_decided(store, around, command):
    """Each address that was mistyped stayed in the list for ever, as a device."""
    await around.do(command)
    assert (store.settings.devices, around.events) == ((), [])


async def test_policy_tells_of_a_new_name_and_the_admission(store, around):
    await around.of_all.change({"new_device_policy": "wait"})
    await around.do(SetDevicePolicy(TV, BlockedPolicy(), "Telly"))
    await around.do(SetDevicePolicy(TV, VpnPolicy(), "Telly"))
    await around.do(SetDevicePolicy(TV, BlockedPolicy()))
    assert around.events == [(TV, "renamed"), (TV, "admitted")]


async def test_policy_of_an_unknown_exit_names_the_field(store, around):
    for step, field in (
        (around.do(SetDevicePolicy(TV, VpnPolicy("none"))), "policy"),
        (around.of_all.change({"default_policy": "vpn:none"}), "default_policy"),
    ):
        with pytest.raises(NotFoundError) as raised:
            await step
        assert (raised.value.field, store.settings.devices) == (field, ())


async def test_two_requests_at_once_cannot_fix_one_address(store, around):
    """The second was refused by the store, as a fault of the whole list of devices."""
    first = Device(NAS, own=False, address=ADDRESS)
    around.while_asked = lambda: store.update_settings(lambda s: replace(s, devices=(*s.devices, first)))
    store.update_settings(lambda s: replace(s, groups=(Group("out", DirectPolicy()),)))
    with pytest.raises(ConflictError) as raised:
        await around.do(ChangeDevice(TV, group="out", address=ADDRESS, password="right"))
    assert (raised.value.code, raised.value.field, only(store).mac) == ("address_taken", "address", NAS)
