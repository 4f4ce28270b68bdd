"""``/ws``: snapshot first, then every event in order; always closed properly; nobody is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from app.api.hub import QUEUE, TRY_AGAIN_LATER, Closing, Listener, Told
from app.model import ExitState, ExitStatus
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.support.ws_client import RefusedError, WebSocketClient
from tests.unit.api.conftest import Call, assert_error


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_snapshot_then_events(server: WebServer, gateway: FakeGateway, call: Call) -> None:
    with WebSocketClient(server.port) as client:
        first = client.receive()
        assert first is not None
        assert (first["type"], first["seq"]) == ("status_change", gateway.state.seq)
        assert first["payload"] == call("GET", "/api/status").json()

        call("POST", "/api/connect", json={"server": "se-sto-wg-001"})
        event = client.receive()
        assert event is not None
        assert (event["type"], event["seq"]) == ("status_change", first["seq"] + 1)
        assert (event["payload"]["connected"], event["payload"]["server"]) == (True, "se-sto-wg-001")

        server.run(lambda: gateway.publish("security_alert", {"reason": "drift"}))
        event = client.receive()
        assert event is not None
        assert (event["type"], event["payload"], event["seq"]) == (
            "security_alert",
            {"reason": "drift"},
            first["seq"] + 2,
        )


def test_everybody_gets_every_event_in_order(server: WebServer, gateway: FakeGateway) -> None:
    clients = [WebSocketClient(server.port) for _ in range(30)]
    try:
        for client in clients:
            client.receive()
        for n in range(50):
            server.run(lambda n=n: gateway.publish("server_update", {"n": n}))
        for client in clients:
            messages = [client.receive() for _ in range(50)]
            assert [m["payload"]["n"] for m in messages if m] == list(range(50))
            assert [m["seq"] for m in messages if m] == sorted(m["seq"] for m in messages if m)
    finally:
        for client in clients:
            client.close()
    wait_for(lambda: server.hub.listeners == 0)


def test_netd_goes_and_comes_back(server: WebServer, gateway: FakeGateway) -> None:
    with WebSocketClient(server.port) as client:
        client.receive()
        server.run(gateway.go_away)
        event = client.receive()
        assert event is not None
        assert (event["type"], event["payload"]["success"], event["payload"]["code"]) == (
            "unavailable",
            False,
            "unavailable",
        )
        with WebSocketClient(server.port) as late:
            assert (late.receive() or {})["type"] == "unavailable"
        gateway.away = False
        event = client.receive()
        assert event is not None
        assert (event["type"], event["payload"]["state"]) == ("status_change", "disconnected")
        server.run(lambda: gateway.set_exit(ExitStatus("default", ExitState.CONNECTING, server="x")))
        event = client.receive()
        assert event is not None
        assert event["payload"]["state"] == "connecting"


def test_shutdown_closes_with_going_away() -> None:
    with WebServer() as server:
        client = WebSocketClient(server.port)
        client.receive()
        started = time.monotonic()
    assert time.monotonic() - started < 3
    assert client.receive() is None
    assert client.closed is not None
    assert client.closed.code == 1001


def test_a_client_that_vanishes_leaves_nothing_behind(server: WebServer, gateway: FakeGateway, call: Call) -> None:
    client = WebSocketClient(server.port)
    client.receive()
    wait_for(lambda: server.hub.listeners == 1)
    client.__exit__()
    wait_for(lambda: server.hub.listeners == 0)
    server.run(lambda: gateway.publish("server_update", {}))
    assert call("GET", "/health").text == "healthy"


def test_what_clients_say_is_ignored_up_to_a_size(server: WebServer, call: Call) -> None:
    with WebSocketClient(server.port) as client:
        client.receive()
        for _ in range(100):
            client.send("hello")
        client.send("x" * 8192)
        assert client.receive() is None
        assert client.closed is not None
        assert client.closed.code == 1009  # RFC 6455: message too big
    assert call("GET", "/health").text == "healthy"


def test_plain_http_is_told_to_upgrade(call: Call) -> None:
    answer = call("GET", "/ws")
    assert_error(answer, 426, "upgrade_required")
    assert answer.headers["Upgrade"] == "websocket"


def test_web_sockets_elsewhere_are_refused(server: WebServer, call: Call) -> None:
    with pytest.raises(RefusedError) as refused:
        WebSocketClient(server.port, path="/api/status")
    assert refused.value.status in {400, 404}
    assert refused.value.body["success"] is False
    assert call("GET", "/health").text == "healthy"


async def test_a_slow_listener_is_sent_away() -> None:
    listener = Listener()
    listener.begin(Told("first"), included=5)
    assert await listener.next() == "first"
    accepted = [listener.put(Told(str(n), n)) for n in range(6, 6 + QUEUE + 1)]
    assert accepted == [True] * QUEUE + [False]
    assert await listener.next() == Closing(TRY_AGAIN_LATER, "too slow; connect again")


async def test_a_listener_begins_with_the_snapshot_and_repeats_nothing() -> None:
    listener = Listener()
    for n in (4, 5, 6):
        listener.put(Told(f"event {n}", n))  # while the snapshot was being made
    listener.begin(Told("snapshot 5"), included=5)
    listener.put(Told("event 5 again", 5))
    listener.put(Told("event 7", 7))
    listener.put(Told("snapshot"))
    assert [await listener.next() for _ in range(4)] == ["snapshot 5", "event 6", "event 7", "snapshot"]


async def test_a_listener_closed_while_it_joins_stays_closed() -> None:
    listener = Listener()
    listener.close(Closing(1001, "bye"))
    listener.begin(Told("snapshot"), included=5)
    assert await listener.next() == Closing(1001, "bye")


def test_silence_is_broken_by_a_heartbeat(monkeypatch: pytest.MonkeyPatch, server: WebServer) -> None:
    monkeypatch.setattr("app.api.events.HEARTBEAT", 0.1)
    with WebSocketClient(server.port) as client:
        messages = [client.receive() for _ in range(3)]
    assert [m["type"] for m in messages if m] == ["status_change", "heartbeat", "heartbeat"]
