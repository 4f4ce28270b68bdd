"""The bodies of strangers are dropped, and all bodies together have a budget."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.api import body
from app.api.body import BUDGET, DrainableBody
from app.errors import UnavailableError
from ci.labnet.owner import own
from tests.support.web_server import WebServer

LARGE = 4 * 1024 * 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    own(tmp_path)
    with WebServer(state_dir=tmp_path) as running:
        yield running


def test_a_body_that_is_decided_keeps_nothing() -> None:
    before = BUDGET.kept
    one = DrainableBody(None, LARGE)
    one.append(b"x" * 1000)
    assert BUDGET.kept == before + 1000
    one.discard()
    one.append(b"x" * 1000)
    assert (BUDGET.kept, bytes(one._data)) == (before, b"")
    one.set_complete()
    assert one.arrived.is_set()


async def test_all_bodies_share_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BUDGET, "most", BUDGET.kept + 1500)
    first, second = DrainableBody(None, LARGE), DrainableBody(None, LARGE)
    first.append(b"x" * 1000)
    second.append(b"x" * 1000)
    second.set_complete()
    with pytest.raises(UnavailableError) as refused:
        await second
    assert refused.value.code == "busy"
    del first  # a client that went away
    third = DrainableBody(None, LARGE)
    third.append(b"x" * 1000)
    third.set_complete()
    assert await third == b"x" * 1000


def test_what_a_stranger_sends_is_not_kept(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier, the limit was that of the path, and all of it was kept while the refusal waited for the rest."""
    kept: list[int] = []
    discard = DrainableBody.discard

    def seen(self: DrainableBody) -> None:
        discard(self)
        bodies.append(self)

    bodies: list[DrainableBody] = []
    monkeypatch.setattr(DrainableBody, "discard", seen)
    monkeypatch.setattr(body, "DRAIN_TIMEOUT", 10.0)
    with socket.create_connection(("127.0.0.1", server.port), 20) as sock:
        head = f"POST /api/restore HTTP/1.1\r\nHost: localhost\r\nContent-Length: {LARGE}"
        sock.sendall(head.encode() + b"\r\n\r\n")
        for _ in range(LARGE // 65536 - 1):
            sock.sendall(b"x" * 65536)
            kept += [len(each._data) for each in bodies]
            time.sleep(0.01)
        sock.sendall(b"x" * 65536)
        assert b" 401 " in sock.recv(100)
    assert kept
    assert max(kept) == 0
