"""``/ws``: snapshot first, then every event in order; always closed properly; nobody is waited for."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from app.api import websocket_limits
from app.api.hub import QUEUE, TRY_AGAIN_LATER, Closing, Listener
from app.api.replay import KEPT, EncodedMessage, Replay
from app.protocol.events import DeviceChanged, GatewayEvent, SecurityAlert, ServersChanged, TrafficRates
from app.protocol.statistics import Bytes
from app.protocol.status import ExitState, ExitStatus
from app.web import server as web_server
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.support.ws_client import RefusedError, WebSocketClient
from tests.unit.api.conftest import Call, assert_error


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_one_device_cannot_take_every_place(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_limits, "MAX_PER_CLIENT", 2)
    protocol = ["graphql-transport-ws"]
    with WebSocketClient(server.port) as first, WebSocketClient(server.port, "/graphql", subprotocols=protocol):
        for path in ("/ws", "/graphql"):
            with pytest.raises(RefusedError) as refused:
                WebSocketClient(server.port, path, subprotocols=protocol)
            assert (refused.value.status, refused.value.body["code"]) == (429, "too_many_websockets")
            assert refused.value.headers["retry-after"] == "10"
        with WebSocketClient(server.port, source="127.0.0.2") as other:  # another device is not concerned
            assert other.receive()
            monkeypatch.setattr(websocket_limits, "MAX_OPEN", 3)
            with pytest.raises(RefusedError):  # but all of them together have a bound too
                WebSocketClient(server.port, source="127.0.0.3")
        assert first.receive()
        first.close()
        wait_for(lambda: comes_in(server))


def comes_in(server: WebServer) -> bool:
    try:
        with WebSocketClient(server.port) as client:
            return client.receive() is not None
    except RefusedError:
        return False


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

        server.run(lambda: gateway.publish(SecurityAlert("drift", "put back")))
        event = client.receive()
        assert event is not None
        assert (event["type"], event["payload"], event["seq"]) == (
            "security_alert",
            {"reason": "drift", "message": "put back"},
            first["seq"] + 2,
        )


def test_everybody_gets_every_event_in_order(server: WebServer, gateway: FakeGateway) -> None:
    clients = [WebSocketClient(server.port) for _ in range(30)]
    try:
        for client in clients:
            client.receive()
        for n in range(50):
            server.run(lambda n=n: gateway.publish(ServersChanged("mullvad", servers=n)))
        for client in clients:
            messages = [client.receive() for _ in range(50)]
            assert [m["payload"]["servers"] for m in messages if m] == list(range(50))
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


def test_shutdown_closes_with_going_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for no client: the time that it gives a request in flight is longer than this server has to end."""
    monkeypatch.setattr(web_server, "GRACE", 60.0)
    monkeypatch.setattr(web_server, "LAST_GRACE", 60.0)
    with WebServer() as server:
        client = WebSocketClient(server.port)
        client.receive()
    assert client.receive() is None
    assert client.closed is not None
    assert client.closed.code == 1001


def test_a_client_that_vanishes_leaves_nothing_behind(server: WebServer, gateway: FakeGateway, call: Call) -> None:
    client = WebSocketClient(server.port)
    client.receive()
    wait_for(lambda: server.hub.listeners == 1)
    client.__exit__()
    wait_for(lambda: server.hub.listeners == 0)
    server.run(lambda: gateway.publish(ServersChanged("mullvad")))
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


def test_plain_http_gets_upgrade_required(call: Call) -> None:
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
    listener.begin([EncodedMessage("first")], included=5)
    assert await listener.next() == "first"
    accepted = [listener.put(EncodedMessage(str(n), n)) for n in range(6, 6 + QUEUE + 1)]
    assert accepted == [True] * QUEUE + [False]
    assert await listener.next() == Closing(TRY_AGAIN_LATER, "too slow; connect again")


async def test_a_listener_begins_with_the_snapshot_and_repeats_nothing() -> None:
    listener = Listener()
    for n in (4, 5, 6):
        listener.put(EncodedMessage(f"event {n}", n))  # while the snapshot was being made
    listener.begin([EncodedMessage("snapshot 5")], included=5)
    listener.put(EncodedMessage("event 5 again", 5))
    listener.put(EncodedMessage("event 7", 7))
    listener.put(EncodedMessage("snapshot"))
    assert [await listener.next() for _ in range(4)] == ["snapshot 5", "event 6", "event 7", "snapshot"]


async def test_a_listener_closed_while_it_joins_stays_closed() -> None:
    listener = Listener()
    listener.close(Closing(1001, "bye"))
    listener.begin([EncodedMessage("snapshot")], included=5)
    assert await listener.next() == Closing(1001, "bye")


def test_silence_is_broken_by_a_heartbeat(monkeypatch: pytest.MonkeyPatch, server: WebServer) -> None:
    monkeypatch.setattr("app.api.events.HEARTBEAT", 0.1)
    with WebSocketClient(server.port) as client:
        messages = [client.receive() for _ in range(3)]
    assert [m["type"] for m in messages if m] == ["status_change", "heartbeat", "heartbeat"]


# --- coming back -----------------------------------------------------------------------------------------------------


def told(numbers: list[int]) -> list[EncodedMessage]:
    return [EncodedMessage(str(n), n) for n in numbers]


def test_replay_gives_what_was_missed_or_says_that_it_cannot() -> None:
    replay = Replay(kept=3)
    replay.restart(100)
    assert replay.since(100) == []
    for n in range(101, 104):
        replay.add(n, EncodedMessage(str(n), n))
    assert replay.since(100) == told([101, 102, 103])
    assert replay.since(102) == told([103])
    assert replay.since(103) == []
    assert replay.since(99) is None
    assert replay.since(104) is None  # of another boot, say
    replay.add(104, EncodedMessage("104", 104))
    assert replay.since(100) is None
    assert replay.since(101) == told([102, 103, 104])
    replay.add(110, EncodedMessage("110", 110))  # one is missing: nothing before it is of any use
    assert replay.since(104) is None
    assert replay.since(109) == told([110])


def test_replay_fits_a_listener_s_queue() -> None:
    assert KEPT + 2 < QUEUE


def drain(client: WebSocketClient, until: int) -> list[dict]:
    """Messages up to the event ``until``."""
    messages = []
    while not messages or messages[-1]["seq"] != until or messages[-1]["type"] == "resume":
        messages.append(client.receive())
    return messages


def test_a_client_that_comes_back_gets_exactly_what_it_missed(server: WebServer, gateway: FakeGateway) -> None:
    publish = lambda n: server.run(lambda: gateway.publish(ServersChanged("mullvad", servers=n)))  # noqa: E731
    with WebSocketClient(server.port) as client:
        seen = client.receive()["seq"]
        for n in range(5):
            publish(n)
        kept = drain(client, seen + 5)
    for n in range(5, 9):
        publish(n)
    server.run(lambda: gateway.set_exit(ExitStatus("default", ExitState.CONNECTING, server="x")))
    with WebSocketClient(server.port, f"/ws?after={kept[-1]['seq']}") as client:
        first = client.receive()
        assert (first["type"], first["payload"]) == ("resume", {"complete": True, "events": 5})
        missed = drain(client, gateway.state.seq)
        publish(9)
        later = client.receive()
    numbers = [m["seq"] for m in [*kept, *missed, later]]
    assert numbers == list(range(seen + 1, seen + 12))
    assert [m["payload"]["servers"] for m in missed[:4]] == [5, 6, 7, 8]
    assert missed[4]["payload"]["state"] == "connecting"
    assert later["payload"]["servers"] == 9


def test_resume_after_too_long_is_incomplete_with_snapshot(server: WebServer, gateway: FakeGateway) -> None:
    """A client that was away too long learns that events are lost, and gets a snapshot."""
    with WebSocketClient(server.port) as client:
        seen = client.receive()["seq"]
        server.run(lambda: [gateway.publish(ServersChanged("mullvad", servers=n)) for n in range(KEPT + 1)])
        drain(client, seen + KEPT + 1)
    for after in (seen, 5, gateway.state.seq + 1, 10**15):
        with WebSocketClient(server.port, f"/ws?after={after}") as client:
            assert client.receive()["payload"] == {"complete": False, "events": 0}
            snapshot = client.receive()
            assert (snapshot["type"], snapshot["seq"]) == ("status_change", gateway.state.seq)
            assert "state" in snapshot["payload"]


@pytest.mark.parametrize(
    "query", ["after=", "after=-1", "after=1.5", "after=x", "after=1&after=2", "after=" + 17 * "9"]
)
def test_a_bad_number_is_refused(server: WebServer, query: str) -> None:
    with pytest.raises(RefusedError) as refused:
        WebSocketClient(server.port, f"/ws?{query}")
    assert (refused.value.status, refused.value.body["field"]) == (422, "after")


def test_events_during_a_netd_outage_are_delivered(server: WebServer, gateway: FakeGateway) -> None:
    with WebSocketClient(server.port) as client:
        seen = client.receive()["seq"]
        server.run(gateway.go_away)
        assert client.receive()["type"] == "unavailable"
        with WebSocketClient(server.port, f"/ws?after={seen}") as late:
            assert [late.receive()["type"] for _ in range(2)] == ["resume", "unavailable"]
        for n in range(3):
            gateway.publish(SecurityAlert("state", str(n)))
        gateway.away = False
        messages = [client.receive() for _ in range(4)]
    assert [(m["type"], m["seq"]) for m in messages] == [
        ("security_alert", seen + 1),
        ("security_alert", seen + 2),
        ("security_alert", seen + 3),
        ("status_change", seen + 3),
    ]


def test_resume_after_netd_restart_is_not_complete(server: WebServer, gateway: FakeGateway) -> None:
    """After a restart of netd no client is wrongly assured that it missed nothing."""
    with WebSocketClient(server.port) as client:
        seen = client.receive()["seq"]
        server.run(gateway.go_away)
        assert client.receive()["type"] == "unavailable"
        gateway.kept.clear()  # what the old one had not told yet, nobody knows
        gateway.state = replace(gateway.state, seq=5000, events_after=5000)
        gateway.publish(SecurityAlert("state", "lost"))
        gateway.away = False
        assert [(m["type"], m["seq"]) for m in (client.receive(), client.receive())] == [
            ("security_alert", 5001),
            ("status_change", 5001),
        ]
    with WebSocketClient(server.port, f"/ws?after={seen}") as client:
        assert client.receive()["payload"]["complete"] is False
    with WebSocketClient(server.port, "/ws?after=5000") as client:
        assert client.receive()["payload"] == {"complete": True, "events": 1}


def test_a_restart_of_the_web_service_costs_no_event() -> None:
    with WebServer() as server:
        server.gateway.publish(SecurityAlert("state", "lost"))  # before anybody listened
        with WebSocketClient(server.port) as client:
            client.receive()
        with WebSocketClient(server.port, "/ws?after=100") as client:
            assert client.receive()["payload"] == {"complete": True, "events": 1}
            assert client.receive()["payload"] == {"reason": "state", "message": "lost"}


def test_rates_are_neither_numbered_nor_replayed(server: WebServer, gateway: FakeGateway) -> None:
    with WebSocketClient(server.port) as client:
        seen = client.receive()["seq"]
        server.run(lambda: gateway.tell_rates(TrafficRates(1.0, 5.0, Bytes(1, 2))))
        message = client.receive()
        assert (message["type"], message["seq"], message["payload"]["total"]["down"]) == ("traffic", seen, 2)
    with WebSocketClient(server.port, f"/ws?after={seen}") as client:
        assert client.receive()["payload"] == {"complete": True, "events": 0}


def test_a_changed_device_is_shown_as_it_is_now(server: WebServer, gateway: FakeGateway, call: Call) -> None:
    with WebSocketClient(server.port) as client:
        client.receive()
        server.run(lambda: gateway.publish(DeviceChanged("02:00:00:00:00:02", "lease")))
        change = client.receive()["payload"]
        listed = call("GET", "/api/devices").json()["devices"]
        device = listed[1] | {"traffic": None}
        assert change == {"mac": "02:00:00:00:00:02", "reason": "lease", "device": device}
        server.run(lambda: gateway.publish(DeviceChanged("02:00:00:00:00:99", "lease_ended")))
        assert client.receive()["payload"]["device"] is None


# --- many ------------------------------------------------------------------------------------------------------------

CLIENTS, EVENTS = 500, 40


def numbered(n: int) -> GatewayEvent:
    """One kind and another in turn, with ``n`` in it."""
    return SecurityAlert("state", "", failures=n) if n % 2 else ServersChanged("mullvad", servers=n)


def test_many_clients_get_all_events_despite_a_slow_one(
    server: WebServer, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    """Five hundred clients get every event in order, and none of them waits for a slow one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))  # both ends are in this process
    started = time.monotonic()
    clients = [WebSocketClient(server.port) for _ in range(CLIENTS)]
    try:
        snapshots = [client.receive() for client in clients]
        joined = time.monotonic()
        first = max(s["seq"] for s in snapshots if s) + 1
        expected = list(range(first, first + EVENTS))
        for n in range(EVENTS):
            server.run(lambda n=n: gateway.publish(numbered(n)))
        for client in clients:
            messages = [client.receive() for _ in range(EVENTS)]
            assert [m["seq"] for m in messages if m] == expected
            assert [m["payload"][["servers", "failures"][n % 2]] for n, m in enumerate(messages) if m] == list(
                range(EVENTS)
            )
        done = time.monotonic()
    finally:
        for client in clients:
            client.__exit__()
    wait_for(lambda: server.hub.listeners == 0)
    with capsys.disabled():
        print(f"\n  {CLIENTS} clients joined in {joined - started:.1f} s", end="; ")
        print(f"{CLIENTS * EVENTS} messages in {done - joined:.1f} s")


def test_client_that_reads_nothing_is_dropped_alone(server: WebServer, gateway: FakeGateway, call: Call) -> None:
    """Its buffers in the kernel fill up, then its queue; the others get everything at once."""
    stuck = WebSocketClient(server.port)
    with WebSocketClient(server.port) as well:
        well.receive()
        wait_for(lambda: server.hub.listeners == 2)
        sent = 0
        while server.hub.listeners == 2:
            server.run(lambda: gateway.publish(ServersChanged("x" * 50_000)))
            sent += 1
            assert len(well.receive()["payload"]["provider"]) == 50_000
            assert sent < 2000, "it was never dropped"
        server.run(lambda: gateway.publish(ServersChanged("last")))
        assert well.receive()["payload"] == {"provider": "last"}
    stuck.__exit__()
    assert call("GET", "/health").text == "healthy"
