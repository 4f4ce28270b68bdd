"""The egress of provider requests: its path, the openings during an exchange, and the events."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest

from app.addresses import Address
from app.model import ProviderSettings
from app.netd.provider_egress import ProviderEgress, environment
from app.network.plan import MARK_CLEAR, ExitPlan, TransportPeer, TunnelPlan, exit_mark
from app.protocol.events import GatewayEvent, ProviderContact
from app.providers.config import ApiConfig, ProvidersConfig
from app.store import Store
from app.tunnel.resolve import LookupFailedError

HERE = [ip_address("203.0.113.80"), ip_address("2001:db8::80")]
RESOLVERS = (ip_address("10.64.0.1"),)
MARK = exit_mark(3)


def tunnel(mark: int) -> ExitPlan:
    """An exit whose tunnel is up."""
    plan = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (), (ip_network("0.0.0.0/0"),), RESOLVERS)
    return ExitPlan("default", mark - exit_mark(0), active=plan)


@dataclass
class FakeNetwork:
    exit_plans: tuple[ExitPlan, ...] = (ExitPlan("default", 0),)
    open_now: list[tuple[TransportPeer, ...]] = field(default_factory=list)
    published: list[GatewayEvent] = field(default_factory=list)
    names: dict[str, list[Address]] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def allow_cleartext(self, peers: tuple[TransportPeer, ...]) -> AsyncGenerator[None, None]:
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
        self.published.append(event)


@pytest.fixture
def network() -> FakeNetwork:
    return FakeNetwork(names={"api.example": HERE})


@pytest.fixture
def egress(network: FakeNetwork) -> ProviderEgress:
    return ProviderEgress(network, network.publish)


async def test_egress_while_blocked_opens_exactly_the_peers(network: FakeNetwork, egress: ProviderEgress) -> None:
    assert await egress.lookup("api.example") == HERE
    async with egress.open_path(HERE, 443) as mark:
        assert mark == MARK_CLEAR
        assert network.open_now == [tuple(TransportPeer(address, 443) for address in HERE)]
    assert network.open_now == []
    with contextlib.suppress(TimeoutError):
        async with egress.open_path(HERE, 443):
            raise TimeoutError
    assert network.open_now == []
    assert egress.contacts == {"tunnel": 0, "clear": 2}
    assert network.published == [ProviderContact("clear", ("203.0.113.80", "2001:db8::80"), 443)] * 2


async def test_egress_through_the_tunnel_opens_nothing(
    network: FakeNetwork, egress: ProviderEgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, object, int]] = []

    async def inside(host: str, servers: object, *, want4: bool, want6: bool, mark: int) -> list[Address]:
        asked.append((host, servers, mark))
        return HERE

    monkeypatch.setattr("app.netd.provider_egress.lookup", inside)
    network.exit_plans = (tunnel(MARK),)
    network.names.clear()  # what is asked in the clear fails
    assert await egress.lookup("api.example") == HERE
    assert asked == [("api.example", RESOLVERS, MARK)]
    async with egress.open_path(HERE, 443) as mark:
        assert mark == MARK
        assert network.open_now == []
    assert egress.contacts == {"tunnel": 1, "clear": 0}


async def test_egress_lookup_of_unknown_name_raises_oserror(egress: ProviderEgress) -> None:
    with pytest.raises(OSError, match="cannot look up nowhere"):
        await egress.lookup("nowhere")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path)
    found.load()
    yield found
    found.close()


def test_environment_has_the_configured_apis_and_networks(store: Store, tmp_path: Path, egress: ProviderEgress) -> None:
    config = ProvidersConfig(
        apis={"mullvad": ApiConfig("https://lab.example")}, allowed_networks=(ip_network("198.51.100.0/24"),)
    )
    given = environment(store, tmp_path, egress, config)
    given.accounts.load()
    assert given.own_networks() == (store.settings.lan.address.network,)
    assert given.settings("mullvad") == ProviderSettings()
    assert given.apis == config.apis
    assert given.allowed_networks == config.allowed_networks
    assert given.lists.parent == tmp_path
