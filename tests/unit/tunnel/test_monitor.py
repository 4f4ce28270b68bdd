"""The monitor of a connected tunnel: what ends the tunnel, and when its path is probed."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface, ip_network
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from app.model import Links, WanLink
from app.network.plan import TransportPeer, TunnelPlan
from app.network.wireguard.types import DeviceStats, PeerStats
from app.tunnel.health import DEAD_AFTER
from app.tunnel.monitor import TunnelMonitor
from app.tunnel.states import Reason, Target, Tunnel

RESOLVER = ip_address("10.0.0.1")
IN_USE = ip_address("10.0.0.3")  # of the exit's resolvers, the one that answers
PLAN = TunnelPlan("a", (ip_interface("10.0.0.2/32"),), 1420, (), (ip_network("0.0.0.0/0"),), (RESOLVER,))
TUNNEL = Tunnel(
    Target("custom", "se"), PLAN, "server", TransportPeer(ip_address("198.51.100.7"), 51820), probes=(RESOLVER,)
)
WAN = WanLink("wan0", True, 1500, (ip_interface("192.168.1.20/24"),), ip_address("192.168.1.1"))


class Bench:
    """A monitor with a clock, links and counters that a test sets."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.tx = 100
        self.probe_bytes = 80
        self.links = Links(wan=WAN, lan=())
        self.refreshed: list[Tunnel] = []
        self.probes: list[tuple[object, ...]] = []
        monkeypatch.setattr("app.tunnel.monitor.boottime", lambda: self.now)
        monkeypatch.setattr("app.tunnel.monitor.probe.send", self.send)
        self.tunnel = TUNNEL
        setup = SimpleNamespace(
            name="default", refresh_endpoints=self.refresh_endpoints, interface=lambda _: "vpn0a", mark=0x100
        )
        self.monitor = TunnelMonitor(setup, self)

    def send(self, *args: object) -> None:
        self.probes.append(args)
        self.tx += self.probe_bytes

    async def refresh_endpoints(self, tunnel: Tunnel) -> None:
        self.refreshed.append(tunnel)

    def resolvers(self, exit_name: str):
        assert exit_name == "default"
        return (IN_USE,)

    async def check(self, event: Reason | None = None, key: str = "server"):
        stats = DeviceStats(1, 1, (PeerStats(key, None, 1.0, 500, self.tx),))
        return await self.monitor.check(self.tunnel, stats, event)

    async def ends_with(self) -> tuple[Reason, float]:
        """The reason that ends a tunnel whose server no longer answers, and the seconds until then."""
        start = self.now
        while (failure := await self.check()) is None:
            self.now += 1.0
            self.tx += 100
            assert self.now - start < 60
        return failure.reason, self.now - start


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


async def test_monitor_without_interface_or_peer_reports_tunnel_lost(bench: Bench) -> None:
    assert await bench.check() is None
    for failure in (
        await bench.monitor.check(TUNNEL, None, None),
        await bench.check(key="another"),
        await bench.check(Reason.TUNNEL_LOST),
    ):
        assert failure is not None
        assert failure.reason is Reason.TUNNEL_LOST


async def test_monitor_after_a_wan_change_probes_the_new_path(bench: Bench) -> None:
    assert await bench.check() is None
    assert (bench.refreshed, bench.probes) == ([], [])
    assert await bench.check(Reason.WAN_DOWN) is None
    assert (bench.refreshed, bench.probes) == ([TUNNEL], [("vpn0a", 0x100, (RESOLVER,))])


async def test_monitor_of_a_silent_server_reports_tunnel_dead(bench: Bench) -> None:
    reason, seconds = await bench.ends_with()
    assert reason is Reason.TUNNEL_DEAD
    assert DEAD_AFTER <= seconds <= 20
    assert len(bench.probes) >= 2


async def test_monitor_of_silent_server_without_wan_reports_wan_down(bench: Bench) -> None:
    bench.links = Links(wan=replace(WAN, up=False), lan=())
    reason, seconds = await bench.ends_with()
    assert reason is Reason.WAN_DOWN
    assert seconds < DEAD_AFTER


async def test_monitor_after_reset_starts_with_a_healthy_tunnel(bench: Bench) -> None:
    await bench.ends_with()
    bench.monitor.reset()
    assert await bench.check() is None


async def test_monitor_of_an_idle_split_tunnel_lets_it_be(bench: Bench) -> None:
    """Its probes cannot be sent: no packet left, so nobody failed to answer."""
    bench.probe_bytes = 0
    for _ in range(600):
        bench.now += 1.0
        bench.tx += 32 if bench.now % 25 == 0 else 0
        assert await bench.check() is None
    assert len(bench.probes) > 100


async def test_tunnel_without_targets_is_probed_at_resolvers_in_use(bench: Bench) -> None:
    bench.tunnel = replace(TUNNEL, probes=())
    await bench.check()
    await bench.check(Reason.WAN_DOWN)
    assert [set(addresses) for _, _, addresses in bench.probes] == [{IN_USE}]
