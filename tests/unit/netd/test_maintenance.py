"""Maintenance of providers: what is done when, in which order, and how failures are waited out."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from app import backoff, keys
from app.errors import ConnectTimeoutError
from app.model import ProviderSettings
from app.netd import maintenance
from app.netd.maintenance import ProviderMaintenance
from app.protocol.events import AccountChanged, GatewayEvent, ServersChanged
from app.providers.account_session import DAY
from app.providers.mullvad import MullvadProvider
from app.providers.registry import Registry
from app.store import Store
from tests.support.file_calls import blocking_file_calls
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES

MULLVAD = CASES[0]


@dataclass
class Exits:
    """One exit, on a server of ``provider``."""

    provider: MullvadProvider
    fails: bool = False
    used: list[str] = field(default_factory=list)  # public keys, in the order in which tunnels came up

    async def renew(self, provider: str) -> None:
        assert provider == self.provider.name
        if self.fails:
            raise ConnectTimeoutError("no handshake")
        config = await self.provider.tunnel(MULLVAD.hostname)
        self.used.append(keys.public_key(config.private_key))


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
async def kept(world: World):
    """(stand-in, provider, exits, maintenance, what it told), signed in, with one exit on it."""
    stand_in = await MULLVAD.start(world)
    store = Store(world.directory / "store")
    store.load()
    registry = Registry(store, world.environment())
    provider = registry.get("mullvad")
    assert isinstance(provider, MullvadProvider)
    await provider.sign_in(MULLVAD.good())
    exits = Exits(provider)
    told: list[GatewayEvent] = []
    now = world.environment().now
    found = ProviderMaintenance(registry, exits, told.append, now=now)
    yield stand_in, provider, exits, found, told
    store.close()
    await world.close()


async def test_the_first_list_comes_by_itself_and_then_nothing(world: World, kept) -> None:
    stand_in, provider, exits, found, told = kept
    await found.run_due_work()
    assert len(await provider.servers()) == 4
    assert told == [ServersChanged("mullvad", servers=4)]
    asked = len(stand_in.seen)
    await found.run_due_work()
    assert len(stand_in.seen) == asked
    assert exits.used == []


async def test_a_key_is_rotated_make_before_break(world: World, kept) -> None:
    stand_in, _, exits, found, told = kept
    await found.run_due_work()
    old = stand_in.peers()[0]["public_key"]
    world.ahead = 30.1 * DAY
    stand_in.accounts = dict.fromkeys(stand_in.accounts, world.environment().now() + 90 * DAY)
    exits.fails = True
    await found.run_due_work()
    registered = [p["public_key"] for p in stand_in.peers()]
    assert registered[0] == old  # the tunnel that is up still has it
    assert len(registered) == 2
    exits.fails = False
    await found.run_due_work()
    assert exits.used == []  # left alone for a while after the failure
    found._retry_at.clear()
    await found.run_due_work()
    assert exits.used == [registered[1]]
    assert [p["public_key"] for p in stand_in.peers()] == [registered[1]]
    assert AccountChanged("mullvad", rotated=True) in told
    found._retry_at.clear()
    await found.run_due_work()
    assert exits.used == [registered[1]]


async def test_failures_are_waited_out_ever_longer(world: World, kept, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in, _, _, found, _ = kept
    monkeypatch.setattr(backoff.random, "uniform", lambda *_: 0.0)
    stand_in.status = 500
    waits = []
    clock = maintenance.time.monotonic()
    monkeypatch.setattr(maintenance.time, "monotonic", lambda: clock)
    for _ in range(8):
        asked = len(stand_in.seen)
        await found.run_due_work()
        assert len(stand_in.seen) > asked
        waits.append(round(found._retry_at["mullvad"] - clock))
        asked = len(stand_in.seen)
        await found.run_due_work()
        assert len(stand_in.seen) == asked
        clock = found._retry_at["mullvad"] + 1
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600]
    stand_in.status = None
    await found.run_due_work()
    assert "mullvad" not in found._failures


async def test_an_account_that_ran_out_is_told_once_a_day(world: World, kept) -> None:
    stand_in, _, _, found, told = kept
    await found.run_due_work()
    stand_in.expired = True
    world.ahead = 1.1 * DAY
    await found.run_due_work()
    assert AccountChanged("mullvad", "account_expired", 0) in told
    count = len(told)
    await found.run_due_work()
    assert len(told) == count


async def test_a_list_is_read_and_written_while_the_loop_goes_on(world: World, kept, tmp_path) -> None:
    stand_in, _, exits, *_ = kept
    store = Store(tmp_path / "store")
    store.load()
    registry = Registry(store, world.environment())  # after a restart: nothing has been read yet
    world.ahead = 0.5 * DAY
    asked = stand_in.count("GET", "/www/relays/wireguard/")
    with blocking_file_calls(world.directory / "state" / "relays") as found:
        await ProviderMaintenance(registry, exits, lambda _: None, now=world.environment().now).run_due_work()
    assert found == []
    assert stand_in.count("GET", "/www/relays/wireguard/") == asked + 1


async def test_a_list_that_nobody_needs_stays_on_the_disk(world: World, tmp_path) -> None:
    store = Store(tmp_path / "store")
    store.load()
    registry = Registry(store, world.environment())
    provider = registry.get("mullvad")
    assert isinstance(provider, MullvadProvider)
    await ProviderMaintenance(registry, Exits(provider), lambda _: None, now=world.environment().now).run_due_work()
    assert not provider._servers._loaded


async def test_without_an_account_nobody_is_contacted(world: World, tmp_path) -> None:
    await MULLVAD.start(world)
    store = Store(tmp_path / "store")
    store.load()
    registry = Registry(store, world.environment())
    world.settings = ProviderSettings(rotate_days=1)
    provider = registry.get("mullvad")
    assert isinstance(provider, MullvadProvider)
    await ProviderMaintenance(registry, Exits(provider), lambda *_: None, now=world.environment().now).run_due_work()
    assert world.outgoing.opened == []
    store.close()
    await world.close()
