"""Every state that the API can reach survives backup and restore, and what it refuses changes nothing."""

from __future__ import annotations

import asyncio
import tempfile
from ipaddress import ip_address
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from app import keys
from app.errors import GatewayError, NotFoundError
from app.model import BlockedPolicy, DirectPolicy, Links, ScheduleEntry, SeenDevice, ServerChange, VpnPolicy
from app.netd.device_policy import DevicePolicies
from app.netd.devices.commands import DeviceCommands
from app.netd.devices.policy_of_all import PolicyOfAll
from app.netd.intent import Intent
from app.netd.policies.changes import PolicyChanges
from app.netd.policies.groups import GroupCommands
from app.netd.preferences import PreferenceCommands
from app.protocol.commands import (
    AddCustomServer,
    AdmitDevice,
    ChangeDevice,
    ChangePreferences,
    ForgetDevice,
    RemoveGroup,
    SetDevicePolicy,
    SetDeviceSchedule,
    SetGroup,
)
from app.protocol.preferences import PreferencesChange
from app.providers.custom import parse_custom
from app.store import Store
from app.store.backup import Backup, read_document
from app.tunnel.states import Target

ODD = ["", " ", "TV", "a\nserver=8.8.8.8", "a\0b", "\u202egnp.exe", "\u2028", "Küche", "x" * 64, "x" * 65]
text = st.sampled_from(ODD) | st.text(max_size=300)
KEY = keys.generate().public_key
addresses = st.sampled_from(
    ["9.9.9.9", "127.0.0.1", "224.0.0.1", "0.0.0.0", "255.255.255.255", "192.168.77.3", "198.18.53.1", "::1", "ff02::1",
     "fe80::1", "::ffff:127.0.0.1", "fd76:706e:6777:53::1", "2620:fe::fe"]
).map(ip_address) | st.ip_addresses()  # fmt: skip
macs = st.sampled_from(["02:00:00:00:00:01", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "x"]) | (
    st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))
)
urls = st.none() | text | st.sampled_from(
    ["https://am.i.mullvad.net/json", "https://192.168.77.21/", "https://127.0.0.1/", "https://[::1]/", "http://x/",
     "https://x/\n", "https://10.0.0.1:8443/x"]
)  # fmt: skip
changes = st.builds(
    ServerChange, at=st.integers(0, 1439), days=st.frozensets(st.integers(0, 6)), select=text.map(lambda t: t[:255])
)
policies = st.sampled_from([VpnPolicy(), VpnPolicy("no such exit"), DirectPolicy(), BlockedPolicy()])
schedules = st.lists(
    st.builds(
        ScheduleEntry,
        days=st.frozensets(st.integers(0, 6)),
        start=st.integers(0, 1439),
        end=st.integers(0, 1439),
        policy=policies,
    ),
    max_size=2,
).map(tuple)
commands = st.one_of(
    st.builds(
        SetDevicePolicy,
        mac=macs,
        policy=st.sampled_from([VpnPolicy(), DirectPolicy(), BlockedPolicy(), None]),
        name=st.none() | text,
    ),
    st.builds(
        ChangeDevice,
        mac=macs,
        name=st.just(UNSET) | st.none() | text,
        group=st.just(UNSET) | st.none() | text,
        address=st.just(UNSET) | st.none() | addresses.filter(lambda a: a.version == 4),
    ),
    st.builds(AdmitDevice, macs),
    st.builds(ForgetDevice, macs),
    st.builds(
        lambda policy, new: ChangePreferences(PreferencesChange(default_policy=policy, new_device_policy=new)),
        st.sampled_from(["vpn", "vpn:none", "direct", "blocked"]) | text,
        st.sampled_from(["default", "wait"]),
    ),
    st.builds(
        lambda **given_: ChangePreferences(PreferencesChange(**given_)),
        fallback_dns=st.lists(addresses, min_size=1, max_size=4).map(tuple),
    ),
    st.builds(lambda name: ChangePreferences(PreferencesChange(host_names=(name,))), text),
    st.builds(lambda url: ChangePreferences(PreferencesChange(exit_check_url=url)), urls),
    st.builds(lambda found: ChangePreferences(PreferencesChange(server_changes=found)), st.tuples(changes)),
    st.builds(
        AddCustomServer,
        name=text,
        public_key=st.just(KEY),
        endpoint=st.sampled_from(["vpn.example.net:51820", "198.51.100.7:51820", "192.168.77.5:51820", "[::1]:1"]),
        address=st.sampled_from(["10.0.0.2/32", "192.168.77.1/32", "198.18.53.1/32", "198.51.100.7/32", ""]),
        dns=st.sampled_from(["10.0.0.1", "192.168.77.1", "10.0.0.1, fd00::1", ""]),
        location=st.none() | text,
    ),
    st.builds(SetGroup, name=text, policy=st.none() | policies, schedule=schedules),
    st.builds(RemoveGroup, name=text),
    st.builds(SetDeviceSchedule, mac=macs, schedule=schedules),
    st.builds(lambda zone: ChangePreferences(PreferencesChange(time_zone=zone)), text | st.just("Europe/Berlin")),
    st.tuples(st.sampled_from(["default", "no such exit"]), text, text),
)


class Network:
    """Takes every plan, and knows the default exit; one device of the LAN was seen, and none has a lease."""

    links = Links(None, ())
    seen = SeenDevice("02:00:00:00:00:01", 1.0, 2.0)

    async def replan(self) -> None: ...

    async def plan_again(self) -> None: ...

    async def forget_device(self, mac: str) -> None: ...

    async def forget_exception(self, slot: int) -> None: ...

    def get(self, name: str) -> object:
        if ":" in name:
            return self.seen if name == self.seen.mac else None
        if name != "default":
            raise NotFoundError("there is no such exit", field="exit")
        return name

    def forget(self, mac: str) -> bool:
        return mac == self.seen.mac

    def forget_host(self, mac: str) -> None: ...

    def leases(self) -> tuple[()]:
        return ()

    def of_group(self, name: str) -> tuple[()]:
        return ()

    def of_device(self, mac: str) -> tuple[()]:
        return ()

    def without(self, some: object) -> tuple[()]:
        return ()

    async def end_some(self, some: object, cause: str) -> None: ...


async def owner(password: str | None) -> None:
    """Takes every password."""


async def carry_out(store: Store, command: object) -> None:
    network = Network()
    events: list[object] = []
    changes = PolicyChanges(store=store, network=network, exceptions=tuple, publish=events.append)
    match command:
        case SetDevicePolicy():
            await DevicePolicies(
                store=store, changes=changes, exits=network, check_owner=owner, publish=events.append
            )._set(command)
        case SetGroup() | RemoveGroup() | SetDeviceSchedule():
            groups = GroupCommands(
                store=store, changes=changes, exceptions=network, exits=network, own_addresses=tuple,
                publish=events.append, check_owner=owner,
            )  # fmt: skip
            await dict(groups.handlers())[type(command)](command)
        case ChangePreferences():
            policies = PolicyOfAll(
                store=store,
                changes=changes,
                exits=network,
                seen=lambda: (network.seen,),
                leases=network.leases,
                check_owner=owner,
            )
            await PreferenceCommands(store, events.append, lambda: None, policies)._change(command)
        case ChangeDevice() | AdmitDevice() | ForgetDevice():
            devices = DeviceCommands(
                store=store,
                network=network,
                changes=changes,
                exceptions=network,
                watcher=network,
                hosts=network,
                neighbours=tuple,
                own=frozenset,
                apply_services=lambda: None,
                publish=events.append,
                check_owner=owner,
            )
            await dict(devices.handlers())[type(command)](command)
        case AddCustomServer():
            store.add_server(*parse_custom(command, added=1.0, lan=store.settings.lan.networks))
        case (exit_name, server, asked):
            Intent(store).set_goal(exit_name, Target("mullvad", server), asked)


@given(st.lists(commands, max_size=6))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_state_that_the_api_reaches_can_be_restored(given_commands):
    with tempfile.TemporaryDirectory() as directory, Store(Path(directory)) as store:
        for command in given_commands:
            before = store.settings, store.servers()
            try:
                asyncio.run(carry_out(store, command))
            except GatewayError:
                assert (store.settings, store.servers()) == before
        contents = read_document(Backup(store).document({}), {})
        assert (contents.settings, contents.servers) == (store.settings, store.servers())
        store.close()
        with Store(Path(directory)) as again:
            assert again.problems == []
            assert again.settings == contents.settings
