"""The measurement of latency on real loopback sockets: candidates, results, and the rate limit."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket

import pytest

from app.model import Server
from app.netd import server_latency
from app.netd.server_latency import MAX_CANDIDATES, ServerLatencies, candidates
from app.network.plan import TransportPeer
from app.tunnel.states import Target


def server(hostname, city, ipv4="127.0.0.1", **more):
    return Server(hostname, "p", "Sweden", city, ipv4, **more)


class FakeAllowlist:
    """A cleartext allowlist without a firewall, which records its openings."""

    def __init__(self):
        self.opened = []
        self.open = False

    @contextlib.asynccontextmanager
    async def allow_cleartext(self, peers):
        self.opened.append(peers)
        self.open = True
        try:
            yield
        finally:
            self.open = False


@pytest.fixture
def listener(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(server_latency, "PORT", listening.getsockname()[1])
        yield listening


def test_candidates_are_few_and_first_one_of_each_city():
    many = [server(f"sto-{n}", "Stockholm", load=float(n)) for n in range(30)] + [server("mma-0", "Malmö", load=99.0)]
    chosen = candidates(many, random.Random(1))
    assert len(chosen) == MAX_CANDIDATES
    assert list(chosen)[:2] == [Target("p", "sto-0"), Target("p", "mma-0")]


def test_candidates_exclude_unusable_servers():
    none = [server("a", "A", ipv4=None), server("b", "B", missing=("account",))]
    assert candidates(none, random.Random(1)) == {}


async def test_measure_counts_acceptance_and_refusal(listener):
    allowlist = FakeAllowlist()
    latencies = ServerLatencies(allowlist)
    await latencies.measure([server("accepts", "A"), server("refuses", "B", ipv4="127.0.0.2")])
    found = latencies.measured("p")
    assert found.keys() == {"accepts", "refuses"}
    assert all(0 <= ms < 1000 for ms in found.values())
    assert not allowlist.open
    assert {str(peer.address) for peer in allowlist.opened[0]} == {"127.0.0.1", "127.0.0.2"}
    assert all(isinstance(peer, TransportPeer) and peer.port == server_latency.PORT for peer in allowlist.opened[0])


async def test_measure_is_rate_limited_and_skips_known_servers(listener):
    allowlist = FakeAllowlist()
    latencies = ServerLatencies(allowlist)
    await latencies.measure([server("a", "A")])
    await latencies.measure([server("b", "B")])
    assert len(allowlist.opened) == 1, "a second round so soon"
    latencies._last -= server_latency.MIN_INTERVAL  # time passes
    await latencies.measure([server("a", "A")])
    assert len(allowlist.opened) == 1, "measured a moment ago"
    assert latencies.measured("other") == {}


async def test_measure_of_silent_server_times_out(listener, monkeypatch):
    monkeypatch.setattr(server_latency, "TIMEOUT", 0.2)
    with contextlib.ExitStack() as stack:
        # A listener whose queue is full answers no SYN: silence without leaving the loopback.
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.3", server_latency.PORT))
        full.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.3", server_latency.PORT))
        latencies = ServerLatencies(FakeAllowlist())
        async with asyncio.timeout(30):  # the kernel would go on for two minutes
            await latencies.measure([server("silent", "A", ipv4="127.0.0.3")])
        assert latencies.measured("p") == {}
