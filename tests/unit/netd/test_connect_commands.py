"""Connect and disconnect as commands: a server by its name, or the first of a place that answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import ConflictError, ConnectTimeoutError, NotFoundError
from app.netd.commands import Commands
from app.netd.connect_commands import MAX_ATTEMPTS, ConnectCommands
from app.netd.intent import Intent
from app.protocol.answers import Done
from app.protocol.commands import Connect, Disconnect
from app.store import Store
from app.tunnel.failure_history import FailureHistory
from app.tunnel.states import Target

SERVERS = tuple(Target("mullvad", f"se-sto-wg-00{n}") for n in range(1, 6))


class House:
    """Exits and a directory that knows one place; servers in ``silent`` never answer."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.silent: set[Target] = set()
        self.tried: list[tuple[Target, str | None]] = []
        self.down: list[str] = []
        self.failures = FailureHistory(lambda: 0.0)
        commands = ConnectCommands(
            exits=self, directory=self, intent=Intent(store), store=store, failures=self.failures
        )
        self.commands = Commands(commands.handlers(), lambda: None)

    def get(self, name: str) -> object:
        if name != "default":
            raise NotFoundError("there is no such exit", field="exit")
        return self

    async def connect(self, exit_name: str, target: Target, *, asked: str | None = None) -> None:
        self.tried.append((target, asked))
        if target in self.silent:
            raise ConnectTimeoutError("no handshake")

    async def disconnect(self, exit_name: str) -> None:
        self.down.append(exit_name)

    async def resolve(self, provider: str, selector: str) -> tuple[Target, ...]:
        named = tuple(t for t in SERVERS if t.hostname == selector)
        return named or SERVERS


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with Store(tmp_path) as store:
        yield House(store)


async def test_a_server_is_connected_by_its_name(house: House) -> None:
    assert await house.commands.run(Connect(SERVERS[1].hostname)) == Done()
    assert house.tried == [(SERVERS[1], SERVERS[1].hostname)]
    assert house.store.settings.recent == (str(SERVERS[1]),)


async def test_of_a_place_the_first_that_answers_is_told(house: House) -> None:
    house.silent = {SERVERS[0]}
    assert await house.commands.run(Connect("Sweden")) == Done(server=SERVERS[1].hostname)
    assert house.tried == [(SERVERS[0], "Sweden"), (SERVERS[1], "Sweden")]
    assert house.failures.in_penalty(SERVERS[0])
    assert house.store.settings.recent == (str(SERVERS[1]),)


async def test_a_place_where_none_answers_is_given_up_after_a_few(house: House) -> None:
    house.silent = set(SERVERS)
    with pytest.raises(ConnectTimeoutError):
        await house.commands.run(Connect("Sweden"))
    assert [target for target, _ in house.tried] == list(SERVERS[:MAX_ATTEMPTS])
    assert house.store.settings.recent == ()


async def test_an_exit_that_is_not_there_is_refused_before_anything(house: House) -> None:
    with pytest.raises(NotFoundError):
        await house.commands.run(Connect("Sweden", exit="nowhere"))
    assert house.tried == []


async def test_a_disconnect_says_that_the_devices_are_blocked(house: House) -> None:
    done = await house.commands.run(Disconnect())
    assert (house.down, done.message) == (["default"], "Disconnected - No internet (killswitch active)")


async def test_nothing_is_carried_out_while_netd_restarts(house: House) -> None:
    def closed() -> None:
        raise ConflictError("restarting", code="restarting")

    commands = Commands((Disconnect.handled_by(house.commands.run),), closed)
    with pytest.raises(ConflictError):
        await commands.run(Disconnect())
    assert house.down == []
