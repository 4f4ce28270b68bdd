"""Imported files in a real store: names made to fit, numbers, repeated imports, and what there is no room for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app import keys
from app.errors import ConflictError, GatewayError, InvalidFieldError
from app.netd.events import EventBus
from app.netd.imports import ServerImporter
from app.protocol.answers import Done, Outcome
from app.protocol.commands import ImportConfig
from app.store import MAX_SERVERS, Store

PEER = keys.generate().public_key


@dataclass
class Core:
    """An importer with its store and the events that it publishes."""

    store: Store
    events: EventBus = field(default_factory=EventBus)

    @property
    def importer(self) -> ServerImporter:
        return ServerImporter(self.store, self.events.publish, lambda: None)


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with Store(tmp_path) as store:
        yield Core(store)


def conf() -> str:
    return (
        f"[Interface]\nPrivateKey = {keys.generate().private_key.reveal()}\nAddress = 10.0.0.2/32\nDNS = 10.0.0.1\n"
        f"[Peer]\nPublicKey = {PEER}\nEndpoint = 198.51.100.99:51820\nAllowedIPs = 0.0.0.0/0,::/0\n"
    )


def file(name: str, config: str | None = None) -> ImportConfig:
    return ImportConfig(name, config or conf(), from_file=True)


def names(core: Core) -> list[str]:
    return [server.name for server in core.store.servers()]


def everything(core: Core, tmp_path: Path) -> dict[str, object]:
    return {f: json.loads((tmp_path / f).read_bytes()) for f in ("servers.json", "secrets.json")}


async def take(core: Core, *files: ImportConfig, atomic: bool = False) -> tuple[Outcome, ...]:
    return await core.importer.import_files(files, lambda: None, atomic=atomic)


def test_a_chosen_name_is_taken_as_it_is_or_refused(core: Core) -> None:
    assert core.importer.import_one(ImportConfig("berlin", conf())).server is None
    with pytest.raises(InvalidFieldError) as refused:
        core.importer.import_one(ImportConfig("berlin (1)", conf()))
    assert refused.value.field == "name"
    with pytest.raises(ConflictError) as taken:
        core.importer.import_one(ImportConfig("Berlin", conf()))
    assert taken.value.field == "name"
    assert names(core) == ["berlin"]


def test_a_files_name_is_made_to_fit(core: Core) -> None:
    assert core.importer.import_one(file("John's iPhone (1).conf.txt")).server == "Johns iPhone 1"
    assert names(core) == ["Johns iPhone 1"]


def test_another_file_of_the_same_name_has_a_number_and_it_is_told(core: Core) -> None:
    core.importer.import_one(file("berlin.conf"))
    done = core.importer.import_one(file("Berlin.conf"))
    assert done.server == "Berlin-2"
    assert done.warnings[0] == 'there is another server "Berlin", so this one is called "Berlin-2"'
    assert core.importer.import_one(file("berlin.conf")).server == "berlin-3"


def test_the_same_file_again_changes_nothing(core: Core, tmp_path: Path) -> None:
    first, second = file("berlin.conf"), file("berlin.conf")
    core.importer.import_one(first)
    core.importer.import_one(second)
    before = everything(core, tmp_path)
    for command, name in ((first, "berlin"), (second, "berlin-2")):
        done = core.importer.import_one(command)
        assert (done.server, done.warnings) == (name, (f'it is there already, as "{name}"',))
    assert everything(core, tmp_path) == before


def test_another_key_is_another_server(core: Core) -> None:
    config = conf()
    preshared = config.replace("[Peer]\n", f"[Peer]\nPresharedKey = {keys.generate().private_key.reveal()}\n")
    core.importer.import_one(file("a.conf", config))
    assert core.importer.import_one(file("a.conf", preshared)).server == "a-2"


async def test_an_archive_is_one_event_and_one_write(core: Core) -> None:
    seq = core.events.seq
    found = await take(core, *(file(f"se-{n}.conf") for n in range(700)))
    assert all(isinstance(outcome.done, Done) for outcome in found)
    assert len(names(core)) == 700
    assert core.events.seq == seq + 1


async def test_each_on_its_own(core: Core) -> None:
    found = await take(core, file("a/b.conf", "nonsense"), file("c.conf"))
    assert [outcome.status for outcome in found] == [422, 200]
    assert names(core) == ["c"]


async def test_all_or_none(core: Core, tmp_path: Path) -> None:
    before = everything(core, tmp_path)
    with pytest.raises(GatewayError) as failed:
        await take(core, file("c.conf"), file("b.conf", "nonsense"), atomic=True)
    assert failed.value.field == "operations[1].config"
    assert (names(core), everything(core, tmp_path)) == ([], before)


@pytest.mark.parametrize("atomic", [True, False])
async def test_what_there_is_no_room_for_is_told_before_anything_is_done(
    core: Core, tmp_path: Path, atomic: bool
) -> None:
    await take(core, *(file(f"old-{n}.conf") for n in range(MAX_SERVERS - 5)))
    before = everything(core, tmp_path)
    with pytest.raises(ConflictError) as refused:
        await take(core, *(file(f"new-{n}.conf") for n in range(6)), atomic=atomic)
    assert refused.value.code == "too_many"
    assert refused.value.message.startswith(f"these are 6 files, and there is room for 5 more servers ({MAX_SERVERS}")
    assert everything(core, tmp_path) == before
    await take(core, *(file(f"new-{n}.conf") for n in range(5)), atomic=atomic)
    assert len(names(core)) == MAX_SERVERS


async def test_a_restore_meanwhile_has_the_last_word(core: Core) -> None:
    def busy() -> None:
        raise ConflictError("a bulk request is being carried out", code="busy")

    with pytest.raises(ConflictError):
        await core.importer.import_files((file("a.conf"),), busy, atomic=False)
    assert names(core) == []
