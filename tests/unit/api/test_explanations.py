"""Why and what if, as the API and GraphQL ask and answer."""

from __future__ import annotations

import pytest

from app.model import VpnPolicy
from app.protocol.commands import Explain, GetWhy, SetSelfService
from app.protocol.explanations import Supposition
from ci.labnet.owner import PASSWORD
from tests.support.fake_explanations import PHONE, TV
from tests.support.fake_gateway import FakeGateway
from tests.unit.api.conftest import Call, assert_error
from tests.unit.api.test_graphql import data, refusal


def test_why_tells_rule_counter_and_next_step(call: Call, gateway: FakeGateway) -> None:
    answer = call("GET", f"/api/devices/{TV.upper().replace(':', '-')}/why")
    assert gateway.commands[-1] == GetWhy(TV)
    body = answer.json()
    assert (body["state"], body["policy"], body["origin"]) == ("blocked", "blocked", "own")
    assert (body["rule"], body["counter"], body["packets"]) == ("device_blocked", "drop_device_blocked", 7)
    assert body["sentence"] == "Telly has no Internet: its policy is: blocked."
    assert body["next_step"].startswith("Give it the VPN again")
    (path,) = body["paths"]
    assert (path["family"], path["verdict"]) == (4, "blocked")


def test_why_of_an_unknown_device(call: Call) -> None:
    assert_error(call("GET", "/api/devices/02:00:00:00:00:99/why"), 404, "not_found", "mac")
    assert_error(call("GET", "/api/devices/nobody/why"), 422, "invalid_field", "mac")


def test_explain_hands_everything_over(call: Call, gateway: FakeGateway) -> None:
    question = {
        "device": "Telly",
        "destination": "www.example.org",
        "protocol": "udp",
        "port": 123,
        "when": 1.7e9,
        "if": {"exit_down": "default", "policy": "vpn:work", "wan_down": True},
    }
    answer = call("POST", "/api/explain", json=question).json()
    assert gateway.commands[-1] == Explain(
        "Telly", "www.example.org", "udp", 123, 1.7e9, Supposition("default", VpnPolicy("work"), wan_down=True)
    )
    assert (answer["policy"], answer["verdict"], answer["next_step"]) == ("vpn:work", "blocked", "Do something.")
    assert answer["lookup"]["addresses"] == ["192.0.2.80"]
    assert answer["failover"]["server"] == "se-got-wg-001"


def test_explain_without_suppositions(call: Call, gateway: FakeGateway) -> None:
    answer = call("POST", "/api/explain", json={"device": PHONE, "destination": "9.9.9.9"}).json()
    assert gateway.commands[-1] == Explain(PHONE, "9.9.9.9")
    assert (answer["verdict"], answer["lookup"], answer["notes"]) == ("tunnel", None, [])
    assert answer["failover"] is None


UNKNOWN = {"if.other", "suppose"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"device": ""}, "device"),
        ({"destination": ""}, "destination"),
        ({"destination": "x" * 256}, "destination"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"protocol": "sctp"}, "protocol"),
        ({"when": "tomorrow"}, "when"),
        ({"if": {"policy": "nowhere"}}, "if.policy"),
        ({"if": {"exit_down": ""}}, "if.exit_down"),
        ({"if": {"other": 1}}, "if.other"),
        ({"if": {"wan_down": 1}}, "if.wan_down"),
        ({"suppose": {}}, "suppose"),
    ],
)
def test_bad_question_is_refused(call: Call, gateway: FakeGateway, change: dict[str, object], field: str) -> None:
    question = {"device": PHONE, "destination": "9.9.9.9"} | change
    assert_error(
        call("POST", "/api/explain", json=question),
        422,
        "unknown_field" if field in UNKNOWN else "invalid_field",
        field,
    )
    assert gateway.commands == []


def test_graphql_asks_the_same(call: Call, gateway: FakeGateway) -> None:
    paths = "paths{family address verdict exit interface source rule counter sentence}"
    query = f'{{why(mac: "{TV}"){{mac state policy origin rule counter packets sentence nextStep notes {paths}}}}}'
    found, rest = data(call, query)["why"], call("GET", f"/api/devices/{TV}/why").json()
    assert found["nextStep"] == rest["next_step"]
    assert {k: v for k, v in found.items() if k != "nextStep"} == {k: rest[k] for k in found if k != "nextStep"}
    query = (
        'query($if: Supposition){explain(device: "phone", destination: "www.example.org", if: $if, port: 80)'
        f"{{verdict policy sentence nextStep lookup{{name addresses exit sentence}} {paths} notes"
        " failover{provider server sentence}}}"
    )
    found = data(call, query, **{"if": {"exitDown": "default"}})["explain"]
    assert gateway.commands[-1] == Explain("phone", "www.example.org", port=80, suppose=Supposition("default"))
    assert (found["verdict"], found["lookup"]["addresses"]) == ("blocked", ["192.0.2.80"])
    assert found["failover"] == {"provider": "mullvad", "server": "se-got-wg-001", "sentence": "It would be dialled."}
    assert data(call, query)["explain"]["verdict"] == "tunnel"
    error = refusal(call, '{explain(device: "nobody", destination: "9.9.9.9"){verdict}}')
    assert error["extensions"] == {"code": "not_found", "status": 404, "field": "device"}


@pytest.mark.owned
def test_self_service_is_set_with_the_password_where_it_opens(call: Call, gateway: FakeGateway) -> None:
    assert call("GET", "/api/self-service").json() == {
        "everybody": {"allow": "off", "exits": None, "longest_pause": 1800},
        "devices": {},
    }
    assert_error(call("PUT", "/api/self-service", json={"allow": "pause"}), 422, "missing_field", "password")
    assert_error(
        call("PUT", "/api/self-service", json={"allow": "all", "password": "wrong horse"}),
        403,
        "wrong_password",
        "password",
    )
    assert not any(isinstance(c, SetSelfService) for c in gateway.commands)
    assert call("PUT", "/api/self-service", json={"allow": "pause", "longest_pause": 600, "password": PASSWORD}).ok
    assert call("PUT", f"/api/devices/{TV}/self-service", json={"allow": "exit", "exits": ["second"]}).ok
    assert call("GET", "/api/self-service").json() == {
        "everybody": {"allow": "pause", "exits": None, "longest_pause": 600},
        "devices": {TV: {"allow": "exit", "exits": ["second"], "longest_pause": 1800}},
    }
    # As everybody again, who may pause: that opens too.
    again = {"allow": "default"}
    assert_error(call("PUT", f"/api/devices/{TV}/self-service", json=again), 422, "missing_field", "password")
    assert call("PUT", f"/api/devices/{TV}/self-service", json=again | {"password": PASSWORD}).ok
    assert call("GET", "/api/self-service").json()["devices"] == {}


def test_self_service_needs_an_owner(call: Call) -> None:
    for path in ("/api/self-service", f"/api/devices/{TV}/self-service"):
        assert_error(call("PUT", path, json={"allow": "exit"}), 403, "set_password_first")


@pytest.mark.owned
def test_self_service_in_a_bulk_request(call: Call, gateway: FakeGateway) -> None:
    operation = {"op": "set_self_service", "mac": TV, "allow": "all"}
    assert_error(call("POST", "/api/bulk", json={"operations": [operation]}), 422, "missing_field", "password")
    answer = call("POST", "/api/bulk", json={"operations": [operation], "password": PASSWORD})
    assert answer.json()["success"]
    (command,) = [c for c in gateway.commands if isinstance(c, SetSelfService)]
    assert (command.mac, command.password) == (TV, PASSWORD)
    assert PASSWORD not in repr(command)
    closing = {"op": "set_self_service", "allow": "exit", "exits": ["second"]}
    assert call("POST", "/api/bulk", json={"operations": [closing]}).json()["success"]
