"""netd's gate for providers: which way, what is open meanwhile, and what is told of it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from app.addresses import Address
from app.model import ProviderSettings
from app.netd.gate import ProviderGate, environment
from app.network.plan import MARK_CLEAR, TransportPeer
from app.protocol.events import GatewayEvent, ProviderContact
from app.providers.config import ApiConfig, ProvidersConfig
from app.store import Store
from app.tunnel.resolve import LookupFailedError

HERE = [ip_address("203.0.113.80"), ip_address("2001:db8::80")]
RESOLVERS = (ip_address("10.64.0.1"),)


@dataclass
class FakeCore:
    tunnel: tuple[int, tuple[Address, ...]] | None = None
    open_now: list[tuple[TransportPeer, ...]] = field(default_factory=list)
    told: list[GatewayEvent] = field(default_factory=list)
    names: dict[str, list[Address]] = field(default_factory=dict)

    def tunnel_way(self) -> tuple[int, tuple[Address, ...]] | None:
        return self.tunnel

    @contextlib.asynccontextmanager
    async def clear_way(self, peers: tuple[TransportPeer, ...]) -> AsyncGenerator[None, None]:
        self.open_now.append(peers)
        try:
            yield
        finally:
            self.open_now.remove(peers)

    async def lookup(self, host: str) -> list[Address]:
        if host not in self.names:
            raise LookupFailedError(f"cannot look up {host}")
        return self.names[host]

    def publish(self, event: GatewayEvent) -> None:
        self.told.append(event)


@pytest.fixture
def core() -> FakeCore:
    return FakeCore(names={"api.example": HERE})


@pytest.fixture
def gate(core: FakeCore) -> ProviderGate:
    found = ProviderGate()
    found.attach(core, core.publish)
    return found


async def test_before_the_network_is_up_it_is_closed() -> None:
    gate = ProviderGate()
    with pytest.raises(OSError, match="not up yet"):
        await gate.lookup("api.example")
    with pytest.raises(OSError, match="not up yet"):
        async with gate.way_out(HERE, 443):
            pass


async def test_while_blocked_exactly_this_is_open_meanwhile(core: FakeCore, gate: ProviderGate) -> None:
    assert await gate.lookup("api.example") == HERE
    async with gate.way_out(HERE, 443) as mark:
        assert mark == MARK_CLEAR
        assert core.open_now == [tuple(TransportPeer(address, 443) for address in HERE)]
    assert core.open_now == []
    with contextlib.suppress(TimeoutError):
        async with gate.way_out(HERE, 443):
            raise TimeoutError
    assert core.open_now == []
    assert gate.contacts == {"tunnel": 0, "clear": 2}
    assert core.told == [ProviderContact("clear", ("203.0.113.80", "2001:db8::80"), 443)] * 2


async def test_through_the_tunnel_nothing_is_opened(
    core: FakeCore, gate: ProviderGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object, int]] = []

    async def inside(host: str, servers: object, *, want4: bool, want6: bool, mark: int) -> list[Address]:
        asked.append((host, servers, mark))
        return HERE

    monkeypatch.setattr("app.netd.gate.lookup", inside)
    core.tunnel = (0x100, RESOLVERS)
    core.names.clear()  # what is asked in the clear fails
    assert await gate.lookup("api.example") == HERE
    assert asked == [("api.example", RESOLVERS, 0x100)]
    async with gate.way_out(HERE, 443) as mark:
        assert mark == 0x100
        assert core.open_now == []
    assert gate.contacts == {"tunnel": 1, "clear": 0}


async def test_a_name_nobody_knows(gate: ProviderGate) -> None:
    with pytest.raises(OSError, match="cannot look up nowhere"):
        await gate.lookup("nowhere")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path)
    found.load()
    yield found
    found.close()


def test_what_netd_gives_its_providers(store: Store, tmp_path: Path, gate: ProviderGate) -> None:
    config = ProvidersConfig(
        apis={"mullvad": ApiConfig("https://lab.example")}, allowed_networks=(ip_network("198.51.100.0/24"),)
    )
    given = environment(store, tmp_path, gate, config)
    given.accounts.load()
    assert given.own_networks() == (store.settings.lan.address.network,)
    assert given.settings("mullvad") == ProviderSettings()
    assert given.apis == config.apis
    assert given.allowed_networks == config.allowed_networks
    assert given.lists.parent == tmp_path
