"""The start never ends because of settings: whatever is on the disk, a network can be planned, and nothing opens."""

from __future__ import annotations

import ipaddress
import json
import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app import keys
from app.model import DirectPolicy, Endpoint, LanSettings, Peer, Settings, TunnelConfig
from app.store import Store
from app.store import settings as settings_file
from app.store.planning import check_plan
from app.store.servers import split_secrets
from app.store.validation import check_network
from tests.unit.store.test_backup import JSON, SETTINGS

VALUES = st.sampled_from(
    ["::1/64", "10.0.0.1/8", "8.8.8.1/24", "192.168.77.1/31", "fd76:706e:6777:53::1/64", "01:00:5e:00:00:01", "a\nb",
     "127.0.0.1", "192.168.77.3", "no such exit", "wpad", "com", "", {"type": "direct"}, ["wan0", "wan0"]]
)  # fmt: skip


@st.composite
def documents(draw):
    """The settings as JSON, with a few values replaced at any place."""
    content = json.loads(settings_file.encode(SETTINGS))
    for _ in range(draw(st.integers(1, 4))):
        place = content["settings"]
        while True:
            places = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            key = draw(st.sampled_from(places))
            if isinstance(place[key], dict | list) and place[key] and draw(st.booleans()):
                place = place[key]
                continue
            place[key] = draw(VALUES | JSON)
            break
    return json.dumps(content)


@given(documents())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_settings_on_the_disk_give_a_network_to_plan(document):
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "settings.json").write_text(document)
        with Store(Path(directory)) as store:
            check_network(store.settings)
            check_plan(store.settings)
            ula = ipaddress.IPv6Interface("fd12:3456:789b::1/64")
            store.update_settings(lambda s: replace(s, lan=replace(s.lan, ula=ula)))  # as each first start does
            known = {d.mac for d in SETTINGS.devices if isinstance(d.policy, DirectPolicy)}
            said = json.loads(document)["settings"]
            direct = {d.mac for d in store.settings.devices if isinstance(d.policy, DirectPolicy)} - known
            assert all(mac in json.dumps(said.get("devices")) for mac in direct)


def test_server_in_the_lan_is_said_and_stops_no_other_change(tmp_path):
    """The LAN was moved by an earlier version: the server is named, and everything else goes on."""
    config = TunnelConfig(
        keys.generate().private_key,
        (ipaddress.ip_interface("10.2.0.2/32"),),
        (Peer(keys.generate().public_key, Endpoint("198.51.100.7", 51820), (ipaddress.ip_network("0.0.0.0/0"),)),),
    )
    with Store(tmp_path) as store:
        store.add_server(
            *split_secrets(config, name="proton", provider="custom", location=None, added=0.0, warnings=())
        )
    lan = LanSettings(
        address=ipaddress.IPv4Interface("10.2.0.1/24"),
        dhcp_start=ipaddress.IPv4Address("10.2.0.20"),
        dhcp_end=ipaddress.IPv4Address("10.2.0.30"),
    )
    (tmp_path / "settings.json").write_bytes(settings_file.encode(Settings(lan=lan)))
    with Store(tmp_path) as store:
        (problem,) = store.problems
        assert "proton" in problem
        assert "10.2.0.0/24" in problem
        ula = ipaddress.IPv6Interface("fd12:3456:789b::1/64")
        assert store.update_settings(lambda s: replace(s, lan=replace(s.lan, ula=ula))).lan.ula == ula


def test_entries_of_an_earlier_version_are_left_out_alone(tmp_path):
    """One odd name no longer makes each backup worthless, and costs neither the other devices nor the connection."""
    content = json.loads(settings_file.encode(SETTINGS))
    said = content["settings"]
    said["devices"][0]["name"] = "a\nserver=8.8.8.8"
    said["devices"].append({"mac": "ff:ff:ff:ff:ff:ff", "policy": {"type": "direct"}})
    said["asked"] = {"default": "Sweden\n", "tv": "Sweden"}
    said["fallback_dns"] = ["9.9.9.9", "127.0.0.1"]
    (tmp_path / "settings.json").write_text(json.dumps(content))
    with Store(tmp_path) as store:
        (problem,) = store.problems
        assert all(word in problem for word in ("devices", "asked", "fallback_dns"))
        devices = (replace(SETTINGS.devices[0], name=None), *SETTINGS.devices[1:])
        fallback = (ipaddress.ip_address("9.9.9.9"),)
        assert store.settings == replace(SETTINGS, devices=devices, asked={"tv": "Sweden"}, fallback_dns=fallback)
        assert msgspec.structs.asdict(store.settings)["desired"] == SETTINGS.desired
