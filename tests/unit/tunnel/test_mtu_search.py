"""The search for the largest packet that passes, and what is remembered of a path."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_interface, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from app.model import WanLink
from app.network.plan import TransportPeer, TunnelPlan
from app.tunnel import path_mtu, sized_query
from app.tunnel.mtu_search import STEP, largest_that_passes
from app.tunnel.path_mtu import PathMtu
from app.tunnel.states import Blocked, Connected, Reason, Target, Tunnel
from app.tunnel.tunnel_setup import with_mtu

RESOLVER = ip_address("10.64.0.1")
PLAN = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (), (ip_network("0.0.0.0/0"),), (RESOLVER,))
TUNNEL = Tunnel(Target("custom", "se"), PLAN, "server", TransportPeer(ip_address("198.51.100.7"), 51820))
WAN = WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),), ip_address("192.168.1.1"))


class Path:
    """A path that carries ``limit`` bytes; ``answers`` says for how many packets anybody answers at all."""

    def __init__(self, limit: int, answers: int = 1000) -> None:
        self.limit = limit
        self.answers = answers
        self.sizes: list[int] = []

    async def passes(self, size: int) -> bool:
        self.sizes.append(size)
        return len(self.sizes) <= self.answers and size <= self.limit


@settings(deadline=None)  # a busy machine is not slow code
@given(st.integers(1280, 1500), st.integers(1280, 1500))
def test_search_ends_within_a_step_below_the_limit(limit, high):
    path = Path(limit)
    found = asyncio.run(largest_that_passes(1280, high, path.passes))
    assert found is not None
    assert found <= min(limit, high)
    assert found == high or found > min(limit, high) - STEP - 1
    assert len(path.sizes) < 25


async def test_path_that_carries_all_is_asked_twice():
    path = Path(1500)
    assert await largest_that_passes(1280, 1420, path.passes) == 1420
    assert path.sizes == [1280, 1420]


async def test_search_without_a_positive_control_finds_nothing():
    assert await largest_that_passes(1280, 1420, Path(1200).passes) is None


@pytest.mark.parametrize("answers", range(1, 9))
async def test_path_that_falls_silent_lowers_nothing(answers):
    """A large packet counts as lost only while a small one is answered."""
    assert await largest_that_passes(1280, 1420, Path(1350, answers).passes) is None


@pytest.mark.parametrize(("size", "version"), [(1280, 4), (1420, 4), (1280, 6), (1500, 6)])
def test_query_has_exactly_the_size(size, version):
    assert len(sized_query.sized_query(size, version)) + 8 + {4: 20, 6: 40}[version] == size


# --- What is remembered ----------------------------------------------------------------------------------------------


class Bench:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
        self.wan = WAN
        self.path = Path(limit)
        monkeypatch.setattr(path_mtu, "RETRY_DELAY", 0.0)
        monkeypatch.setattr(sized_query, "passes", lambda *args: self.path.passes(args[-1]))
        self.paths = PathMtu("default", 0x100, lambda: self.wan)

    async def connect(self, tunnel: Tunnel = TUNNEL, since: float = 1.0) -> None:
        """Connect, and wait for the end of the search."""
        self.path.sizes.clear()
        self.paths.on_state(Connected(tunnel, since, since), "wg0a")
        if self.paths._task is not None:
            await asyncio.gather(self.paths._task, return_exceptions=True)


async def test_path_is_searched_once_for_each_connection(monkeypatch):
    bench = Bench(monkeypatch, 1352)
    await bench.connect()
    assert bench.paths.found(TUNNEL) == 1352
    lowered = with_mtu(TUNNEL, 1352, "found")
    asked = len(bench.path.sizes)
    bench.paths.on_state(Connected(lowered, 1.0, 1.0), "wg0a")
    assert len(bench.path.sizes) == asked
    await bench.connect(lowered, since=2.0)
    assert bench.path.sizes == []


async def test_search_never_ends_below_what_passed_before(monkeypatch):
    bench = Bench(monkeypatch, 1420)
    await bench.connect()
    assert bench.paths.found(TUNNEL) == 1420
    bench.path = Path(1300)  # a bad moment of the same path
    await bench.connect(since=2.0)
    assert bench.paths.found(TUNNEL) == 1420


async def test_another_wan_or_server_is_another_path(monkeypatch):
    bench = Bench(monkeypatch, 1352)
    await bench.connect()
    bench.wan = replace(WAN, gateway4=ip_address("10.0.0.1"))
    assert bench.paths.found(TUNNEL) is None
    bench.wan = WAN
    other = replace(TUNNEL, endpoint=TransportPeer(ip_address("198.51.100.8"), 51820))
    assert bench.paths.found(other) is None


@pytest.mark.parametrize("tunnel", [with_mtu(TUNNEL, 1420, "provider"), replace(TUNNEL, plan=replace(PLAN, dns=()))])
async def test_fixed_mtu_or_no_resolver_means_no_search(monkeypatch, tunnel):
    bench = Bench(monkeypatch, 1352)
    await bench.connect(tunnel)
    assert bench.path.sizes == []


async def test_tunnel_that_ends_ends_its_search(monkeypatch):
    bench = Bench(monkeypatch, 1352)
    bench.paths.on_state(Connected(TUNNEL, 1.0, 1.0), "wg0a")
    task = bench.paths._task
    assert task is not None
    bench.paths.on_state(Blocked(Reason.TUNNEL_DEAD, "", TUNNEL.target), None)
    with pytest.raises(asyncio.CancelledError):
        await task
