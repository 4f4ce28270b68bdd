"""Every state that the API can reach survives backup and restore, and what it refuses changes nothing."""

from __future__ import annotations

import asyncio
import tempfile
from ipaddress import ip_address
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import keys
from app.errors import GatewayError
from app.model import BlockedPolicy, DirectPolicy, ServerChange, VpnPolicy
from app.netd.device_policy import DevicePolicies
from app.netd.intent import Intent
from app.netd.preferences import PreferenceCommands
from app.protocol.commands import AddCustomServer, ChangePreferences, SetDevicePolicy
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
commands = st.one_of(
    st.builds(
        SetDevicePolicy,
        mac=macs,
        policy=st.sampled_from([VpnPolicy(), DirectPolicy(), BlockedPolicy()]),
        name=st.none() | text,
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
    st.tuples(st.sampled_from(["default", "no such exit"]), text, text),
)


class Network:
    """Takes every plan, and knows the default exit."""

    async def replan(self) -> None: ...

    async def forget_device(self, mac: str) -> None: ...

    def get(self, name: str) -> object:
        return name


async def owner(password: str | None) -> None:
    """Takes every password."""


async def carry_out(store: Store, command: object) -> None:
    network = Network()
    events: list[object] = []
    match command:
        case SetDevicePolicy():
            policies = DevicePolicies(
                store=store, network=network, exits=network, publish=events.append, check_owner=owner
            )
            await policies._set(command)
        case ChangePreferences():
            await PreferenceCommands(store, events.append, lambda: None)._change(command)
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
