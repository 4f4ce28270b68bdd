"""GraphQL does what the endpoints do, within limits, and tells nothing that they would not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis_graphql
import pytest
import requests
from graphql import IntValueNode, NullValueNode, get_introspection_query
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.api.graphql.schema import SCHEMA
from app.api.limits import Rates
from app.errors import ConflictError
from app.protocol.commands import AddCustomServer, ChooseWan, Connect
from app.protocol.events import ServersChanged
from app.web import server as web_server
from ci.labnet.owner import PASSWORD
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import Clock, WebServer
from tests.support.ws_client import RefusedError, WebSocketClient
from tests.unit.api.conftest import Call


def ask(call: Call, query: str, **variables: Any) -> dict[str, Any]:
    answer = call("POST", "/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == 200, answer.text
    return answer.json()


def data(call: Call, query: str, **variables: Any) -> dict[str, Any]:
    answer = ask(call, query, **variables)
    assert "errors" not in answer, answer
    return answer["data"]


def refusal(call: Call, query: str, **variables: Any) -> dict[str, Any]:
    (error,) = ask(call, query, **variables)["errors"]
    return error


# --- Queries ---------------------------------------------------------------------------------------------------------


def test_status_is_that_of_the_endpoint(call: Call) -> None:
    call("POST", "/api/connect", json={"server": "se-sto-wg-001"})
    shown = data(
        call,
        "{status{connected provider server ip location killswitchActive state rxBytes exits{name state}"
        " drops{reason packets} attestation{ok} uptimeSeconds seq}}",
    )["status"]
    status = call("GET", "/api/status").json()
    for ours, theirs in {"killswitchActive": "killswitch_active", "rxBytes": "rx_bytes", "seq": "seq"}.items():
        assert shown[ours] == status[theirs]
    assert (shown["state"], shown["server"]) == ("CONNECTED", "se-sto-wg-001")
    assert shown["exits"] == [{"name": "default", "state": "CONNECTED"}]
    assert {d["reason"]: d["packets"] for d in shown["drops"]} == status["drops"]


def test_ports_and_what_is_wrong_with_the_wan(call: Call, server: WebServer, gateway: FakeGateway) -> None:
    ports = "ports{name role mac driver usb radio carrier}"
    query = f"{{status{{wanProblem{{reason message}} wanChoice{{port fixedBy}} {ports}}}}}"
    for lost in (False, True):
        if lost:
            server.run(gateway.lose_wan)
        shown, status = data(call, query)["status"], call("GET", "/api/status").json()
        assert shown["ports"] == status["ports"]
        assert len(shown["ports"]) == 3
        assert shown["wanProblem"] == status["wan_problem"]
        assert (shown["wanProblem"] is None) is not lost
        assert shown["wanChoice"] == {"port": None, "fixedBy": None}
    assert shown["wanProblem"]["reason"] == "wan_unknown"


@pytest.mark.owned
def test_the_wan_is_chosen_and_given_back(call: Call, server: WebServer, gateway: FakeGateway) -> None:
    server.run(gateway.lose_wan)
    query = "mutation($p: String){chooseWan(port: $p){port interface fixedBy problem{reason} ports{name role}}}"
    chosen = data(call, query, p="usb-1.2")["chooseWan"]
    assert gateway.commands[-1] == ChooseWan("usb-1.2")
    assert (chosen["port"], chosen["interface"], chosen["problem"]) == ("usb-1.2@0000:01:00.0", "eth1", None)
    assert data(call, "{wan{port interface fixedBy problem{reason} ports{name role}}}")["wan"] == chosen
    assert data(call, query, p=None)["chooseWan"]["problem"] == {"reason": "wan_unknown"}
    assert gateway.commands[-1] == ChooseWan(None)
    error = refusal(call, query, p="eth7")
    assert error["extensions"] == {"code": "invalid_field", "status": 422, "field": "port"}
    assert refusal(call, "mutation{chooseWan{port}}")["extensions"]["field"] == "port"


def test_byte_counts_beyond_32_bits(call: Call, server: WebServer, gateway: FakeGateway) -> None:
    import msgspec

    exit_ = msgspec.structs.replace(gateway.state.exits[0], rx_bytes=2**40)
    server.run(lambda: gateway.set_exit(exit_))
    assert data(call, "{exits{rxBytes}}") == {"exits": [{"rxBytes": 2**40}]}


GRAPHQL_NAMES = {
    "own_policy": "ownPolicy",
    "fixed_address": "fixedAddress",
    "first_seen": "firstSeen",
    "last_seen": "lastSeen",
}


def test_everything_can_be_asked_at_once(call: Call) -> None:
    found = data(
        call,
        "{devices{mac name hostname address addresses leased seen policy ownPolicy standingPolicy policySource"
        " exception schedule{days start end policy} group fixedAddress admitted vendor"
        " kind randomised firstSeen lastSeen online exit reason traffic{up down rate{up down}}}"
        " leases{mac address hostname expires}"
        ' providers{providers current} traffic(range: "1h"){step sum{up down} points{time up down covered}}'
        " history(first: 2){next history{id before after cause}}"
        ' deviceHistory(mac: "02:00:00:00:00:01", first: 4, before: 9){next history{id time change policy before until'
        " by reason cause group address name allow}}}",
    )
    assert found["devices"] == [
        {re.sub("_(.)", lambda m: m[1].upper(), k): v for k, v in device.items()}
        for device in call("GET", "/api/devices").json()["devices"]
    ]
    assert found["leases"] == call("GET", "/api/leases").json()["leases"]
    assert found["providers"] == call("GET", "/api/providers").json()
    assert found["traffic"]["points"] == call("GET", "/api/traffic?range=1h").json()["points"]
    page = call("GET", "/api/history?limit=2").json()
    assert [t["id"] for t in found["history"]["history"]] == [t["id"] for t in page["history"]]
    page = call("GET", "/api/devices/02:00:00:00:00:01/history?limit=4&before=9").json()
    told = found["deviceHistory"]
    assert (told["next"], [t["id"] for t in told["history"]]) == (2, [8, 5, 3, 2])
    assert [{k: v for k, v in t.items() if v is not None} for t in told["history"]] == page["history"]


def test_history_of_a_device_never_seen_is_not_found(call: Call) -> None:
    answer = call("POST", "/graphql", json={"query": '{deviceHistory(mac: "02:00:00:00:00:99"){next}}'}).json()
    assert answer["errors"][0]["extensions"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('country: "sweden"', ["se-got-wg-001", "se-sto-wg-001", "se-sto-wg-002"]),
        ('country: "Sweden", city: "Gothenburg"', ["se-got-wg-001"]),
        ('search: "BER"', ["de-ber-wg-001"]),
        ('provider: "custom"', ["vpn-de", "vpn-se"]),
        ('search: "nowhere"', []),
        ("first: 1", ["de-ber-wg-001"]),
    ],
)
def test_servers_are_filtered(call: Call, arguments: str, expected: list[str]) -> None:
    page = data(call, f"{{servers({arguments}){{total servers{{hostname}}}}}}")["servers"]
    assert [s["hostname"] for s in page["servers"]] == expected
    assert page["total"] == (4 if arguments == "first: 1" else len(expected))


# --- Mutations -------------------------------------------------------------------------------------------------------

ADD = "mutation($s: CustomServer!){addCustomServer(server: $s){success publicKey}}"


@pytest.mark.owned
def test_mutations_do_what_the_endpoints_do(call: Call, gateway: FakeGateway) -> None:
    assert data(call, 'mutation{connect(server: "se-sto-wg-001"){success message}}') == {
        "connect": {"success": True, "message": None}
    }
    assert gateway.commands == [Connect("se-sto-wg-001")]
    assert data(call, "mutation{disconnect{success message}}")["disconnect"]["message"].startswith("Disconnected")
    chosen = data(call, 'mutation{selectProvider(provider: "custom"){current}}')["selectProvider"]
    assert chosen["current"] == "custom"
    added = {"name": "mine", "endpoint": "1.2.3.4:51820", "publicKey": "k", "privateKey": "p", "allowedIps": "::/0"}
    assert data(call, ADD, s=added)["addCustomServer"]["success"] is True
    sent = gateway.commands[-1]
    assert isinstance(sent, AddCustomServer)
    assert (sent.private_key, sent.allowed_ips, sent.mtu) == ("p", "::/0", None)
    policy = (
        'mutation{setDevicePolicy(mac: "02-00-00-00-00-07", policy: "direct", name: "Radio", password: "'
        + PASSWORD
        + '"){success}}'
    )
    assert data(call, policy, p=PASSWORD)["setDevicePolicy"]["success"] is True
    assert {d["mac"]: d["policy"] for d in call("GET", "/api/devices").json()["devices"]}[
        "02:00:00:00:00:07"
    ] == "direct"
    config = "[Interface]\nPrivateKey = x\n"
    query = 'mutation($c: String!){importConfig(name: "i", config: $c){success}}'
    assert data(call, query, c=config)["importConfig"]["success"] is True
    assert data(call, 'mutation{removeCustomServer(name: "i"){success}}')["removeCustomServer"]["success"] is True
    query = 'mutation($c: String!){importConfig(name: "j", config: $c){opens{provider server servers listed}}}'
    offer = data(call, query, c=f"{config}[Peer]\nEndpoint = se-sto.mullvad.net:51820\n")["importConfig"]["opens"]
    assert offer == {"provider": "mullvad", "server": "j", "servers": 4, "listed": True}
    query = "mutation($p: String!, $s: String!){useFileKey(provider: $p, server: $s){signedIn fromFile}}"
    accepted = data(call, query, p=offer["provider"], s=offer["server"])["useFileKey"]
    assert accepted == {"signedIn": True, "fromFile": "j"}


def test_errors_are_those_of_the_endpoints(call: Call, gateway: FakeGateway) -> None:
    error = refusal(call, 'mutation{connect(server: "nowhere"){success}}')
    assert error["extensions"] == {"code": "not_found", "status": 404, "field": "server"}
    assert error["path"] == ["connect"]
    assert refusal(call, 'mutation{connect(server: ""){success}}')["extensions"]["field"] == "server"
    error = refusal(call, 'mutation{setDevicePolicy(mac: "x", policy: "direct"){success}}')
    assert error["extensions"] == {"code": "invalid_field", "status": 422, "field": "mac"}
    gateway.failure = ConflictError("busy", code="busy")
    assert refusal(call, "mutation{disconnect{success}}")["extensions"] == {"code": "busy", "status": 409}
    assert refusal(call, "{servers(first: 0){total}}")["extensions"]["field"] == "first"
    assert refusal(call, "{nothing}")["extensions"]["code"] == "invalid_query"
    assert refusal(call, "{")["extensions"]["code"] == "invalid_query"


def test_a_bug_is_masked(call: Call, gateway: FakeGateway, caplog: pytest.LogCaptureFixture) -> None:
    gateway.failure = RuntimeError("the key is 1234secret")
    answer = call("POST", "/graphql", json={"query": "mutation{disconnect{success}}"})
    assert answer.json()["errors"][0]["message"] == "internal error"
    assert "1234secret" not in answer.text
    assert "RuntimeError" in caplog.text
    assert "1234secret" not in caplog.text


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"query": "query A{exits{name}}", "operationName": "B"}, "invalid_query"),
        ({"query": "query A{exits{name}} query B{exits{name}}"}, "invalid_query"),
        ({"query": "fragment A on Query{exits{name}}"}, "invalid_query"),
        ({"query": "subscription{status{connected}}"}, "invalid_query"),
        ({"query": '{history(before:"x"){next}}'}, "invalid_query"),
        ({"query": "{history(before:1e400){next}}"}, "invalid_query"),
        ({"query": "{history(before:[1]){next}}"}, "invalid_query"),
        ({"query": f"{{history(before:{'9' * 5000}){{next}}}}"}, "query_too_large"),
        ({"query": f"{{history(first:{'9' * 5000}){{next}}}}"}, "query_too_large"),
        *(
            ({"query": "query($b:Long){history(before:$b){next}}", "variables": {"b": bad}}, "invalid_query")
            for bad in ("5", 1.5, True, [1], {}, 2**54)
        ),
    ],
)
def test_query_at_fault_gets_its_errors(call: Call, body: dict[str, Any], code: str, caplog) -> None:
    answer = call("POST", "/graphql", json=body)
    assert answer.status_code == 200, answer.text
    (error,) = answer.json()["errors"]
    assert error["extensions"]["code"] == code, error
    assert "data" not in answer.json()
    assert not caplog.records  # it is no bug of ours


def test_keys_never_come_out(call: Call) -> None:
    schema = data(call, get_introspection_query())["__schema"]
    for kind in schema["types"]:
        if kind["kind"] == "OBJECT":
            names = {field["name"].lower() for field in kind["fields"]}
            assert not {n for n in names if "private" in n or "preshared" in n or "secret" in n}, kind["name"]


# --- Limits ----------------------------------------------------------------------------------------------------------

BOMB = (
    "{...f0} "
    + " ".join(f"fragment f{i} on Query{{...f{i + 1} ...f{i + 1}}}" for i in range(60))
    + " fragment f60 on Query{a:exits{name}}"
)


@pytest.mark.parametrize(
    "query",
    [
        "{" + " ".join(f"a{n}:exits{{name}}" for n in range(16)) + "}",
        "mutation{" + " ".join(f'm{n}:connect(server:"se-sto-wg-001"){{success}}' for n in range(6)) + "}",
        "{" + " ".join(f"a{n}:servers(first:1000){{servers{{hostname city country}}}}" for n in range(8)) + "}",
        "query($n:Int!){" + " ".join(f"a{n}:servers(first:$n){{servers{{hostname city}}}}" for n in range(12)) + "}",
        BOMB,
        "{__schema{types{fields{type{fields{type{fields{type{fields{type{fields{name}}}}}}}}}}}}",
        "{" + "x " * 2000 + "}",
        "{a:" * 200 + "x" + "}" * 200,
    ],
)
def test_queries_that_ask_too_much(call: Call, gateway: FakeGateway, query: str) -> None:
    started = time.monotonic()
    answer = ask(call, query)
    assert time.monotonic() - started < 10  # answered in full they would take minutes
    assert "data" not in answer
    assert answer["errors"]
    assert gateway.commands == []


def test_the_queries_of_common_tools_are_within_the_limits(call: Call) -> None:
    assert data(call, get_introspection_query(descriptions=True))["__schema"]["types"]


def test_only_json_is_taken_and_only_from_here(call: Call) -> None:
    body = json.dumps({"query": "mutation{disconnect{success}}"})
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert call("POST", "/graphql", data=body, headers={"Content-Type": content_type}).status_code == 415
    headers = {"Content-Type": "application/json", "Origin": "http://elsewhere.example"}
    assert call("POST", "/graphql", data=body, headers=headers).status_code == 403
    assert call("GET", "/graphql?query={exits{name}}").status_code == 426


def test_a_full_page_is_within_the_limits(call: Call) -> None:
    assert data(call, "{servers(first: 1000){total servers{hostname city country location ipv4 endpoint}}}")["servers"]
    assert data(call, "{history(first: 1000){next history{id time exit before after cause server}}}")["history"]


# What a query made from the schema may be answered with, besides data.
ORDINARY = {
    "invalid_field",
    "invalid_query",
    "missing_field",
    "name_in_use",
    "not_allowed",
    "not_found",
    "query_too_large",
    "set_password_first",
}
SCALARS = {
    "Long": st.integers(-(2**53), 2**53).map(lambda n: IntValueNode(value=str(n))),
    "JSON": st.just(NullValueNode()),
}


@pytest.fixture(scope="module")
def one_server() -> Iterator[WebServer]:
    with WebServer() as running:
        yield running


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(query=hypothesis_graphql.from_schema(SCHEMA.as_str(), custom_scalars=SCALARS))
def test_whatever_the_schema_allows(one_server: WebServer, query: str) -> None:
    assume(not query.lstrip().startswith("subscription"))
    answer = requests.post(f"{one_server.url}/graphql", json={"query": query}, timeout=20)
    if answer.status_code != 200:  # a query larger than is taken at all
        assert answer.status_code in {413, 422}
        assert len(query) > 16 * 1024
        return
    for error in answer.json().get("errors", []):
        assert error["extensions"]["code"] in ORDINARY, (query, error)


# --- Subscriptions ---------------------------------------------------------------------------------------------------


def connected(server: WebServer, headers: dict[str, str] | None = None) -> WebSocketClient:
    client = WebSocketClient(server.port, "/graphql", headers, subprotocols=["graphql-transport-ws"])
    client.send(json.dumps({"type": "connection_init"}))
    assert client.receive() == {"type": "connection_ack"}
    return client


def subscribe(client: WebSocketClient, query: str, ident: str = "1") -> None:
    client.send(json.dumps({"id": ident, "type": "subscribe", "payload": {"query": query}}))


def payload(client: WebSocketClient) -> dict[str, Any]:
    message = client.receive()
    assert message is not None
    assert message["type"] == "next", message
    return message["payload"]["data"]


def payload_errors(client: WebSocketClient) -> list[str | None]:
    """The codes of the errors of one query, which is over then."""
    message = client.receive() or {}
    if message["type"] == "error":
        return [e["extensions"]["code"] for e in message["payload"]]
    assert (client.receive() or {})["type"] == "complete"
    return [e["extensions"]["code"] for e in message["payload"].get("errors", ())] or [None]


def test_status_follows_the_tunnel(server: WebServer, call: Call) -> None:
    with connected(server) as client:
        subscribe(client, "subscription{status{connected server}}")
        assert payload(client) == {"status": {"connected": False, "server": None}}
        call("POST", "/api/connect", json={"server": "se-sto-wg-001"})
        assert payload(client) == {"status": {"connected": True, "server": "se-sto-wg-001"}}
        client.close()


def test_events_come_in_order(server: WebServer, gateway: FakeGateway) -> None:
    with connected(server) as client:
        subscribe(client, 'subscription{events(kinds: ["server_update"]){type seq payload}}')
        client.send(json.dumps({"type": "ping"}))
        assert client.receive() == {"type": "pong"}
        deadline = time.monotonic() + 10
        while server.hub.listeners < 2:  # one for the connection, one for the subscription
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for n in range(20):
            server.run(lambda n=n: gateway.publish(ServersChanged("mullvad", servers=n)))
        events = [payload(client)["events"] for _ in range(20)]
        assert [e["payload"]["servers"] for e in events] == list(range(20))
        assert [e["seq"] for e in events] == sorted(e["seq"] for e in events)
        client.close()


def test_a_query_by_web_socket_has_the_same_limits(server: WebServer) -> None:
    with connected(server) as client:
        subscribe(client, BOMB)
        message = client.receive()
        assert message is not None
        assert message["type"] == "error"
        client.close()


@pytest.mark.parametrize(
    "message",
    [
        "[]",
        "5",
        '{"type": []}',
        '{"type": "complete", "id": []}',
        '{"type": "subscribe", "id": [], "payload": {"query": "{exits{name}}"}}',
        '{"type": "subscribe", "id": "1", "payload": null}',
        '{"type": "subscribe", "id": "1"}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 5}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{exits{name}}", "variables": [1]}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{exits{name}}", "variables": {"x": NaN}}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{exits{name}}", "variables": {"x": "\\ud800"}}}',
        "[" * 3000,
    ],
)
def test_a_message_of_another_shape_closes_the_connection(
    server: WebServer, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(server) as client:
        client.send(message)
        assert client.receive() is None
        assert client.closed is not None
        assert client.closed.code == 4400
    assert not caplog.records


def test_websocket_queries_are_rate_limited() -> None:
    with WebServer(rates=Rates(general=10, connection=5), clock=Clock()) as server, connected(server) as client:
        codes = []
        for number in range(8):
            subscribe(client, 'mutation{connect(server:"se-sto-wg-001"){success}}', str(number))
            (error,) = payload_errors(client)
            codes.append(error)
        assert codes == [None] * 5 + ["rate_limited"] * 3
        assert len([c for c in server.gateway.commands if isinstance(c, Connect)]) == 5
        codes = []
        for number in range(8, 16):
            subscribe(client, "{providers{current}}", str(number))
            (error,) = payload_errors(client)
            codes.append(error)
        assert codes == [None] * 2 + ["rate_limited"] * 6
        client.close()


def test_connecting_by_graphql_is_counted_as_connecting_is() -> None:
    with WebServer(rates=Rates(general=100, connection=5), clock=Clock()) as server:
        url = f"{server.url}/graphql"
        connects = "mutation{" + "".join(f"a{n}:disconnect{{success}}" for n in range(3)) + "}"
        answers = [requests.post(url, json={"query": connects}, timeout=20).json() for _ in range(2)]
        assert "errors" not in answers[0]
        assert [e["extensions"]["code"] for e in answers[1]["errors"]] == ["rate_limited"]
        assert requests.post(f"{server.url}/api/disconnect", timeout=20).status_code == 429


def test_nothing_is_left_behind(server: WebServer) -> None:
    client = connected(server)
    subscribe(client, "subscription{status{connected}}")
    payload(client)
    client.__exit__()
    deadline = time.monotonic() + 10
    while server.hub.listeners:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_service_does_not_wait_for_a_silent_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time that it gives a request in flight is longer than this server has to end."""
    monkeypatch.setattr(web_server, "GRACE", 60.0)
    monkeypatch.setattr(web_server, "LAST_GRACE", 60.0)
    with WebServer() as server:
        client = connected(server)
        subscribe(client, "subscription{status{connected}}")
        payload(client)
    client.__exit__()


# --- Scopes ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[tuple[WebServer, dict[str, dict[str, str]], Callable[[], None]]]:
    """A gateway with a password, a key of each scope, and how to revoke them."""
    with WebServer(state_dir=tmp_path) as server, requests.Session() as owner:

        def send(method: str, path: str, body: dict[str, Any] | None = None) -> Any:
            answer = owner.request(method, server.url + path, json=body, timeout=20)
            assert answer.ok, answer.text
            return answer.json()

        send("POST", "/api/auth/password", {"password": "a good password"})
        made = {
            s: send("POST", "/api/auth/keys", {"name": s, "scope": s, "password": "a good password"})
            for s in ("read", "connect", "admin")
        }

        def revoke() -> None:
            for key in send("GET", "/api/auth/keys")["keys"]:
                send("DELETE", f"/api/auth/keys/{key['id']}")

        yield server, {s: {"Authorization": f"Bearer {m['key']}"} for s, m in made.items()}, revoke


READ, CONNECT, ADMIN = (
    "{exits{name}}",
    "mutation{disconnect{success}}",
    'mutation{removeCustomServer(name:"x"){success}}',
)


def test_each_field_needs_the_scope_of_its_endpoint(closed) -> None:
    server, keys, _ = closed

    def codes(headers: dict[str, str]) -> list[str | None]:
        found = []
        for query in (READ, CONNECT, ADMIN):
            answer = requests.post(f"{server.url}/graphql", json={"query": query}, headers=headers, timeout=20)
            errors = answer.json().get("errors") or [{"extensions": {"code": None}}]
            found.append(errors[0]["extensions"]["code"])
        return found

    assert codes(keys["read"]) == [None, "insufficient_scope", "insufficient_scope"]
    assert codes(keys["connect"]) == [None, None, "insufficient_scope"]
    assert codes(keys["admin"]) == [None, None, "not_found"]
    for query in (READ, "{__schema{types{name}}}"):
        assert requests.post(f"{server.url}/graphql", json={"query": query}, timeout=20).status_code == 401
    with pytest.raises(RefusedError) as refused:
        connected(server)
    assert refused.value.status == 401


def test_a_revoked_key_ends_what_was_begun_with_it(closed) -> None:
    server, keys, revoke = closed
    with connected(server, keys["admin"]) as client:
        subscribe(client, "subscription{status{connected}}")
        payload(client)
        revoke()
        told = list(iter(client.receive, None))
        assert [m["type"] for m in told] in ([], ["complete"])
        assert client.closed is not None
    with pytest.raises(RefusedError) as refused:
        connected(server, keys["admin"])
    assert refused.value.status == 401


# --- Cost ------------------------------------------------------------------------------------------------------------


FIRST = """
import asyncio
from app.web.app import create_app
from tests.support.fake_gateway import FakeGateway

async def main():
    client = create_app(FakeGateway(), rates=None).test_client()
    ask = lambda: client.post("/graphql", json={"query": "{exits{name}}"}, headers={"Host": "localhost"})
    ended = False
    async def tick():
        count = 0
        while not ended:
            await asyncio.sleep(0.001)
            count += 1
        return count
    ticking = asyncio.create_task(tick())
    answers = await asyncio.gather(*(ask() for _ in range(5)))
    ended = True
    print([answer.status_code for answer in answers], await ticking > 10)

asyncio.run(main())
"""


def test_many_first_queries_do_not_delay_other_requests() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
    assert done.stdout == "[200, 200, 200, 200, 200] True\n"


def test_it_costs_nothing_until_it_is_used() -> None:
    code = (
        "import sys; from app.web.app import create_app; from tests.support.fake_gateway import FakeGateway;"
        "create_app(FakeGateway()); print([m for m in ('strawberry', 'graphql') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
