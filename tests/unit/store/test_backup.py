"""A backup brings everything back, on any gateway; whatever is wrong with one is told and changes nothing."""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app import async_files, keys, serialization, wgconf
from app.errors import ConflictError, GatewayError, InvalidFieldError, TooLargeError, UnavailableError
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Endpoint,
    LanSettings,
    LinkSettings,
    Peer,
    Secret,
    Settings,
    TunnelConfig,
    VpnPolicy,
)
from app.store import Store, age
from app.store import backup as backup_module
from app.store.backup import MAX_BYTES, VERSION, Backup, Part, migrate, read_document
from app.store.file_transaction import recover
from app.store.servers import split_secrets
from app.store.validation import check_servers, check_settings

ROOT = Path(__file__).parents[3]
PASSPHRASE = "correct horse battery"
ACCEPT = ("direct", "roles", "exit_check")

SETTINGS = Settings(
    provider="custom",
    lan=LanSettings(ula=ipaddress.IPv6Interface("fd12:3456:789a::1/64")),
    links=LinkSettings(wan="eth0", lan=("eth1", "wlan0")),
    exits=("default", "tv"),
    default_policy=VpnPolicy(),
    devices=(
        Device("02:00:00:00:00:01", DirectPolicy(), "Küche"),
        Device("02:00:00:00:00:02", VpnPolicy("tv")),
        Device("02:00:00:00:00:03", BlockedPolicy()),
    ),
    desired={"default": "custom/vpn-se"},
)


def server(name, **changes):
    config = TunnelConfig(
        private_key=keys.generate().private_key,
        addresses=(ipaddress.ip_interface("10.0.0.2/32"), ipaddress.ip_interface("fd00::2/128")),
        peers=(
            Peer(
                keys.generate().public_key,
                Endpoint("vpn.example.net", 51820),
                (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")),
                25,
                keys.generate().private_key,
            ),
        ),
        dns=(ipaddress.ip_address("10.0.0.1"),),
        mtu=1380,
    )
    return split_secrets(
        replace(config, **changes), name=name, provider="custom", location="Sweden", added=1.5, warnings=("told",)
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """scrypt at the full factor only where it is what is tested."""
    full = age.encrypt
    monkeypatch.setattr(age, "encrypt", lambda data, words, work_factor=8: full(data, words, work_factor=work_factor))


def opened(directory):
    store = Store(directory)
    store.load()
    assert store.problems == []
    return store


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "one") as store:
        store.update_settings(lambda _: SETTINGS)
        store.add_server(*server("vpn-se"))
        store.add_server(*server("nach Hause", addresses=()))
        yield store


@pytest.fixture
def other(tmp_path):
    with Store(tmp_path / "other") as store:
        store.add_server(*server("old"))
        yield store


def state(store):
    servers = store.servers()
    return store.settings, servers, {s.name: store.secrets_for(s.name) for s in servers}


def files(store):
    directory = store._directory
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir()) if path.name != ".lock"}


async def test_what_could_not_be_restored_is_not_made(store, monkeypatch):
    monkeypatch.setattr(backup_module, "MAX_BYTES", 100)
    with pytest.raises(TooLargeError, match="remove servers"):
        await Backup(store).create(PASSPHRASE)


async def test_restore_on_another_gateway_brings_everything_back(store, other, tmp_path):
    """A restore on another gateway brings everything back, also after its restart."""
    data = await Backup(store).create(PASSPHRASE)
    summary = await Backup(other).restore(data, PASSPHRASE, ACCEPT)
    assert (summary.servers, summary.devices, summary.version) == (2, 3, VERSION)
    assert state(other) == state(store)
    other.close()
    again = opened(tmp_path / "other")
    assert state(again) == state(store)
    assert {p.name for p in (tmp_path / "other").iterdir()} == {
        ".lock",
        "settings.json",
        "servers.json",
        "secrets.json",
    }
    assert all(p.stat().st_mode & 0o077 == 0 for p in (tmp_path / "other").iterdir())
    again.close()


async def test_the_file_shows_nothing(store):
    data = await Backup(store).create(PASSPHRASE)
    _, servers, secrets = state(store)
    for word in (
        b"vpn-se",
        b"02:00:00",
        secrets["vpn-se"].private_key.reveal().encode(),
        servers[0].public_key.encode(),
    ):
        assert word not in data
    opened_ = backup_module._open(data, PASSPHRASE, {})
    assert secrets["vpn-se"].private_key.reveal() not in repr(opened_)


async def test_it_is_written_at_the_full_work_factor(store, monkeypatch):
    monkeypatch.undo()
    data = await Backup(store).create(PASSPHRASE)
    assert data.splitlines()[1].split()[-1] == b"17"
    assert (await Backup(store).inspect(data, PASSPHRASE)).servers == 2


async def test_inspecting_changes_nothing(store, other):
    data = await Backup(store).create(PASSPHRASE)
    before = files(other)
    assert (await Backup(other).inspect(data, PASSPHRASE)).devices == 3
    assert files(other) == before


async def refused(store, data, passphrase=PASSPHRASE, parts=()):
    before, was = files(store), state(store)
    with pytest.raises(GatewayError) as caught:
        await Backup(store, parts).restore(data, passphrase, ACCEPT)
    assert files(store) == before
    assert state(store) == was
    return caught.value


async def test_a_wrong_passphrase_changes_nothing(store, other):
    error = await refused(other, await Backup(store).create(PASSPHRASE), "wrong horse battery")
    assert (error.status, error.field, error.code) == (422, "passphrase", "wrong_passphrase")


async def test_damage_changes_nothing(store, other):
    data = await Backup(store).create(PASSPHRASE)
    flipped = data[:300] + bytes([data[300] ^ 1]) + data[301:]
    for damaged in (b"", b"PK\3\4", data[:-1], data[: len(data) // 2], data + b"x", flipped):
        error = await refused(other, damaged)
        assert (error.status, error.field, error.code) == (422, "backup", "damaged_backup")


async def test_too_large_and_too_costly(other):
    assert isinstance(await refused(other, bytes(MAX_BYTES + 1)), TooLargeError)
    lines = age.encrypt(b"x", PASSPHRASE).split(b"\n", 2)
    lines[1] = lines[1].rsplit(b" ", 1)[0] + b" 28"
    error = await refused(other, b"\n".join(lines))
    assert error.code == "invalid_backup"
    assert "memory" in error.message


@pytest.mark.parametrize("passphrase", ["", "short", "x" * 1025, "\ud800" * 10])
async def test_a_passphrase_that_will_not_do(store, passphrase):
    with pytest.raises(InvalidFieldError) as caught:
        await Backup(store).create(passphrase)
    assert caught.value.field == "passphrase"


async def test_a_passphrase_is_the_same_on_every_keyboard(store, other):
    data = await Backup(store).create("Zähneknirschen")
    await Backup(other).restore(data, "Za\u0308hneknirschen", ACCEPT)
    assert state(other) == state(store)


async def test_only_one_at_a_time(store):
    backup = Backup(store)
    first = asyncio.ensure_future(backup.create(PASSPHRASE))
    await asyncio.sleep(0)
    with pytest.raises(ConflictError):
        await backup.create(PASSPHRASE)
    await first
    assert await backup.create(PASSPHRASE)


# --- content that is authentic and wrong -----------------------------------------------------------------------------


def document(store):
    return json.loads(Backup(store).document({}))


def repacked(whole, name, content):
    text = content if isinstance(content, str) else json.dumps(content)
    whole["files"][name] = {"content": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return json.dumps(whole).encode()


def changed(whole, name, path, value):
    """The document with ``value`` at ``path`` of file ``name``."""
    content = json.loads(whole["files"][name]["content"])
    place = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return repacked(whole, name, content)


IN_SETTINGS = [
    (("provider",), "../etc"),
    (("exits",), ["default", "default"]),
    (("exits",), []),
    (("exits",), ["tv"]),
    (("exits",), [f"e{n}" for n in range(32)] + ["default"]),
    (("exits",), ["default", "tv", 'x"; flush ruleset']),
    (("default_policy",), {"type": "vpn", "exit": "nowhere"}),
    (("default_policy",), {"type": "open"}),
    (("devices", 1, "policy"), {"type": "vpn", "exit": "nowhere"}),
    (("devices", 0, "mac"), "02:00:00:00:00:0A"),
    (("devices", 0, "mac"), "02:00:00:00:00:02"),
    (("devices", 0, "name"), "a\nb"),
    (("lan", "domain"), "lan\naddress=/#/203.0.113.1"),
    (("lan", "hostname"), "gateway.lan"),
    (("lan", "address"), "192.168.77.0/24"),
    (("lan", "address"), "192.168.77.1/32"),
    (("lan", "address"), "127.0.0.1/8"),
    (("lan",), {"address": "8.8.8.1/24", "dhcp_start": "8.8.8.20", "dhcp_end": "8.8.8.250"}),
    (("lan", "dhcp_start"), "10.0.0.1"),
    (("lan", "dhcp_end"), "192.168.77.2"),
    (("lan", "lease_time"), 1),
    (("lan", "lease_time"), "12h"),
    (("lan", "ula"), "2001:db8::1/64"),
    (("lan", "ula"), "fd76:706e:6777:53::1/64"),
    (("links", "wan"), 'eth0" accept #'),
    (("links", "lan"), ["eth1", "a/b"]),
    (("desired",), {"default": "no slash"}),
    (("desired",), {"nowhere": "custom/vpn-se"}),
    (("fallback_dns",), ["224.0.0.1"]),
    (("rebind_exceptions",), ["plex.direct\nserver=203.0.113.1"]),
    (("host_names",), ["192.168.77.1"]),
    (("exit_check_url",), "file:///etc/shadow"),
    (("mtu",), {"exits": {"default": 1279}}),
    (("mtu",), {"exits": {"nowhere": 1400}}),
    (("provider_settings",), {"mullvad": {"post_quantum": "always"}}),
]


@pytest.mark.parametrize(("path", "value"), IN_SETTINGS, ids=str)
async def test_settings_that_make_no_sense_are_refused(store, path, value):
    with pytest.raises(InvalidFieldError) as caught:
        read_document(changed(document(store), "settings.json", ("settings", *path), value), {})
    assert caught.value.code == "invalid_backup"
    assert str(path[0]) in caught.value.message or "settings.json" in caught.value.message


IN_SERVERS = [
    (("name",), "a/b"),
    (("name",), "nach Hause"),
    (("provider",), "mullvad"),
    (("mtu",), 70000),
    (("peers", 0, "endpoint", "port"), 0),
    (("peers", 0, "endpoint", "host"), "x\nPostUp = reboot"),
    (("peers", 0, "public_key"), "A" * 43 + "="),
    (("peers", 0, "allowed_ips"), []),
    (("peers", 0, "persistent_keepalive"), 70000),
    (("peers",), []),
    (("addresses",), ["224.0.0.1/32"]),
    (("dns",), ["0.0.0.0"]),
    (("public_key",), "9Em/HuNTIBUT27nhofPsBTArbNBFZsU1hg8pDIvvNHE="),
    (("location",), "a\nb"),
]


@pytest.mark.parametrize(("path", "value"), IN_SERVERS, ids=str)
async def test_servers_that_make_no_sense_are_refused(store, path, value):
    private = store.secrets_for("vpn-se").private_key.reveal()
    with pytest.raises(InvalidFieldError) as caught:
        read_document(changed(document(store), "servers.json", ("servers", 0, *path), value), {})
    assert caught.value.code == "invalid_backup"
    assert private not in caught.value.message


@pytest.mark.parametrize("name", ["settings.json", "servers.json", "secrets.json"])
@pytest.mark.parametrize("content", ["", "[]", "{}", "nonsense", "[" * 100_000, '{"version": 1}'])
async def test_a_part_that_cannot_be_decoded_or_is_missing_is_refused(store, name, content):
    with pytest.raises(InvalidFieldError):
        read_document(repacked(document(store), name, content), {})
    whole = document(store)
    del whole["files"][name]
    with pytest.raises(InvalidFieldError) as caught:
        read_document(json.dumps(whole).encode(), {})
    assert name in caught.value.message


async def test_restore_refuses_a_damaged_entry(store):
    """A damaged entry, which the store would leave out at its start, is refused in a backup."""
    whole = document(store)
    secrets = json.loads(whole["files"]["secrets.json"]["content"])
    secrets["secrets"]["vpn-se"]["private_key"] = "x"
    with pytest.raises(InvalidFieldError) as caught:
        read_document(repacked(whole, "secrets.json", secrets), {})
    assert "vpn-se" in caught.value.message


async def test_wrong_checksums_are_refused(store):
    whole = document(store)
    whole["files"]["servers.json"]["content"] += " "
    with pytest.raises(InvalidFieldError) as caught:
        read_document(json.dumps(whole).encode(), {})
    assert caught.value.code == "damaged_backup"


@pytest.mark.parametrize(
    ("part", "version"), [(None, VERSION + 1), ("settings.json", 2), ("servers.json", 2), ("secrets.json", 2)]
)
async def test_what_a_newer_version_made_is_refused_as_such(store, part, version):
    whole = document(store)
    data = changed(whole, part, ("version",), version) if part else json.dumps({**whole, "version": version}).encode()
    with pytest.raises(InvalidFieldError) as caught:
        read_document(data, {})
    assert caught.value.code == "newer_backup"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=200, deadline=None)
def test_any_document_is_either_taken_or_refused(value):
    for whole in (value, {"format": "vpn-gateway backup", "version": 1, "files": value}):
        with pytest.raises(GatewayError):
            read_document(json.dumps(whole).encode(), {})


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_change_in_a_backup_is_accepted_or_refused(data):
    """Never another error, and what is taken encodes and decodes to itself."""
    content = json.loads(serialization.encode(SETTINGS))
    place = content
    while True:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(JSON | st.sampled_from(["::1/64", "10.0.0.1/8", "02:00:00:00:00:09", "custom"]))
        break
    try:
        changed_ = serialization.decode(json.dumps(content), Settings)
    except (msgspec.DecodeError, ValueError):
        return
    try:
        check_settings(changed_)
    except InvalidFieldError:
        return
    assert serialization.decode(serialization.encode(changed_), Settings) == changed_


def test_the_defaults_of_this_version_are_fine():
    check_settings(Settings())
    check_settings(SETTINGS)


def test_every_importable_configuration_can_be_backed_up():
    seen = 0
    for path in sorted((ROOT / "tests" / "data" / "conf").glob("[gp]*/*.conf")):
        try:
            parsed = wgconf.parse(path.read_bytes())
        except wgconf.ConfigError:
            continue
        stored, secrets = split_secrets(
            parsed.config, name="x", provider="imported", location=parsed.location, added=0.0,
            warnings=tuple(map(str, parsed.warnings)),
        )  # fmt: skip
        assert check_servers((stored,), {"x": secrets}) == ()
        seen += 1
    assert seen > 20


# --- older versions --------------------------------------------------------------------------------------------------


async def test_a_file_of_the_first_version_is_taken_for_ever(other):
    data = (ROOT / "tests/unit/store/data/backup-v1.age").read_bytes()
    summary = await Backup(other).restore(data, "correct horse battery staple", ACCEPT)
    assert (summary.version, summary.application) == (1, "0.1.0")
    assert other.settings.exits == ("default", "tv")
    assert [d.policy for d in other.settings.devices] == [DirectPolicy(), VpnPolicy("tv"), BlockedPolicy()]
    assert [s.name for s in other.servers()] == ["vpn-se", "nach Hause"]
    assert other.secrets_for("vpn-se").private_key == Secret("KDtFgYdYnmkYi7Y70BeCyhlmq886N0M2knyaXRnxdFc=")


def test_older_documents_go_through_every_version_between():
    def one(document):
        return {**document, "files": {"settings.json": document["settings"]}}

    def two(document):
        return {**document, "created": document["time"]}

    old = {"format": "vpn-gateway backup", "version": 1, "settings": "s", "time": 5}
    new = migrate(old, {1: one, 2: two}, 3)
    assert (new["version"], new["files"], new["created"]) == (3, {"settings.json": "s"}, 5)
    assert migrate(new, {1: one, 2: two}, 3) == new
    for bad, code in (
        ({**old, "version": 4}, "newer_backup"),
        ({**old, "version": 0}, "invalid_backup"),
        ({**old, "version": True}, "invalid_backup"),
        ({**old, "format": "zip"}, "invalid_backup"),
        ({"format": "vpn-gateway backup", "version": 1}, "damaged_backup"),
        ([], "invalid_backup"),
    ):
        with pytest.raises(InvalidFieldError) as caught:
            migrate(bad, {1: one, 2: two}, 3)
        assert caught.value.code == code
    with pytest.raises(InvalidFieldError):
        migrate(old, {2: two}, 3)


# --- parts of others -------------------------------------------------------------------------------------------------


def accounts(directory):
    def check(content):
        json.loads(content)["account"]

    def read():
        return async_files.read(directory / "accounts.json")

    return Part("accounts.json", read, check)


async def test_a_part_of_others_travels_along(store, other, tmp_path):
    (tmp_path / "one" / "accounts.json").write_text('{"account": "1234"}')
    data = await Backup(store, [accounts(tmp_path / "one")]).create(PASSPHRASE)
    summary = await Backup(other, [accounts(tmp_path / "other")]).restore(data, PASSPHRASE, ACCEPT)
    assert summary.parts == ("accounts.json",)
    assert (tmp_path / "other" / "accounts.json").read_text() == '{"account": "1234"}'
    assert (tmp_path / "other" / "accounts.json").stat().st_mode & 0o077 == 0
    assert (await refused(other, data)).code == "newer_backup"  # where nobody knows the part


async def test_a_bad_part_of_others_stops_all(store, other, tmp_path):
    data = age.encrypt(Backup(store).document({"accounts.json": b"nonsense"}), PASSPHRASE)
    assert (await refused(other, data, parts=[accounts(tmp_path / "other")])).code == "invalid_backup"


async def test_what_could_not_be_restored_is_not_handed_out(store, tmp_path):
    """Each would be noticed on the day it is needed: a part of others, a setting, a server at odds with the LAN."""
    before = store._settings
    bad = [
        replace(before, exit_check_url="http://192.168.77.21/"),
        replace(before, devices=(Device("02:00:00:00:00:01", DirectPolicy(), "a\nserver=8.8.8.8"),)),
        replace(before, fallback_dns=(ipaddress.ip_address("192.168.77.3"),)),
        replace(
            before,
            lan=LanSettings(
                address=ipaddress.IPv4Interface("10.0.0.1/24"),
                dhcp_start=ipaddress.IPv4Address("10.0.0.20"),
                dhcp_end=ipaddress.IPv4Address("10.0.0.30"),
            ),
        ),
    ]
    for settings_ in bad:
        store._settings = settings_
        with pytest.raises(ConflictError) as caught:
            await Backup(store).create(PASSPHRASE)
        assert caught.value.code == "not_restorable"
    store._settings = before
    (tmp_path / "one" / "accounts.json").write_text("nonsense")
    with pytest.raises(ConflictError, match="cannot be used"):
        await Backup(store, [accounts(tmp_path / "one")]).create(PASSPHRASE)
    assert await Backup(store).create(PASSPHRASE)


async def test_restore_lists_what_it_opens_and_wants_it_accepted(store, other):
    data = await Backup(store).create(PASSPHRASE)
    before = state(other)
    listed = (await Backup(other).inspect(data, PASSPHRASE)).opens
    assert [opening.what for opening in listed] == ["direct", "roles"]
    for accept in ((), ("direct",), ("exit_check", "roles")):
        with pytest.raises(ConflictError) as refused_:
            await Backup(other).restore(data, PASSPHRASE, accept)
        assert (refused_.value.code, refused_.value.field) == ("accept_openings", "accept")
        assert state(other) == before
    await Backup(other).restore(data, PASSPHRASE, ("direct", "roles"))
    assert state(other) == state(store)
    assert (await Backup(other).inspect(data, PASSPHRASE)).opens == (), "all of it is open already"


async def test_a_server_whose_keys_were_lost_is_reported(store, other):
    lost = {name: s for name, s in store._secrets.items() if name != "vpn-se"}
    store._secrets = lost
    summary = await Backup(other).restore(await Backup(store).create(PASSPHRASE), PASSPHRASE, ACCEPT)
    assert "vpn-se" in summary.warnings[0]
    assert not other.has_secrets("vpn-se")


# --- a crash, or a disk that refuses, at every single step -----------------------------------------------------------

CHILD = """
import errno, os, signal, sys
from pathlib import Path
from app import serialization
from app.errors import UnavailableError
from app.model import ServerSecrets, Settings, StoredServer
from app.store import Store

directory, fault, step = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
new = [serialization.decode(part, kind) for part, kind in zip(
    sys.stdin.buffer.read().split(b"\\n"),
    (Settings, tuple[StoredServer, ...], dict[str, ServerSecrets]), strict=True)]
calls = 0

def guarded(name):
    real = getattr(os, name)
    def call(*arguments, **options):
        global calls
        calls += 1
        if calls == step:
            if fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*arguments, **options)
    setattr(os, name, call)

store = Store(directory)
store.load()
for name in ("open", "fsync", "replace", "unlink", "write", "fdopen", "rename"):
    guarded(name)
try:
    store.replace_all(*new, {"accounts.json": b"new"})
except UnavailableError:
    sys.exit(3)
sys.exit(0 if calls < step else 4)
"""


@pytest.mark.parametrize("fault", ["kill", "refuse"])
def test_a_fault_at_any_step_leaves_all_old_or_all_new(fault, store, tmp_path):
    new = state(store)
    feed = b"\n".join(map(serialization.encode, new[:2])) + b"\n" + serialization.encode(new[2], secrets=True)
    old_server = server("old")
    outcomes = []
    for step in range(1, 100):
        directory = tmp_path / f"{fault} {step}"
        with Store(directory) as victim:
            victim.add_server(*old_server)
            old = state(victim)
        (directory / "accounts.json").write_bytes(b"old")
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(directory), fault, str(step)],
            input=feed, cwd=ROOT, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        with Store(directory) as victim:
            assert victim.problems == []
            found, account = state(victim), (directory / "accounts.json").read_bytes()
        assert (found, account) in [(old, b"old"), (new, b"new")], f"a mix after {fault} at step {step}"
        assert not [p.name for p in directory.iterdir() if "staged" in p.name or "journal" in p.name]
        outcomes.append((done.returncode, account))
        if done.returncode == 0:
            break
    assert outcomes[-1] == (0, b"new")
    codes = {code for code, _ in outcomes[:-1]}
    if fault == "kill":
        assert codes == {-signal.SIGKILL}
        assert {account for _, account in outcomes} == {b"old", b"new"}
    else:
        # Told as failed: nothing has changed, now and after a restart. Told as done: it is.
        assert all(account == (b"old" if code == 3 else b"new") for code, account in outcomes)
        assert 3 in codes
    assert len(outcomes) > 15


def test_a_damaged_journal_is_set_aside(tmp_path):
    with Store(tmp_path) as store:
        before = state(store)
    (tmp_path / "replace.journal").write_bytes(b"\0\0\0")
    (tmp_path / ".staged-settings.json").write_bytes(b"{}")
    with Store(tmp_path) as store:
        assert state(store) == before
    (tmp_path / "replace.journal").write_text('{"version": 1, "files": ["../../etc/passwd", "settings.json"]}')
    assert recover(tmp_path)
    assert not (tmp_path / "replace.journal").exists()


async def test_a_full_disk_is_reported_and_changes_nothing(store, other, monkeypatch):
    data = await Backup(store).create(PASSPHRASE)
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    error = await refused(other, data)
    monkeypatch.setattr(os, "fsync", real)
    assert isinstance(error, UnavailableError)
    await Backup(other).restore(data, PASSPHRASE, ACCEPT)
    assert state(other) == state(store)
