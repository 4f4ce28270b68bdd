"""The commands connect and disconnect: a server by its name, or the first that answers in a place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import ConflictError, ConnectTimeoutError, NotFoundError
from app.netd.commands import Commands
from app.netd.connect_commands import MAX_ATTEMPTS, ConnectCommands
from app.netd.intent import Intent
from app.netd.protocols import Choice
from app.netd.unproven_keys import KeyUnprovenError
from app.protocol.answers import Done
from app.protocol.commands import Connect, Disconnect
from app.store import Store
from app.tunnel.failure_history import FailureHistory
from app.tunnel.states import Target

SERVERS = tuple(Target("mullvad", f"se-sto-wg-00{n}") for n in range(1, 6))


class Fakes:
    """Exits and a directory that knows one place; servers in ``silent`` never answer."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.silent: set[Target] = set()
        self.taken: set[Target] = set()
        self.waits = True
        self.rests_after = MAX_ATTEMPTS
        self.tried: list[tuple[Target, str | None]] = []
        self.down: list[str] = []
        self.failures = FailureHistory(lambda: 0.0)
        commands = ConnectCommands(
            exits=self, servers=self, waiting=self, intent=Intent(store), failures=self.failures, keys=self
        )
        self.commands = Commands(commands.handlers(), lambda: None)

    def get(self, name: str) -> object:
        if name != "default":
            raise NotFoundError("there is no such exit", field="exit")
        return self

    async def connect(self, exit_name: str, target: Target, *, asked: str | None = None) -> None:
        self.tried.append((target, asked))
        if target in self.taken:
            raise ConflictError("another exit uses it", code="server_in_use")
        if target in self.silent:
            raise ConnectTimeoutError("no handshake")

    def problem(self, target: Target) -> KeyUnprovenError | None:
        return KeyUnprovenError("not proven") if len(self.tried) >= self.rests_after else None

    async def disconnect(self, exit_name: str) -> None:
        self.down.append(exit_name)

    async def resolve(self, exit_name: str, selector: str, provider: str | None = None) -> Choice:
        named = tuple(t for t in SERVERS if t.hostname == selector)
        return Choice(selector, named or SERVERS)

    async def own(self, exit_name: str) -> Choice:
        return Choice("Sweden", SERVERS)

    def forget(self, exit_name: str) -> bool:
        waited, self.waits = self.waits, False
        return waited

    def add(self, exit_name: str) -> None:
        self.waits = True


@pytest.fixture
def fakes(tmp_path: Path) -> Iterator[Fakes]:
    with Store(tmp_path) as store:
        yield Fakes(store)


async def test_connect_by_name_uses_that_server(fakes: Fakes) -> None:
    assert await fakes.commands.run(Connect(SERVERS[1].hostname)) == Done()
    assert fakes.tried == [(SERVERS[1], SERVERS[1].hostname)]
    assert fakes.store.settings.recent == (str(SERVERS[1]),)


async def test_connect_to_place_names_the_first_that_answers(fakes: Fakes) -> None:
    fakes.silent = {SERVERS[0]}
    assert await fakes.commands.run(Connect("Sweden")) == Done(server=SERVERS[1].hostname)
    assert fakes.tried == [(SERVERS[0], "Sweden"), (SERVERS[1], "Sweden")]
    assert fakes.failures.in_penalty(SERVERS[0])
    assert fakes.store.settings.recent == (str(SERVERS[1]),)


async def test_connect_to_silent_place_fails_after_max_attempts(fakes: Fakes) -> None:
    fakes.silent, fakes.rests_after = set(SERVERS), MAX_ATTEMPTS + 1
    with pytest.raises(ConnectTimeoutError):
        await fakes.commands.run(Connect("Sweden"))
    assert [target for target, _ in fakes.tried] == list(SERVERS[:MAX_ATTEMPTS])
    assert fakes.store.settings.recent == ()


async def test_place_goes_on_after_a_server_that_another_took(fakes: Fakes) -> None:
    """Two requests for one place at one moment choose the same server first."""
    fakes.taken.add(SERVERS[0])
    assert await fakes.commands.run(Connect("Sweden")) == Done(server=SERVERS[1].hostname)
    assert not fakes.waits


async def test_refused_connect_leaves_an_exit_waiting(fakes: Fakes) -> None:
    """Whether the exit would connect by itself is no matter of a request that changes nothing."""
    fakes.taken.add(SERVERS[0])
    for waits in (True, False):
        fakes.waits = waits
        with pytest.raises(ConflictError):
            await fakes.commands.run(Connect(SERVERS[0].hostname))
        assert fakes.waits is waits
    assert fakes.store.settings.recent == ()


async def test_connect_of_unknown_exit_is_refused_first(fakes: Fakes) -> None:
    with pytest.raises(NotFoundError):
        await fakes.commands.run(Connect("Sweden", exit="nowhere"))
    assert fakes.tried == []


async def test_disconnect_answers_that_devices_are_blocked(fakes: Fakes) -> None:
    done = await fakes.commands.run(Disconnect())
    assert (fakes.down, done.message) == (["default"], "Disconnected - No internet (killswitch active)")


async def test_commands_during_restart_are_refused(fakes: Fakes) -> None:
    def closed() -> None:
        raise ConflictError("restarting", code="restarting")

    commands = Commands((Disconnect.handled_by(fakes.commands.run),), closed)
    with pytest.raises(ConflictError):
        await commands.run(Disconnect())
    assert fakes.down == []


async def test_place_is_not_gone_through_with_an_unproven_key(fakes: Fakes) -> None:
    fakes.silent, fakes.rests_after = set(SERVERS), 2
    with pytest.raises(KeyUnprovenError):
        await fakes.commands.run(Connect("Sweden"))
    assert [target for target, _ in fakes.tried] == list(SERVERS[:2])
