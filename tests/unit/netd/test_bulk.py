"""Many commands at once in a real store: all or none with undo, each on its own, one write for servers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, GatewayError, KernelError, NotFoundError, UnavailableError
from app.model import BlockedPolicy, Device
from app.netd import bulk as bulk_module
from app.netd.bulk import BulkRunner
from app.netd.intent import Goal, Intent
from app.protocol.answers import Done
from app.protocol.commands import (
    AddCustomServer,
    Bulk,
    Connect,
    ImportConfig,
    SelectProvider,
    SetFavourite,
)
from app.protocol.events import ServersChanged
from app.store import Store
from app.tunnel.states import Target

A, B = Target("mullvad", "a"), Target("mullvad", "b")
MAC = "02:00:00:00:00:01"


class House:
    """One exit, one network and handlers that note what they did."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.intent = Intent(store)
        self.goal: Target | None = None
        self.told: list[object] = []
        self.replans = 0
        self.forgotten: list[str] = []
        self.refuses = False
        self.writes: list[int] = []
        self.taken_back: list[tuple[object, object]] = []
        self.files: list[tuple[ImportConfig, ...]] = []
        self.running = asyncio.Event()
        self.runner = BulkRunner(
            run=self.run, store=store, exits=self, network=self, importer=self, publish=self.told.append
        )

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

    async def replan(self) -> None:
        self.replans += 1
        if self.refuses:
            raise KernelError("refused")

    async def forget_device(self, mac: str) -> None:
        self.forgotten.append(mac)

    async def import_files(self, commands, check_free, *, atomic):
        self.files.append(commands)
        return ()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with Store(tmp_path) as store:
        store.update_settings(lambda s: replace(s, devices=(Device(MAC, BlockedPolicy()),)))
        yield House(store)


MISSING = SetFavourite("mullvad", "missing", favourite=True)
HANGS = SetFavourite("mullvad", "hangs", favourite=True)


async def test_all_of_it_is_written_at_once(house: House, tmp_path: Path) -> None:
    with_nothing = (tmp_path / "settings.json").read_bytes()

    async def look(command: object) -> object:
        done = await House.run(house, command)
        assert (tmp_path / "settings.json").read_bytes() == with_nothing
        return done

    house.runner = BulkRunner(
        run=look, store=house.store, exits=house, network=house, importer=house, publish=house.told.append
    )
    found = await house.runner.run(Bulk((SelectProvider("custom"), Connect("a"))))
    assert [outcome.status for outcome in found] == [200, 200]
    assert (tmp_path / "settings.json").read_bytes() != with_nothing
    assert house.intent.goal("default") == Goal(A, "a")
    assert house.taken_back == []


async def test_where_one_fails_everything_is_as_it_was(house: House) -> None:
    house.goal = A
    house.intent.set_goal("default", A, "Sweden")
    before = house.store.settings
    with pytest.raises(GatewayError) as failed:
        await house.runner.run(Bulk((SelectProvider("custom"), Connect("b"), MISSING)))
    assert (failed.value.status, failed.value.field) == (404, "operations[2].server")
    assert house.store.settings == before
    assert house.taken_back == [({"default": A}, {"default": B})]
    assert (house.replans, house.forgotten) == (1, [MAC])
    assert house.told[-1] == ServersChanged("mullvad")
    house.runner.check_free()


async def test_an_exit_that_no_command_named_is_not_ours(house: House) -> None:
    with pytest.raises(GatewayError):
        await house.runner.run(Bulk((SelectProvider("custom"), MISSING)))
    assert house.taken_back == [({"default": None}, {})]


async def test_what_others_store_meanwhile_survives_the_undo(house: House) -> None:
    task = asyncio.create_task(house.runner.run(Bulk((SelectProvider("custom"), HANGS))))
    await house.running.wait()
    house.intent.mark_recent(B)
    with pytest.raises(ConflictError) as busy:
        house.runner.check_free()
    assert busy.value.code == "busy"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (house.store.settings.provider, house.store.settings.recent) == ("mullvad", (str(B),))
    house.runner.check_free()


async def test_what_takes_too_long_is_undone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_module, "TIMEOUT", 0.05)
    with pytest.raises(GatewayError) as late:
        await house.runner.run(Bulk((SelectProvider("custom"), HANGS)))
    assert (late.value.status, late.value.code, late.value.field) == (
        UnavailableError.status,
        "timeout",
        "operations[1]",
    )
    assert house.store.settings.provider == "mullvad"


async def test_an_undo_ends_where_the_kernel_refuses(house: House) -> None:
    house.refuses = True
    with pytest.raises(GatewayError) as failed:
        await house.runner.run(Bulk((SelectProvider("custom"), MISSING)))
    assert failed.value.status == 404
    assert house.forgotten == [MAC]


async def test_each_on_its_own_goes_on_after_a_failure(house: House) -> None:
    found = await house.runner.run(Bulk((MISSING, SelectProvider("custom")), atomic=False))
    assert [outcome.status for outcome in found] == [404, 200]
    assert house.store.settings.provider == "custom"
    assert house.taken_back == []


async def test_servers_alone_are_one_transaction(house: House) -> None:
    seen: list[bool] = []

    async def run(command: object) -> object:
        seen.append(house.store.in_transaction)
        return await House.run(house, command)

    runner = BulkRunner(
        run=run, store=house.store, exits=house, network=house, importer=house, publish=house.told.append
    )
    servers = tuple(AddCustomServer(name, "198.51.100.1:51820", "key") for name in ("good", "bad", "fine"))
    found = await runner.run(Bulk(servers, atomic=False))
    assert [outcome.status for outcome in found] == [200, 409, 200]
    assert (seen, house.store.in_transaction) == ([True] * 3, False)
    await runner.run(Bulk((*servers[:1], SelectProvider("custom")), atomic=False))
    assert seen[3:] == [False, False]


async def test_files_alone_are_the_importers(house: House) -> None:
    files = (ImportConfig("a.conf", "", from_file=True), ImportConfig("b.conf", "", from_file=True))
    await house.runner.run(Bulk(files))
    assert house.files == [files]
