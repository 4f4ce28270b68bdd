"""The importer on a real store: cleaned names, numbers, repeated imports, and the limit of servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from app import keys
from app.errors import ConflictError, GatewayError, InvalidFieldError
from app.netd.events import EventBus
from app.netd.imports import ServerImporter
from app.protocol.answers import Done, ListOffer, Outcome
from app.protocol.commands import ImportConfig
from app.store import MAX_SERVERS, Store

PEER = keys.generate().public_key


class Offers:
    """Offers the list of a provider for every file."""

    async def with_offer(self, done: Done, name: str) -> Done:
        return replace(done, opens=ListOffer("surfshark", "Surfshark", name, 140, listed=True))


@dataclass
class Fakes:
    """An importer with a real store and event bus."""

    store: Store
    events: EventBus = field(default_factory=EventBus)

    @property
    def importer(self) -> ServerImporter:
        return ServerImporter(self.store, self.events.publish, lambda: None, Offers())


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    with Store(tmp_path) as store:
        yield Fakes(store)


def conf() -> str:
    return (
        f"[Interface]\nPrivateKey = {keys.generate().private_key.reveal()}\nAddress = 10.0.0.2/32\nDNS = 10.0.0.1\n"
        f"[Peer]\nPublicKey = {PEER}\nEndpoint = 198.51.100.99:51820\nAllowedIPs = 0.0.0.0/0,::/0\n"
    )


def file(name: str, config: str | None = None) -> ImportConfig:
    return ImportConfig(name, config or conf(), from_file=True)


def names(fakes: Fakes) -> list[str]:
    return [server.name for server in fakes.store.servers()]


def everything(fakes: Fakes, tmp_path: Path) -> dict[str, object]:
    return {f: json.loads((tmp_path / f).read_bytes()) for f in ("servers.json", "secrets.json")}


async def take(fakes: Fakes, *files: ImportConfig, atomic: bool = False) -> tuple[Outcome, ...]:
    return await fakes.importer.import_files(files, lambda: None, atomic=atomic)


def test_chosen_name_is_used_unchanged_or_refused(fakes: Fakes) -> None:
    assert fakes.importer.import_one(ImportConfig("berlin", conf())).server is None
    with pytest.raises(InvalidFieldError) as refused:
        fakes.importer.import_one(ImportConfig("berlin (1)", conf()))
    assert refused.value.field == "name"
    with pytest.raises(ConflictError) as taken:
        fakes.importer.import_one(ImportConfig("Berlin", conf()))
    assert taken.value.field == "name"
    assert names(fakes) == ["berlin"]


def test_file_name_is_cleaned_up(fakes: Fakes) -> None:
    assert fakes.importer.import_one(file("John's iPhone (1).conf.txt")).server == "Johns iPhone 1"
    assert names(fakes) == ["Johns iPhone 1"]


def test_second_file_of_a_name_gets_a_number_and_a_warning(fakes: Fakes) -> None:
    fakes.importer.import_one(file("berlin.conf"))
    done = fakes.importer.import_one(file("Berlin.conf"))
    assert done.server == "Berlin-2"
    assert done.warnings[0] == 'there is another server "Berlin", so this one is called "Berlin-2"'
    assert fakes.importer.import_one(file("berlin.conf")).server == "berlin-3"


def test_repeated_import_changes_nothing(fakes: Fakes, tmp_path: Path) -> None:
    first, second = file("berlin.conf"), file("berlin.conf")
    fakes.importer.import_one(first)
    fakes.importer.import_one(second)
    before = everything(fakes, tmp_path)
    for command, name in ((first, "berlin"), (second, "berlin-2")):
        done = fakes.importer.import_one(command)
        assert (done.server, done.warnings) == (name, (f'it is there already, as "{name}"',))
    assert everything(fakes, tmp_path) == before


def test_file_with_another_key_is_another_server(fakes: Fakes) -> None:
    config = conf()
    preshared = config.replace("[Peer]\n", f"[Peer]\nPresharedKey = {keys.generate().private_key.reveal()}\n")
    fakes.importer.import_one(file("a.conf", config))
    assert fakes.importer.import_one(file("a.conf", preshared)).server == "a-2"


async def test_archive_import_is_one_event_and_one_write(fakes: Fakes) -> None:
    seq = fakes.events.seq
    found = await take(fakes, *(file(f"se-{n}.conf") for n in range(700)))
    assert all(isinstance(outcome.done, Done) for outcome in found)
    assert len(names(fakes)) == 700
    assert fakes.events.seq == seq + 1


async def test_non_atomic_import_skips_the_bad_file(fakes: Fakes) -> None:
    found = await take(fakes, file("a/b.conf", "nonsense"), file("c.conf"))
    assert [outcome.status for outcome in found] == [422, 200]
    assert names(fakes) == ["c"]


async def test_atomic_import_with_bad_file_changes_nothing(fakes: Fakes, tmp_path: Path) -> None:
    before = everything(fakes, tmp_path)
    with pytest.raises(GatewayError) as failed:
        await take(fakes, file("c.conf"), file("b.conf", "nonsense"), atomic=True)
    assert failed.value.field == "operations[1].config"
    assert (names(fakes), everything(fakes, tmp_path)) == ([], before)


@pytest.mark.parametrize("atomic", [True, False])
async def test_import_beyond_the_limit_is_refused_as_a_whole(fakes: Fakes, tmp_path: Path, atomic: bool) -> None:
    await take(fakes, *(file(f"old-{n}.conf") for n in range(MAX_SERVERS - 5)))
    before = everything(fakes, tmp_path)
    with pytest.raises(ConflictError) as refused:
        await take(fakes, *(file(f"new-{n}.conf") for n in range(6)), atomic=atomic)
    assert refused.value.code == "too_many"
    assert refused.value.message.startswith(f"these are 6 files, and there is room for 5 more servers ({MAX_SERVERS}")
    assert everything(fakes, tmp_path) == before
    await take(fakes, *(file(f"new-{n}.conf") for n in range(5)), atomic=atomic)
    assert len(names(fakes)) == MAX_SERVERS


async def test_import_during_a_restore_is_refused(fakes: Fakes) -> None:
    def busy() -> None:
        raise ConflictError("a bulk request is being carried out", code="busy")

    with pytest.raises(ConflictError):
        await fakes.importer.import_files((file("a.conf"),), busy, atomic=False)
    assert names(fakes) == []


async def test_import_offers_what_the_key_of_the_stored_server_opens(fakes: Fakes) -> None:
    first = await fakes.importer.import_with_offer(ImportConfig(" berlin.conf", conf()))
    second = await fakes.importer.import_with_offer(file("berlin.conf"))
    archived = await take(fakes, file("oslo.conf"), file("bad.conf", "nonsense"))
    done = [first, second, *(outcome.done for outcome in archived)]
    assert [d.opens.server if d is not None and d.opens is not None else None for d in done] == [
        "berlin",
        "berlin-2",
        "oslo",
        None,
    ]
    assert names(fakes) == ["berlin", "berlin-2", "oslo"]


async def test_dry_run_answers_the_same_and_stores_nothing(fakes: Fakes) -> None:
    command = replace(file("berlin (1).conf", conf().replace("[Peer]", "PostUp = true\n[Peer]")), dry_run=True)
    before = fakes.events.seq
    checked = await fakes.importer.import_with_offer(command)
    assert (checked.server, checked.opens) == ("berlin 1", None)
    assert any("PostUp" in warning for warning in checked.warnings)
    assert (names(fakes), fakes.events.seq) == ([], before)
    with pytest.raises(InvalidFieldError):
        await fakes.importer.import_with_offer(replace(command, config="nonsense"))


async def test_dry_run_of_an_archive_stores_nothing(fakes: Fakes) -> None:
    files = tuple(replace(file("vpn.conf"), dry_run=True) for _ in range(2))
    outcomes = await fakes.importer.import_files(files, lambda: None, atomic=False)
    assert [outcome.done.server for outcome in outcomes if outcome.done] == ["vpn", "vpn-2"]
    assert names(fakes) == []
