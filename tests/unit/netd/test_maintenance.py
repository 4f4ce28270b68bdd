"""The maintenance of providers: which work is due, in which order, and the back-off after failures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app import backoff, keys
from app.errors import ConnectTimeoutError
from app.model import ProviderSettings
from app.netd import maintenance
from app.netd.maintenance import ProviderMaintenance
from app.protocol.events import AccountChanged, GatewayEvent, ServersChanged
from app.providers.account_provider import SignInProvider
from app.providers.account_session import DAY
from app.providers.hideme import HideMeProvider
from app.providers.hideme_sessions import STARTING
from app.providers.mullvad import MullvadProvider
from app.providers.registry import Registry
from app.store import Store
from tests.support.file_calls import blocking_file_calls
from tests.support.providers.world import World
from tests.unit.providers.cases import CASES

MULLVAD = CASES[0]
HIDEME = next(case for case in CASES if case.name == "hideme")


@dataclass
class Exits:
    """One exit, on a server of ``provider``."""

    provider: SignInProvider
    fails: bool = False
    proven: bool = True
    used: list[str] = field(default_factory=list)  # public keys, in the order in which tunnels came up

    async def renew(self, provider: str) -> bool:
        assert provider == self.provider.name
        if self.fails:
            raise ConnectTimeoutError("no handshake")
        config = await self.provider.tunnel(MULLVAD.hostname)
        self.used.append(keys.public_key(config.private_key))
        return self.proven

    def servers_in_use(self, provider: str) -> frozenset[str]:
        return frozenset({"se-2"} if provider == "hideme" else ())


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
async def kept(world: World):
    """Stand-in, provider, exits, maintenance and its events; signed in, with one exit on the provider."""
    stand_in = await MULLVAD.start(world)
    store = Store(world.directory / "store")
    store.load()
    registry = Registry(store, world.environment())
    provider = registry.get("mullvad")
    assert isinstance(provider, MullvadProvider)
    await provider.sign_in(MULLVAD.good())
    exits = Exits(provider)
    published: list[GatewayEvent] = []
    now = world.environment().now
    found = ProviderMaintenance(registry, exits, published.append, now=now)
    yield stand_in, provider, exits, found, published
    store.close()
    await world.close()


async def test_first_list_is_fetched_once(world: World, kept) -> None:
    stand_in, provider, exits, found, published = kept
    await found.run_due_work()
    assert len(await provider.servers()) == 4
    assert published == [ServersChanged("mullvad", servers=4)]
    asked = len(stand_in.seen)
    await found.run_due_work()
    assert len(stand_in.seen) == asked
    assert exits.used == []


async def test_key_rotation_is_make_before_break(world: World, kept) -> None:
    stand_in, _, exits, found, published = kept
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
    assert AccountChanged("mullvad", rotated=True) in published
    found._retry_at.clear()
    await found.run_due_work()
    assert exits.used == [registered[1]]


async def test_older_key_is_not_removed_before_the_new_one_is_proven(world: World, kept) -> None:
    stand_in, _, exits, found, _ = kept
    await found.run_due_work()
    world.ahead = 30.1 * DAY
    stand_in.accounts = dict.fromkeys(stand_in.accounts, world.environment().now() + 90 * DAY)
    exits.proven = False
    await found.run_due_work()
    await found.run_due_work()
    assert len(stand_in.peers()) == 2
    exits.proven = True
    await found.run_due_work()
    assert len(stand_in.peers()) == 1


async def test_failures_back_off_exponentially(world: World, kept, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_expired_account_is_published_once_a_day(world: World, kept) -> None:
    stand_in, _, _, found, published = kept
    await found.run_due_work()
    stand_in.expired = True
    world.ahead = 1.1 * DAY
    await found.run_due_work()
    assert AccountChanged("mullvad", "account_expired", 0) in published
    count = len(published)
    await found.run_due_work()
    assert len(published) == count


async def test_list_files_are_accessed_off_the_event_loop(world: World, kept, tmp_path) -> None:
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


async def test_list_without_account_is_not_loaded(world: World, tmp_path) -> None:
    store = Store(tmp_path / "store")
    store.load()
    registry = Registry(store, world.environment())
    provider = registry.get("mullvad")
    assert isinstance(provider, MullvadProvider)
    await ProviderMaintenance(registry, Exits(provider), lambda _: None, now=world.environment().now).run_due_work()
    assert not provider._servers._loaded


async def test_provider_without_account_is_not_contacted(world: World, tmp_path) -> None:
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


async def test_sessions_at_servers_that_no_exit_uses_are_ended(world: World, tmp_path: Path) -> None:
    """hide.me counts a session against the account's limit until it is ended."""
    stand_in = await HIDEME.start(world)
    store = Store(tmp_path)
    store.load()
    registry = Registry(store, world.environment())
    provider = registry.get("hideme")
    assert isinstance(provider, HideMeProvider)
    await provider.sign_in(HIDEME.good())
    await provider.refresh()
    for server in ("se", "se-2"):
        await provider.tunnel(server)
    world.ahead = STARTING + 1
    found = ProviderMaintenance(registry, Exits(provider), lambda _: None, now=world.environment().now)
    await found.run_due_work()
    assert [session.host for session in stand_in.sessions.values()] == ["se-2"]
    store.close()
    await world.close()
