"""Bulk requests on a real store: all or none with undo, independent commands, one write for servers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, GatewayError, KernelError, NotFoundError, UnavailableError
from app.model import BlockedPolicy, Device, SeenDevice
from app.netd import bulk as bulk_module
from app.netd.bulk import BulkRunner
from app.netd.intent import Goal, Intent
from app.protocol.answers import Done
from app.protocol.commands import (
    AddCustomServer,
    Bulk,
    Connect,
    ForgetDevice,
    ImportConfig,
    SelectProvider,
    SetFavourite,
)
from app.protocol.events import ServersChanged
from app.store import Store
from app.tunnel.states import Target

A, B = Target("mullvad", "a"), Target("mullvad", "b")
MAC = "02:00:00:00:00:01"


class Fakes:
    """One exit, one network, and handlers that record their calls."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.intent = Intent(store)
        self.goal: Target | None = None
        self.published: list[object] = []
        self.followed = 0
        self.devices: tuple[SeenDevice, ...] = (SeenDevice(MAC, 1.0, 2.0),)
        self.refuses = False
        self.writes: list[int] = []
        self.taken_back: list[tuple[object, object]] = []
        self.files: list[tuple[ImportConfig, ...]] = []
        self.running = asyncio.Event()
        self.runner = BulkRunner(
            run=self.run,
            store=store,
            exits=self,
            policies=self,
            importer=self,
            publish=self.published.append,
            sightings=self,
        )

    async def follow_settings(self) -> None:
        pass

    async def run(self, command: object) -> object:
        match command:
            case Connect(server=server):
                self.goal = Target("mullvad", server)
                self.intent.set_goal("default", self.goal)
            case SelectProvider(provider=provider):
                self.store.update_settings(lambda s: replace(s, provider=provider))
            case SetFavourite(server="hangs"):
                self.running.set()
                await asyncio.Event().wait()
            case SetFavourite(server="missing"):
                raise NotFoundError("there is no such server", field="server")
            case ForgetDevice():
                self.devices = ()
            case AddCustomServer(name="bad"):
                raise ConflictError("taken", field="name")
            case _:
                pass
        return Done()

    def goals(self) -> dict[str, Target | None]:
        return {"default": self.goal}

    async def restore_goals(self, before, ours) -> None:
        self.taken_back.append((dict(before), dict(ours)))
        self.goal = before["default"]

    async def follow(self) -> None:
        self.followed += 1
        if self.refuses:
            raise KernelError("refused")

    @contextlib.asynccontextmanager
    async def together(self):
        yield

    def restore(self, devices) -> None:
        self.devices = tuple(devices)

    async def import_files(self, commands, check_free, *, atomic):
        self.files.append(commands)
        return ()


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    with Store(tmp_path) as store:
        store.update_settings(lambda s: replace(s, devices=(Device(MAC, BlockedPolicy()),)))
        yield Fakes(store)


MISSING = SetFavourite("mullvad", "missing", favourite=True)
HANGS = SetFavourite("mullvad", "hangs", favourite=True)


async def test_atomic_bulk_is_written_at_once(fakes: Fakes, tmp_path: Path) -> None:
    with_nothing = (tmp_path / "settings.json").read_bytes()

    async def look(command: object) -> object:
        done = await Fakes.run(fakes, command)
        assert (tmp_path / "settings.json").read_bytes() == with_nothing
        return done

    fakes.runner = BulkRunner(
        run=look, store=fakes.store, exits=fakes, policies=fakes, importer=fakes, publish=fakes.published.append
    )
    found = await fakes.runner.run(Bulk((SelectProvider("custom"), Connect("a"))))
    assert [outcome.status for outcome in found] == [200, 200]
    assert (tmp_path / "settings.json").read_bytes() != with_nothing
    assert fakes.intent.goal("default") == Goal(A, "a")
    assert fakes.taken_back == []


async def test_atomic_bulk_with_failure_changes_nothing(fakes: Fakes) -> None:
    fakes.goal = A
    fakes.intent.set_goal("default", A, "Sweden")
    before = fakes.store.settings
    with pytest.raises(GatewayError) as failed:
        await fakes.runner.run(Bulk((SelectProvider("custom"), Connect("b"), MISSING)))
    assert (failed.value.status, failed.value.field) == (404, "operations[2].server")
    assert fakes.store.settings == before
    assert fakes.taken_back == [({"default": A}, {"default": B})]
    assert fakes.followed == 1
    assert fakes.published[-1] == ServersChanged("mullvad")
    fakes.runner.check_free()


async def test_undone_bulk_has_forgotten_no_device(fakes: Fakes) -> None:
    with pytest.raises(GatewayError):
        await fakes.runner.run(Bulk((ForgetDevice(MAC), MISSING)))
    assert [device.mac for device in fakes.devices] == [MAC]


async def test_undo_leaves_exits_that_no_command_named(fakes: Fakes) -> None:
    with pytest.raises(GatewayError):
        await fakes.runner.run(Bulk((SelectProvider("custom"), MISSING)))
    assert fakes.taken_back == [({"default": None}, {})]


async def test_undo_keeps_concurrent_changes(fakes: Fakes) -> None:
    task = asyncio.create_task(fakes.runner.run(Bulk((SelectProvider("custom"), HANGS))))
    await fakes.running.wait()
    fakes.intent.mark_recent(B)
    with pytest.raises(ConflictError) as busy:
        fakes.runner.check_free()
    assert busy.value.code == "busy"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (fakes.store.settings.provider, fakes.store.settings.recent) == ("mullvad", (str(B),))
    fakes.runner.check_free()


async def test_atomic_bulk_is_undone_after_timeout(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_module, "TIMEOUT", 0.05)
    with pytest.raises(GatewayError) as late:
        await fakes.runner.run(Bulk((SelectProvider("custom"), HANGS)))
    assert (late.value.status, late.value.code, late.value.field) == (
        UnavailableError.status,
        "timeout",
        "operations[1]",
    )
    assert fakes.store.settings.provider == "mullvad"


async def test_undo_completes_if_kernel_refuses_the_plan(fakes: Fakes) -> None:
    fakes.refuses = True
    with pytest.raises(GatewayError) as failed:
        await fakes.runner.run(Bulk((SelectProvider("custom"), MISSING)))
    assert failed.value.status == 404
    assert fakes.followed == 1


async def test_non_atomic_bulk_continues_after_failure(fakes: Fakes) -> None:
    found = await fakes.runner.run(Bulk((MISSING, SelectProvider("custom")), atomic=False))
    assert [outcome.status for outcome in found] == [404, 200]
    assert fakes.store.settings.provider == "custom"
    assert fakes.taken_back == []


async def test_bulk_of_servers_is_one_transaction(fakes: Fakes) -> None:
    seen: list[bool] = []

    async def run(command: object) -> object:
        seen.append(fakes.store.in_transaction)
        return await Fakes.run(fakes, command)

    runner = BulkRunner(
        run=run, store=fakes.store, exits=fakes, policies=fakes, importer=fakes, publish=fakes.published.append
    )
    servers = tuple(AddCustomServer(name, "198.51.100.1:51820", "key") for name in ("good", "bad", "fine"))
    found = await runner.run(Bulk(servers, atomic=False))
    assert [outcome.status for outcome in found] == [200, 409, 200]
    assert (seen, fakes.store.in_transaction) == ([True] * 3, False)
    await runner.run(Bulk((*servers[:1], SelectProvider("custom")), atomic=False))
    assert seen[3:] == [False, False]


async def test_bulk_of_files_goes_to_the_importer(fakes: Fakes) -> None:
    files = (ImportConfig("a.conf", "", from_file=True), ImportConfig("b.conf", "", from_file=True))
    await fakes.runner.run(Bulk(files))
    assert fakes.files == [files]
