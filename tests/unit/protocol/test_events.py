"""Events on the wire, in the documentation and in the GraphQL schema: each kind with exactly its fields."""

from __future__ import annotations

import re
import typing
from pathlib import Path

import msgspec
import pytest

from app import serialization
from app.api.graphql import types
from app.api.messages import Message, Resume, payload_types
from app.protocol.events import (
    AccountChanged,
    DeviceChanged,
    Event,
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
    payload,
)
from app.protocol.statistics import Bytes, Rates

# What clients receive of each, byte for byte.
WIRE: list[tuple[GatewayEvent, str, str]] = [
    (ServersChanged("mullvad"), "server_update", '{"provider":"mullvad"}'),
    (ServersChanged("custom", added="vpn-se"), "server_update", '{"provider":"custom","added":"vpn-se"}'),
    (ServersChanged("custom", removed="vpn-se"), "server_update", '{"provider":"custom","removed":"vpn-se"}'),
    (ServersChanged("mullvad", favourite="se-1"), "server_update", '{"provider":"mullvad","favourite":"se-1"}'),
    (ServersChanged("mullvad", servers=4), "server_update", '{"provider":"mullvad","servers":4}'),
    (ServersChanged("mullvad", measured=2), "server_update", '{"provider":"mullvad","measured":2}'),
    (SecurityAlert("state", "lost"), "security_alert", '{"reason":"state","message":"lost"}'),
    (
        SecurityAlert("account_expired", "add time", exit="default"),
        "security_alert",
        '{"reason":"account_expired","message":"add time","exit":"default"}',
    ),
    (
        SecurityAlert("drift", "a; b", drift=("a", "b")),
        "security_alert",
        '{"reason":"drift","message":"a; b","drift":["a","b"]}',
    ),
    (
        SecurityAlert("foreign_router", "another router", port="eth1"),
        "security_alert",
        '{"reason":"foreign_router","message":"another router","port":"eth1"}',
    ),
    (
        SecurityAlert("sign_in_failures", "5 failed", client="192.0.2.1", failures=5),
        "security_alert",
        '{"reason":"sign_in_failures","message":"5 failed","client":"192.0.2.1","failures":5}',
    ),
    (SettingsChanged(("failover", "wan")), "settings_change", '{"changed":["failover","wan"]}'),
    (WanChanged("ppp0", "eth0", None), "wan_change", '{"interface":"ppp0","port":"eth0","problem":null}'),
    (WanChanged(None, None, "wan_missing"), "wan_change", '{"interface":null,"port":null,"problem":"wan_missing"}'),
    (
        TrafficRates(1.5, 5.0, Bytes(1, 2), {"a": Bytes(3, 4)}),
        "traffic",
        '{"time":1.5,"period":5.0,"total":{"up":1,"down":2},"devices":{"a":{"up":3,"down":4}},"exits":{}}',
    ),
    (
        ProviderContact("clear", ("192.0.2.1", "2001:db8::1"), 443),
        "provider_contact",
        '{"way":"clear","addresses":["192.0.2.1","2001:db8::1"],"port":443}',
    ),
    (
        AccountChanged("mullvad", None, 90),
        "provider_account",
        '{"provider":"mullvad","problem":null,"days_left":90}',
    ),
    (AccountChanged("mullvad", "key_revoked"), "provider_account", '{"provider":"mullvad","problem":"key_revoked"}'),
    (ExitChanged("tv", "made"), "exit_change", '{"exit":"tv","change":"made"}'),
    (
        ExitChanged("tv", "renamed", before="telly"),
        "exit_change",
        '{"exit":"tv","change":"renamed","before":"telly"}',
    ),
    (AccountChanged("mullvad", rotated=True), "provider_account", '{"provider":"mullvad","rotated":true}'),
]
# Clients receive the state that these lead to.
REPLACED = (
    StatusChanged(),
    StatusChanged("default"),
    DeviceChanged("02:00:00:00:00:01", "lease"),
    ExceptionStarted(3, "02:00:00:00:00:01", None, "direct", 1_700_000_060.0, "admin", "game night"),
    ExceptionEnding(3, None, "children", "blocked", 1_700_000_060.0),
    ExceptionEnded(3, None, "children", "blocked", "time"),
)

DESCRIBED_ELSEWHERE = {"status_change", "unavailable", "resume", "heartbeat"}
PAYLOADS = {
    named: kind for named, kind in payload_types().items() if kind is not None and named not in DESCRIBED_ELSEWHERE
}
# Examples of values, in the table.
EXAMPLES = {"failover", "wan", "foreign_router", "port_stalled", "sign_in_failures", "GET /api/devices"}
EXAMPLES |= {"device_waiting", "dhcp_range_full", "gateway_address_taken", "dhcp_flood", "software_old"}
EXAMPLES |= {"connections_full"}
EXAMPLES |= {"canary_leak", "canary_blind"}
EXAMPLES |= {"post_quantum_failed", "key_unproven"}


@pytest.mark.parametrize(("event", "named", "text"), WIRE)
def test_what_clients_receive(event: GatewayEvent, named: str, text: str) -> None:
    assert (kind(event), serialization.encode(payload(event)).decode()) == (named, text)


@pytest.mark.parametrize("event", [*(event for event, _, _ in WIRE), *REPLACED])
def test_an_event_crosses_the_socket_whole(event: GatewayEvent) -> None:
    numbered = Event(7, 1.5, event)
    assert serialization.decode(serialization.encode(numbered), Event) == numbered


def test_every_kind_of_event_has_an_example_here() -> None:
    assert {type(event) for event, _, _ in WIRE} | {type(event) for event in REPLACED} == set(
        typing.get_args(GatewayEvent)
    )


def test_traffic_rates_have_the_fields_of_the_statistics() -> None:
    assert TrafficRates.__struct_fields__ == Rates.__struct_fields__


def table() -> dict[str, str]:
    """The rows of docs/events.md, by kind."""
    text = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
    return dict(re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", text, re.MULTILINE))


def test_the_documentation_has_every_kind_and_no_other() -> None:
    assert set(table()) - {"type"} == payload_types().keys()


@pytest.mark.parametrize("named", sorted(PAYLOADS))
def test_the_documentation_has_every_field_and_no_other(named: str) -> None:
    words = set(re.findall(r"`([^`]+)`", table()[named]))
    fields = msgspec.structs.fields(PAYLOADS[named])
    literals = {value for field in fields for value in typing.get_args(field.type) if isinstance(value, str)}
    assert {field.name for field in fields} <= words
    assert words <= {field.name for field in fields} | literals | EXAMPLES


def test_the_graphql_event_is_the_message_of_the_websocket() -> None:
    assert set(types.Event.__annotations__) == set(Message.__struct_fields__)
    assert set(Resume.__struct_fields__) == {"complete", "events"}  # as docs/events.md shows it
