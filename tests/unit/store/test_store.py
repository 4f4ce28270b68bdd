"""The store from outside: what was written is there again, what is damaged falls back to blocked, only we can read."""

from __future__ import annotations

import asyncio
import contextvars
import json
import stat
import subprocess
import sys
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from app import keys
from app.errors import ConflictError, NotFoundError, UnavailableError
from app.model import (
    BlockedPolicy,
    Device,
    DirectPolicy,
    Endpoint,
    ExitSettings,
    LanSettings,
    MtuSettings,
    Peer,
    Secret,
    ServerChange,
    ServerSecrets,
    Settings,
    StoredServer,
    TunnelConfig,
    VpnPolicy,
)
from app.store import MAX_SERVERS, Store
from app.store.servers import join_secrets, split_secrets

ROOT = Path(__file__).parents[3]
PEER_KEY = keys.generate().public_key


def config(private_key: Secret | None = None) -> TunnelConfig:
    return TunnelConfig(
        private_key=private_key or keys.generate().private_key,
        addresses=(ip_interface("10.0.0.2/24"), ip_interface("fd00::2/128")),
        peers=(
            Peer(
                public_key=PEER_KEY,
                endpoint=Endpoint("vpn.example.net", 51820),
                allowed_ips=(ip_network("0.0.0.0/0"), ip_network("::/0")),
                persistent_keepalive=25,
                preshared_key=keys.generate().private_key,
            ),
        ),
        dns=(ip_address("10.0.0.1"), ip_address("fd00::1")),
        mtu=1380,
        listen_port=51821,
    )


def server(name: str, provider: str = "custom") -> tuple[StoredServer, ServerSecrets]:
    return split_secrets(config(), name=name, provider=provider, location="Germany", added=1.5, warnings=("told",))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_configuration_comes_back_whole(directory: Path) -> None:
    given = config()
    stored, secrets = split_secrets(given, name="a", provider="imported", location=None, added=0.0, warnings=())
    with Store(directory) as store:
        store.add_server(stored, secrets)
    with Store(directory) as store:
        assert join_secrets(store.server("a"), store.secrets_for("a")) == given
        assert store.server("a").public_key == keys.public_key(given.private_key)
        assert store.problems == []


def test_settings_of_every_kind_come_back(directory: Path) -> None:
    changed = Settings(
        provider="custom",
        exits=("default", "second"),
        default_policy=BlockedPolicy(),
        devices=(
            Device("02:00:00:00:00:01", DirectPolicy(), "tv"),
            Device("02:00:00:00:00:02", VpnPolicy("second")),
        ),
        desired={"default": "custom/Zürich 1"},
        fallback_dns=(ip_address("2001:db8::53"),),
        exit_check_url=None,
        rebind_exceptions=("plex.direct",),
        host_names=("gateway.home.example",),
        mtu=MtuSettings(providers={"custom": 1300}),
        exit_settings=(
            ExitSettings("second", mtu=1380, dns=(ip_address("9.9.9.9"),), server_changes=(ServerChange(1),)),
        ),
    )
    changed = replace(changed, lan=replace(changed.lan, dhcp_start=IPv4Address("192.168.77.99")))
    with Store(directory) as store:
        assert store.settings == Settings()
        assert store.update_settings(lambda _: changed) == changed
    with Store(directory) as store:
        assert store.settings == changed


def test_equal_settings_are_not_written_again(directory: Path) -> None:
    with Store(directory) as store:
        before = (directory / "settings.json").stat().st_ino
        store.update_settings(lambda s: replace(s, provider="mullvad"))
        assert (directory / "settings.json").stat().st_ino == before
        store.update_settings(lambda s: replace(s, provider="custom"))
        assert (directory / "settings.json").stat().st_ino != before


def test_servers_keep_their_order_and_provider(directory: Path) -> None:
    with Store(directory) as store:
        for name, provider in (("b", "custom"), ("a", "imported"), ("c", "custom")):
            store.add_server(*server(name, provider))
        assert [s.name for s in store.servers()] == ["b", "a", "c"]
        assert [s.name for s in store.servers("custom")] == ["b", "c"]
    with Store(directory) as store:
        assert [s.name for s in store.servers()] == ["b", "a", "c"]


@pytest.mark.parametrize("name", ["Home", "HOME", "home", "\uff28ome"])
def test_a_name_is_used_once_whatever_its_case_and_provider(directory: Path, name: str) -> None:
    with Store(directory) as store:
        store.add_server(*server("Home", "imported"))
        with pytest.raises(ConflictError, match='"Home"'):
            store.add_server(*server(name))
        assert len(store.servers()) == 1


def test_a_server_is_found_by_exactly_its_name(directory: Path) -> None:
    with Store(directory) as store:
        store.add_server(*server("Malmö"))
        assert store.server("Malmo\u0308").name == "Malmö"
        for name in ("malmö", "Malm", ""):
            with pytest.raises(NotFoundError):
                store.server(name)


def test_removing_erases_the_keys(directory: Path) -> None:
    with Store(directory) as store:
        stored, secrets = server("gone")
        store.add_server(stored, secrets)
        store.add_server(*server("kept"))
        assert store.remove_server("gone") == stored
        assert secrets.private_key.reveal() not in (directory / "secrets.json").read_text()
        with pytest.raises(NotFoundError):
            store.secrets_for("gone")
        with pytest.raises(NotFoundError):
            store.remove_server("gone")
        store.add_server(*server("gone"))
        assert {s.name for s in store.servers()} == {"gone", "kept"}


def test_the_store_has_a_limit(directory: Path) -> None:
    stored, secrets = server("x")
    with Store(directory) as store:
        store._servers = {str(i): replace(stored, name=str(i)) for i in range(MAX_SERVERS)}
        with pytest.raises(ConflictError, match="remove one first"):
            store.add_server(stored, secrets)


# --- Who can read it -------------------------------------------------------------------------------------------------


def test_only_the_owner_can_read_the_files(directory: Path) -> None:
    with Store(directory) as store:
        store.add_server(*server("a"))
        store.update_settings(lambda s: replace(s, provider="custom"))
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for path in directory.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_keys_are_in_one_file_only(directory: Path) -> None:
    stored, secrets = server("a")
    with Store(directory) as store:
        store.add_server(stored, secrets)
        store.update_settings(lambda s: replace(s, provider="custom"))
    texts = [secrets.private_key.reveal(), *(s.reveal() for s in secrets.preshared_keys.values())]
    for path in directory.iterdir():
        found = [text for text in texts if text in path.read_text()]
        assert found == (texts if path.name == "secrets.json" else [])


def test_modes_that_were_opened_are_closed_and_reported(directory: Path) -> None:
    with Store(directory):
        pass
    directory.chmod(0o755)
    (directory / "secrets.json").chmod(0o644)
    with Store(directory) as store:
        assert len(store.problems) == 2
    assert stat.S_IMODE((directory / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_one_writer_at_a_time(directory: Path) -> None:
    code = "import sys, pathlib; from app.store import Store; Store(pathlib.Path(sys.argv[1])).load()"
    with Store(directory):
        other = subprocess.run(
            [sys.executable, "-c", code, directory], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert "in use by another process" in other.stderr
    subprocess.run([sys.executable, "-c", code, directory], cwd=ROOT, check=True)


def test_a_closed_store_writes_nothing(directory: Path) -> None:
    store = Store(directory)
    store.load()
    store.close()
    with pytest.raises(UnavailableError):
        store.update_settings(lambda s: replace(s, provider="custom"))
    assert store.settings == Settings()


# --- Damage ----------------------------------------------------------------------------------------------------------

DAMAGE = [b"", b"{", b"\0" * 4096, b"[]", b'{"version": 1}', b'{"version": "x"}', b"\xff\xfe", b"[" * 100_000]


@pytest.mark.parametrize("damage", DAMAGE, ids=range(len(DAMAGE)))
@pytest.mark.parametrize("name", ["settings.json", "servers.json", "secrets.json"])
def test_a_damaged_file_is_kept_aside_and_reported(directory: Path, name: str, damage: bytes) -> None:
    with Store(directory) as store:
        store.add_server(*server("a"))
        store.update_settings(
            lambda s: replace(
                s, desired={"default": "custom/a"}, devices=(Device("02:00:00:00:00:01", DirectPolicy()),)
            )
        )
    (directory / name).write_bytes(damage)
    with Store(directory) as store:
        assert any(name in problem for problem in store.problems)
        assert (directory / f"{name}.bad").read_bytes() == damage
        if name == "settings.json":
            assert store.settings == Settings()  # nothing connected, no device in the clear
        if name == "servers.json":
            assert store.servers() == ()
            assert b"private_key" in (directory / "secrets.json").read_bytes()  # for a repair by hand
        if name == "secrets.json":
            assert [s.name for s in store.servers()] == ["a"]
            assert not store.has_secrets("a")
            with pytest.raises(ConflictError, match="were lost"):
                store.secrets_for("a")
            store.remove_server("a")
        store.add_server(*server("b"))
    with Store(directory) as store:
        assert store.has_secrets("b")


@pytest.mark.parametrize("name", ["settings.json", "servers.json", "secrets.json"])
def test_a_lost_file_is_reported(directory: Path, name: str) -> None:
    with Store(directory) as store:
        store.add_server(*server("a"))
    (directory / name).unlink()
    with Store(directory) as store:
        assert f"{name} was missing" in store.problems


def test_the_first_start_has_no_problems(directory: Path) -> None:
    with Store(directory) as store:
        assert store.problems == []
    with Store(directory) as store:
        assert store.problems == []


def test_one_damaged_entry_costs_only_itself(directory: Path) -> None:
    with Store(directory) as store:
        for name in "abc":
            store.add_server(*server(name))
    for name, spoil in (
        ("servers.json", lambda d: d["servers"][0].update(peers=5)),
        ("secrets.json", lambda d: d["secrets"]["b"].update(private_key="short")),
    ):
        document = json.loads((directory / name).read_text())
        spoil(document)
        (directory / name).write_text(json.dumps(document))
    with Store(directory) as store:
        assert [s.name for s in store.servers()] == ["b", "c"]
        assert [store.has_secrets(n) for n in "bc"] == [False, True]
        assert (directory / "servers.json.bad").exists()
        assert (directory / "secrets.json.bad").exists()


def damage_settings(directory: Path, **parts: object) -> None:
    document = json.loads((directory / "settings.json").read_text())
    document["settings"] |= parts
    (directory / "settings.json").write_text(json.dumps(document))


PUBLIC_LAN = {"address": "8.8.8.1/24", "dhcp_start": "8.8.8.20", "dhcp_end": "8.8.8.250"}


def test_public_lan_is_left_out_and_nothing_is_connected(directory: Path) -> None:
    """An older version restored such a backup."""
    device = Device("02:00:00:00:00:01", DirectPolicy(), "Telly")
    with Store(directory) as store:
        store.update_settings(
            lambda s: replace(s, desired={"default": "custom/a"}, devices=(device,), favourites=("custom/a",))
        )
    damage_settings(directory, lan=PUBLIC_LAN)
    with Store(directory) as store:
        (problem,) = store.problems
        assert "lan.address" in problem
        assert store.settings == Settings(devices=(device,), favourites=("custom/a",))
        assert (directory / "settings.json.bad").exists()
        store.update_settings(lambda s: replace(s, provider="custom"))
    with Store(directory) as store:
        assert (store.problems, store.settings.lan) == ([], LanSettings())


def test_lost_devices_never_let_another_out_in_the_clear(directory: Path) -> None:
    """Where the stored devices are lost, no other device is let out in the clear."""
    with Store(directory) as store:
        store.update_settings(lambda s: replace(s, default_policy=DirectPolicy(), desired={"default": "custom/a"}))
    damage_settings(directory, devices=[{"mac": "TELLY", "policy": {"type": "blocked"}}], exits=[])
    with Store(directory) as store:
        (problem,) = store.problems
        assert "devices" in problem
        assert "exits" in problem
        assert store.settings == Settings()


def test_a_newer_version_is_read_as_far_as_it_is_known_and_kept(directory: Path) -> None:
    with Store(directory) as store:
        store.update_settings(lambda s: replace(s, provider="custom"))
    document = json.loads((directory / "settings.json").read_text())
    document["version"] = 2
    document["settings"]["new_thing"] = {"x": 1}
    (directory / "settings.json").write_text(json.dumps(document))
    with Store(directory) as store:
        assert store.settings.provider == "custom"
        assert any("newer version" in problem for problem in store.problems)
        store.update_settings(lambda s: replace(s, provider="imported"))
    assert json.loads((directory / "settings.json.v2").read_text()) == document


def test_a_link_in_place_of_a_file_is_not_followed(directory: Path, tmp_path: Path) -> None:
    with Store(directory):
        pass
    outside = tmp_path / "outside"
    outside.write_bytes((directory / "settings.json").read_bytes())
    (directory / "settings.json").unlink()
    (directory / "settings.json").symlink_to(outside)
    with Store(directory) as store:
        assert any("settings.json" in problem for problem in store.problems)
        store.update_settings(lambda s: replace(s, provider="custom"))
    assert b"custom" not in outside.read_bytes()


# --- A disk that refuses ---------------------------------------------------------------------------------------------

FULL = """
import pathlib, resource, signal, sys
from app.errors import UnavailableError
from app.store import Store
from msgspec.structs import replace
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = Store(pathlib.Path(sys.argv[1]))
store.load()
before = {p.name: p.read_bytes() for p in pathlib.Path(sys.argv[1]).iterdir()}
resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))  # as a full disk does: a write ends in an error half-way
try:
    store.update_settings(lambda s: replace(s, provider="custom"))
except UnavailableError as error:
    assert error.code == "storage", error.code
else:
    raise SystemExit("written")
assert store.settings.provider == "mullvad"
assert before == {p.name: p.read_bytes() for p in pathlib.Path(sys.argv[1]).iterdir()}
"""


def test_a_write_that_fails_changes_nothing(directory: Path) -> None:
    subprocess.run([sys.executable, "-c", FULL, directory], cwd=ROOT, check=True)


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError):
        Store(tmp_path / "file" / "state").load()


# --- Transactions and others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["abort", "commit"])
async def test_what_another_task_changes_during_a_transaction_stays(directory: Path, end: str) -> None:
    """A failover, say, while a bulk request waits for a tunnel and is then undone."""

    async def another() -> None:
        store.update_settings(lambda s: replace(s, favourites=(*s.favourites, "custom/other")))

    # Each command of a client is a task of its own, begun outside of the transaction.
    go = asyncio.Event()

    async def waiting() -> None:
        await go.wait()
        await another()

    with Store(directory) as store:
        task = asyncio.create_task(waiting())
        store.begin()
        store.update_settings(lambda s: replace(s, provider="custom", favourites=("custom/ours",)))
        go.set()
        await task
        assert store.settings.favourites == ("custom/ours", "custom/other")
        getattr(store, end)()
        wanted = ("custom", ("custom/ours", "custom/other")) if end == "commit" else ("mullvad", ("custom/other",))
        assert (store.settings.provider, store.settings.favourites) == wanted
        store.update_settings(lambda s: replace(s, connect_at_boot=False))
    with Store(directory) as store:
        assert (store.settings.provider, store.settings.favourites) == wanted
        assert not store.settings.connect_at_boot


async def test_crash_in_a_transaction_keeps_another_tasks_change(directory: Path) -> None:
    """A crash within a transaction keeps the change that another task has made."""
    with Store(directory) as store:
        before = contextvars.copy_context()
        store.begin()
        store.update_settings(lambda s: replace(s, provider="custom"))
        before.run(store.update_settings, lambda s: replace(s, favourites=("custom/other",)))
    with Store(directory) as store:
        assert (store.settings.provider, store.settings.favourites) == ("mullvad", ("custom/other",))
