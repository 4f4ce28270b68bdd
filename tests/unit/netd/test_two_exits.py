"""Two exits with one key never come to use one server, whoever chooses it, and at whatever moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.errors import ConflictError, ConnectTimeoutError
from app.exit_changes import with_exit
from app.model import ExitSettings, Server, TunnelConfig
from app.netd.exits import Exits
from app.netd.failover import Failover
from app.netd.server_judge import ServerJudge
from app.network.wireguard.types import DeviceStats, PeerStats
from app.providers.client_keys import ClientKeys
from app.store import Store
from app.tunnel import backoff
from app.tunnel.failure_history import FailureHistory
from app.tunnel.states import Connected, Disconnected, Target
from tests.unit.netd.test_exits import CONFIG, OWN, A, B, C, Fakes, until

FILE = Target("imported", "a")  # with the key of A's provider, for the same server
LISTED = tuple(Server(t.hostname, t.provider, "Sweden", "Malmö") for t in (A, B, C))


class Servers(Fakes):
    """Each server has a key of its own, which the provider and a file know alike."""

    def get(self, name: str) -> object:
        made = super().get(name)

        async def config(hostname: str) -> TunnelConfig:
            self.dialled.append(Target(name, hostname))
            return replace(CONFIG, peers=(replace(CONFIG.peers[0], public_key=hostname),))

        made.tunnel = config
        made.client_keys = lambda hostname: ClientKeys(OWN.public_key, frozenset((hostname,)))
        return made

    async def stats(self, name: str) -> DeviceStats:
        silent = {target.hostname for target in self.silent}
        return DeviceStats(
            1, 1, tuple(PeerStats(t.hostname, None, None if t.hostname in silent else 1.0, 1, 1) for t in (A, B, C))
        )


@pytest.fixture
async def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Fakes]:
    monkeypatch.setattr(backoff, "handshake_timeout", lambda _: 0.05)
    with Store(tmp_path) as store:
        store.update_settings(lambda s: with_exit(replace(s, exit_check_url=None), ExitSettings("tv")))
        yield Servers(store, tmp_path)


@pytest.fixture
async def exits(fakes: Fakes) -> AsyncIterator[Exits]:
    made = fakes.exits()
    tasks = [asyncio.create_task(machine.run()) for machine in made.machines]
    async with asyncio.timeout(10):
        yield made
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def assert_nothing_changed(fakes: Fakes, exits: Exits, name: str) -> None:
    """The exit is as if nothing had ever been asked of it."""
    assert isinstance(exits.get(name).state, Disconnected)
    assert (exits.get(name).goal, fakes.intent.goal(name)) == (None, None)
    assert [move for move in fakes.moves if move.exit == name] == []


@pytest.mark.parametrize("second", [A, FILE], ids=["one-server", "its-file"])
async def test_one_of_two_connects_at_once_is_refused(fakes: Fakes, exits: Exits, second: Target) -> None:
    answers = await asyncio.gather(exits.connect("default", A), exits.connect("tv", second), return_exceptions=True)
    (refused,) = [answer for answer in answers if answer is not None]
    assert isinstance(refused, ConflictError)
    assert refused.code == "server_in_use"
    won, lost = ("default", "tv") if answers[1] is refused else ("tv", "default")
    assert f"exit {won} uses a" in refused.message
    assert isinstance(exits.get(won).state, Connected)
    assert_nothing_changed(fakes, exits, lost)


@pytest.mark.parametrize("wanted", [A, FILE], ids=["one-server", "its-file"])
@pytest.mark.parametrize("silent", [False, True], ids=["tunnel", "no-tunnel"])
async def test_server_of_a_goal_is_refused(fakes: Fakes, exits: Exits, wanted: Target, silent: bool) -> None:
    if silent:
        fakes.silent.add(A)
        with pytest.raises(ConnectTimeoutError):
            await exits.connect("default", A)
    else:
        await exits.connect("default", A)
    with pytest.raises(ConflictError) as caught:
        await exits.connect("tv", wanted)
    assert caught.value.code == "server_in_use"
    assert_nothing_changed(fakes, exits, "tv")


async def test_refused_switch_keeps_tunnel_and_goal(fakes: Fakes, exits: Exits) -> None:
    await exits.connect("default", A)
    await exits.connect("tv", B, asked="Sweden")
    state, goal = exits.get("tv").state, fakes.intent.goal("tv")
    for target in (A, FILE):
        with pytest.raises(ConflictError):
            await exits.connect("tv", target)
        with pytest.raises(ConflictError):
            await exits.switch("tv", target, "scheduled")
    assert (exits.get("tv").state, fakes.intent.goal("tv")) == (state, goal)


class Lists:
    """The servers of all providers; :attr:`gate` holds back who asks for them."""

    def __init__(self) -> None:
        self.asked, self.gate = asyncio.Event(), asyncio.Event()

    async def list(self, provider: str) -> tuple[Server, ...]:
        self.asked.set()
        await self.gate.wait()
        return LISTED if provider == "mullvad" else ()


@pytest.fixture
def lists(fakes: Fakes, exits: Exits) -> Lists:
    """The exits with the real failover in place of the fakes'."""
    made = Lists()
    failover = Failover(
        providers=fakes,
        directory=made,
        intent=fakes.intent,
        store=fakes.store,
        failures=FailureHistory(lambda: 0.0),
        unproven=fakes.keys,
        uses=ServerJudge(fakes.store, fakes.intent, fakes.claims, fakes),
        publish=fakes.published.append,
    )
    fakes.advise = failover.advise
    return made


@pytest.mark.parametrize("taken", [B, Target("imported", "b")], ids=["one-server", "its-file"])
async def test_failover_heeds_a_connect_meanwhile(fakes: Fakes, exits: Exits, lists: Lists, taken: Target) -> None:
    """The connect takes the server that the failover would have chosen."""
    fakes.silent.add(A)
    first = asyncio.create_task(exits.connect("default", A))
    await lists.asked.wait()
    await exits.connect("tv", taken)
    lists.gate.set()
    await asyncio.gather(first, return_exceptions=True)
    await until(lambda: isinstance(exits.get("default").state, Connected))
    assert exits.goals() == {"default": C, "tv": taken}


@pytest.mark.parametrize("wanted", [B, Target("imported", "b")], ids=["one-server", "its-file"])
async def test_connect_heeds_a_failover(fakes: Fakes, exits: Exits, lists: Lists, wanted: Target) -> None:
    """The failover has chosen a server, to which there is no tunnel yet."""
    fakes.silent |= {A, B, C}
    lists.gate.set()
    first = asyncio.create_task(exits.connect("default", A))
    await until(lambda: exits.get("default").goal == B)
    with pytest.raises(ConflictError) as caught:
        await exits.connect("tv", wanted)
    assert caught.value.code == "server_in_use"
    assert_nothing_changed(fakes, exits, "tv")
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
