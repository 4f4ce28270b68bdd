"""Open connections are limited, and the oldest idle one makes room."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest
import requests

from app.web import connections
from app.web.connections import Connections
from tests.support.web_server import WebServer
from tests.support.ws_client import WebSocketClient


class One:
    def __init__(self, idle: bool = True, counted: bool = True) -> None:
        self.idle, self.counted, self.ended = idle, counted, False

    def end(self) -> None:
        self.ended = True


def test_the_oldest_idle_connection_makes_room() -> None:
    limit = Connections(per_client=3)
    busy, old, young = One(idle=False), One(), One()
    assert all(limit.admit("a", each) for each in (busy, old, young, One()))
    assert (busy.ended, old.ended, young.ended) == (False, True, False)


def test_a_client_whose_connections_are_all_busy_gets_no_more() -> None:
    limit = Connections(per_client=2)
    busy = [One(idle=False), One(idle=False)]
    assert all(limit.admit("a", each) for each in busy)
    assert limit.admit("a", One()) is False
    assert limit.admit("b", One()) is True
    limit.left("a", busy[0])
    assert limit.admit("a", One()) is True


def test_websockets_do_not_count() -> None:
    limit = Connections(per_client=1)
    assert all(limit.admit("a", One(idle=False, counted=False)) for _ in range(20))
    assert limit.admit("a", One()) is True


def test_in_all_the_client_with_the_most_makes_room() -> None:
    """A device may take many addresses: what one of them holds goes before what others hold."""
    limit = Connections(per_client=3, most=4)
    many, one = [One() for _ in range(3)], One()
    assert limit.admit("one", one)
    assert all(limit.admit("many", each) for each in many)
    assert limit.admit("new", One())
    assert (one.ended, [each.ended for each in many]) == (False, [True, False, False])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setattr(connections.Connections.__init__, "__defaults__", (8, 1500))
    with WebServer() as running:
        yield running


def test_silent_connections_do_not_keep_anybody_out(server: WebServer) -> None:
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), 10)) for _ in range(40)]
        for each in opened[:20]:
            each.sendall(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n")  # a head that never ends
        for _ in range(3):
            assert requests.get(f"{server.url}/api/status", timeout=10).status_code == 200
        opened[0].settimeout(10)
        assert opened[0].recv(1) == b"", "the oldest was closed"
        with WebSocketClient(server.port) as client:
            assert client.receive()
