"""The messages of ``/ws`` carry what they are declared with: the page's types are made from that declaration."""

from __future__ import annotations

import json
from typing import Any, get_args

import msgspec
import pytest

from app import serialization
from app.api.hub import heartbeat
from app.api.messages import payload_types
from app.protocol.events import (
    AccountChanged,
    DeviceChanged,
    ExceptionEnded,
    ExceptionEnding,
    ExceptionStarted,
    ExitChanged,
    GatewayEvent,
    ProviderContact,
    SecurityAlert,
    ServersChanged,
    SettingsChanged,
    StatusChanged,
    TrafficRates,
    WanChanged,
    kind,
)
from app.protocol.statistics import Bytes
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.support.ws_client import WebSocketClient

EVENTS: list[GatewayEvent] = [
    StatusChanged(),
    ServersChanged("mullvad", servers=4),
    SecurityAlert("drift", "a rule was removed", drift=("a rule",)),
    SettingsChanged(("failover",)),
    WanChanged(None, None, "wan_missing"),
    DeviceChanged("02:00:00:00:00:02", "lease"),
    ExitChanged("tv", "made"),
    ExceptionStarted(3, "02:00:00:00:00:01", None, "direct", 1_700_000_060.0, "admin", None),
    ExceptionEnding(3, None, "children", "blocked", 1_700_000_060.0),
    ExceptionEnded(3, None, "children", "blocked", "ended"),
    TrafficRates(1.0, 5.0, Bytes(1, 2)),
    ProviderContact("clear", ("192.0.2.1",), 443),
    AccountChanged("mullvad", None, 90),
]


def assert_declared(message: dict[str, Any]) -> None:
    """The payload has every field that its declaration requires, of the right type, and no other."""
    declared = payload_types()[message["type"]]
    payload = message["payload"]
    if declared is None:
        assert payload is None
        return
    serialization.decode(json.dumps(payload), declared)
    fields = msgspec.structs.fields(declared)
    optional = {f.encode_name for f in fields if f.default is msgspec.UNSET}
    if declared.__struct_config__.omit_defaults:
        optional |= {f.encode_name for f in fields if f.default is not msgspec.NODEFAULT}
    names = {f.encode_name for f in fields}
    assert names - optional <= payload.keys() <= names


def test_every_kind_of_event_has_an_example_here() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(GatewayEvent))


@pytest.mark.parametrize("event", EVENTS, ids=kind)
def test_event_message_has_its_declared_payload(server: WebServer, gateway: FakeGateway, event: GatewayEvent) -> None:
    with WebSocketClient(server.port) as client:
        client.receive()
        match event:
            case TrafficRates():
                server.run(lambda: gateway.tell_rates(event))
            case _:
                server.run(lambda: gateway.publish(event))
        message = client.receive()
        assert message["type"] == kind(event)
        assert_declared(message)


def test_web_service_messages_have_their_declared_payloads(server: WebServer, gateway: FakeGateway) -> None:
    with WebSocketClient(server.port, f"/ws?after={gateway.state.seq}") as client:
        resume = client.receive()
        server.run(gateway.go_away)
        messages = [resume, client.receive(), json.loads(heartbeat())]
    assert [message["type"] for message in messages] == ["resume", "unavailable", "heartbeat"]
    for message in messages:
        assert_declared(message)
