"""Which servers are measured, how, and how seldom; against real sockets of the loopback."""

from __future__ import annotations

import contextlib
import random
import socket
import time

import pytest

from app.model import Server
from app.netd import server_latency
from app.netd.server_latency import MAX_CANDIDATES, ServerLatencies, candidates
from app.network.plan import TransportPeer
from app.tunnel.states import Target


def server(hostname, city, ipv4="127.0.0.1", **more):
    return Server(hostname, "p", "Sweden", city, ipv4, **more)


class Door:
    """The network's controller without a firewall; tells what was opened."""

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


def test_a_few_servers_and_from_every_city_one_first():
    many = [server(f"sto-{n}", "Stockholm", load=float(n)) for n in range(30)] + [server("mma-0", "Malmö", load=99.0)]
    chosen = candidates(many, random.Random(1))
    assert len(chosen) == MAX_CANDIDATES
    assert list(chosen)[:2] == [Target("p", "sto-0"), Target("p", "mma-0")]


def test_who_cannot_be_connected_or_has_no_address_is_not_asked():
    none = [server("a", "A", ipv4=None), server("b", "B", missing=("account",))]
    assert candidates(none, random.Random(1)) == {}


async def test_acceptance_and_refusal_both_measure(listener):
    door = Door()
    latencies = ServerLatencies(door)
    await latencies.measure([server("accepts", "A"), server("refuses", "B", ipv4="127.0.0.2")])
    found = latencies.measured("p")
    assert found.keys() == {"accepts", "refuses"}
    assert all(0 <= ms < 1000 for ms in found.values())
    assert not door.open
    assert {str(peer.address) for peer in door.opened[0]} == {"127.0.0.1", "127.0.0.2"}
    assert all(isinstance(peer, TransportPeer) and peer.port == server_latency.PORT for peer in door.opened[0])


async def test_rounds_are_seldom_and_what_is_known_is_not_asked_again(listener):
    door = Door()
    latencies = ServerLatencies(door)
    await latencies.measure([server("a", "A")])
    await latencies.measure([server("b", "B")])
    assert len(door.opened) == 1, "a second round so soon"
    latencies._last -= server_latency.MIN_INTERVAL  # time passes
    await latencies.measure([server("a", "A")])
    assert len(door.opened) == 1, "measured a moment ago"
    assert latencies.measured("other") == {}


async def test_silence_is_not_waited_for(listener, monkeypatch):
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
        latencies = ServerLatencies(Door())
        begun = time.monotonic()
        await latencies.measure([server("silent", "A", ipv4="127.0.0.3")])
        assert time.monotonic() - begun < 2
        assert latencies.measured("p") == {}
