"""Groups, schedules and exceptions over HTTP, in front of a fake gateway: what netd is asked, and what is refused."""

from __future__ import annotations

import time
from typing import Any

import pytest
from msgspec.structs import replace

from app.api import exceptions
from app.model import BlockedPolicy, Group, PolicyException, ScheduleEntry, VpnPolicy
from app.policies import PlannedPolicies, planned
from app.protocol.commands import Bulk, ChangeException, SetDevicePolicy, SetGroup, StartException
from ci.labnet.owner import PASSWORD
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.unit.api.conftest import Call, assert_error, call, gateway, server

__all__ = ["call", "gateway", "server"]

TV = "02:00:00:00:00:01"
ALWAYS = {"days": [0, 1, 2, 3, 4, 5, 6], "start": 0, "end": 0}


@pytest.mark.owned
def test_exception_from_its_start_to_its_end(call: Call, gateway: FakeGateway) -> None:
    before = time.time()
    made = call("POST", "/api/exceptions", json={"device": TV.replace(":", "-"), "policy": "vpn:se", "for": 60}).json()
    one = made["exception"]
    assert (one["device"], one["policy"], one["by"], one["kernel"]) == (TV, "vpn:se", "API key the lab", True)
    assert before + 59 < one["until"] < time.time() + 61
    assert gateway.commands[-1] == StartException(VpnPolicy("se"), TV, seconds=60.0, by="API key the lab")
    (device,) = [d for d in call("GET", "/api/devices").json()["devices"] if d["mac"] == TV]
    assert (device["policy"], device["standing_policy"]) == ("vpn:se", "vpn")
    assert (device["policy_source"], device["exception"]) == ("exception", one["id"])
    until = time.time() + 999
    assert call("PATCH", f"/api/exceptions/{one['id']}", json={"until": until}).json()["exception"]["until"] == until
    assert 'vpn_gateway_policy_exceptions{policy="vpn:se"} 1.0' in call("GET", "/metrics").text
    assert call("DELETE", f"/api/exceptions/{one['id']}").json()["success"]
    assert call("GET", "/api/exceptions").json() == {"exceptions": []}


@pytest.mark.owned
def test_what_closes_is_not_ended_by_the_kernel(call: Call) -> None:
    one = call("POST", "/api/exceptions", json={"device": TV, "policy": "blocked", "for": 60}).json()["exception"]
    assert one["kernel"] is False


FAULTS = [
    ("POST", "/api/exceptions", {"device": TV, "policy": "blocked", "for": 0}, "for"),
    ("POST", "/api/exceptions", {"device": TV, "policy": "blocked", "for": 30 * 86400 + 1}, "for"),
    ("POST", "/api/exceptions", {"device": TV, "policy": "blocked", "for": "soon"}, "for"),
    ("POST", "/api/exceptions", {"device": "01:00:5e:00:00:01", "policy": "blocked", "for": 9}, "device"),
    ("POST", "/api/exceptions", {"device": TV, "policy": "open", "for": 9}, "policy"),
    ("POST", "/api/exceptions", {"device": TV, "policy": "blocked", "for": 9, "reason": "x" * 201}, "reason"),
    ("PATCH", "/api/exceptions/1", {}, "for"),
    ("PATCH", "/api/exceptions/1", {"for": 9, "until": 9}, "for"),
    ("PATCH", "/api/exceptions/x", {"for": 9}, "number"),
    ("DELETE", "/api/exceptions/-1", None, "number"),
    ("PUT", "/api/groups/a", {"policy": "open"}, "policy"),
    ("PUT", "/api/groups/a", {"schedule": [{**ALWAYS, "policy": "vpn", "days": [7]}]}, "schedule[0].days[0]"),
    ("PUT", "/api/groups/a", {"schedule": [{**ALWAYS, "policy": "vpn", "end": 1440}]}, "schedule[0].end"),
    ("PUT", "/api/groups/a", {"schedule": [{**ALWAYS, "policy": "vpn"}] * 51}, "schedule"),
    ("PUT", "/api/groups/" + "a" * 65, {}, "name"),
    ("PUT", "/api/devices/nobody/schedule", {"schedule": []}, "mac"),
]


@pytest.mark.owned
@pytest.mark.parametrize(("method", "path", "body", "field"), FAULTS, ids=[str(n) for n in range(len(FAULTS))])
def test_bad_input_names_the_field(
    call: Call, gateway: FakeGateway, method: str, path: str, body: dict[str, object] | None, field: str
) -> None:
    answer = call(method, path, json=body)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert gateway.commands == []


@pytest.mark.owned
def test_group_is_set_shown_and_removed(call: Call, gateway: FakeGateway) -> None:
    body = {"policy": "blocked", "schedule": [{**ALWAYS, "policy": "vpn"}]}
    assert call("PUT", "/api/groups/the children", json=body).json()["success"]
    always = ScheduleEntry(frozenset(range(7)), 0, 0, VpnPolicy())
    assert gateway.state.groups == (Group("the children", BlockedPolicy(), (always,)),)
    (shown,) = call("GET", "/api/groups").json()["groups"]
    assert shown == {"name": "the children", "policy": "blocked", "schedule": body["schedule"], "devices": []}
    assert call("DELETE", "/api/groups/the children").json()["success"]
    assert_error(call("DELETE", "/api/groups/the children"), 404, "not_found", "name")


IN_THE_CLEAR = [
    ("POST", "/api/exceptions", {"device": TV, "policy": "direct", "for": 60}),
    ("PUT", "/api/groups/guests", {"policy": "direct"}),
    ("PUT", "/api/groups/guests", {"schedule": [{**ALWAYS, "policy": "direct"}]}),
    ("PUT", f"/api/devices/{TV}/schedule", {"schedule": [{**ALWAYS, "policy": "direct"}]}),
    ("POST", "/api/bulk", {"operations": [{"op": "start_exception", "device": TV, "policy": "direct", "for": 60}]}),
    ("POST", "/api/bulk", {"operations": [{"op": "set_group", "name": "guests", "policy": "direct"}]}),
]


@pytest.mark.owned
@pytest.mark.parametrize(("method", "path", "body"), IN_THE_CLEAR, ids=[str(n) for n in range(len(IN_THE_CLEAR))])
def test_every_way_into_the_clear_takes_the_password(
    call: Call, gateway: FakeGateway, method: str, path: str, body: dict[str, object]
) -> None:
    assert_error(call(method, path, json=body), 422, "missing_field", "password")
    assert_error(call(method, path, json=body | {"password": "not the password"}), 403, "wrong_password", "password")
    assert gateway.commands == []
    assert call(method, path, json=body | {"password": PASSWORD}).status_code == 200
    command = gateway.commands[0]
    command = command.commands[0] if isinstance(command, Bulk) else command
    assert getattr(command, "password", None) == PASSWORD
    assert PASSWORD not in repr(command)


@pytest.mark.owned
def test_prolonging_the_clear_takes_the_password(call: Call) -> None:
    body = {"device": TV, "policy": "direct", "for": 60, "password": PASSWORD}
    number = call("POST", "/api/exceptions", json=body).json()["exception"]["id"]
    assert_error(call("PATCH", f"/api/exceptions/{number}", json={"for": 90}), 422, "missing_field", "password")
    assert call("PATCH", f"/api/exceptions/{number}", json={"for": 30}).status_code == 200
    assert call("PATCH", f"/api/exceptions/{number}", json={"for": 90, "password": PASSWORD}).status_code == 200


@pytest.mark.owned
def test_all_of_it_in_one_bulk_request(call: Call, gateway: FakeGateway) -> None:
    operations = [
        {"op": "set_group", "name": "guests", "policy": "blocked"},
        {"op": "set_device_schedule", "mac": TV, "schedule": [{**ALWAYS, "policy": "vpn"}]},
        {"op": "start_exception", "group": "guests", "policy": "vpn", "for": 60, "reason": "party"},
        {"op": "change_exception", "id": 1, "for": 90},
        {"op": "end_exception", "id": 1},
        {"op": "remove_group", "name": "guests"},
        {"op": "set_device_policy", "mac": TV, "policy": "inherit"},
    ]
    answer = call("POST", "/api/bulk", json={"operations": operations})
    assert answer.json()["success"], answer.text
    (command,) = [c for c in gateway.commands if isinstance(c, Bulk)]
    assert command.commands[0] == SetGroup("guests", BlockedPolicy())
    assert command.commands[2] == StartException(
        VpnPolicy(), group="guests", seconds=60.0, reason="party", by="API key the lab"
    )
    assert command.commands[3] == ChangeException(1, 90.0)
    assert command.commands[6] == SetDevicePolicy(TV, None)
    assert (gateway.state.groups, gateway.state.exceptions) == ((), ())


@pytest.mark.owned
def test_own_policy_is_taken_away_by_inherit(call: Call, gateway: FakeGateway) -> None:
    assert call("PUT", f"/api/devices/{TV}/policy", json={"policy": "inherit"}).status_code == 200
    assert gateway.commands[-1] == SetDevicePolicy(TV, None)
    (device,) = [d for d in call("GET", "/api/devices").json()["devices"] if d["mac"] == TV]
    assert (device["own_policy"], device["policy_source"]) == (False, "default")


def test_without_an_owner_one_can_only_block(call: Call, server: WebServer) -> None:
    body = {"device": TV, "policy": "vpn", "for": 60}
    assert_error(call("POST", "/api/exceptions", json=body), 403, "set_password_first")
    assert call("POST", "/api/exceptions", json=body | {"policy": "blocked"}).status_code == 200
    assert_error(call("PUT", "/api/groups/a", json={"policy": "blocked"}), 403, "set_password_first")


GRAPHQL = """mutation($s: [ScheduleInput!]!) {
  setGroup(name: "guests", policy: "blocked", schedule: $s) { success }
  setDeviceSchedule(mac: "02:00:00:00:00:01", schedule: $s) { success }
  startException(policy: "vpn:se", device: "02:00:00:00:00:01", for: 60, reason: "film") { id until kernel }
  changeException(id: 1, for: 90) { id secondsLeft }
  changeDeviceSettings(newDevicePolicy: "wait", timeZone: "Europe/Berlin") { newDevicePolicy timeZone }
}"""


@pytest.mark.owned
def test_the_same_by_graphql(call: Call) -> None:
    variables = {"s": [{**ALWAYS, "policy": "vpn"}]}
    answer = call("POST", "/graphql", json={"query": GRAPHQL, "variables": variables}).json()
    assert "errors" not in answer, answer
    assert answer["data"]["startException"]["kernel"] is True
    assert answer["data"]["changeDeviceSettings"] == {"newDevicePolicy": "wait", "timeZone": "Europe/Berlin"}
    settings = call("POST", "/graphql", json={"query": "{deviceSettings{defaultPolicy newDevicePolicy}}"}).json()
    assert settings["data"]["deviceSettings"] == {"defaultPolicy": "vpn", "newDevicePolicy": "wait"}
    query = "{groups{name policy schedule{days start end policy} devices} exceptions{id device policy reason by}}"
    found = call("POST", "/graphql", json={"query": query}).json()["data"]
    assert found["groups"] == call("GET", "/api/groups").json()["groups"]
    assert found["exceptions"] == [
        {"id": 1, "device": TV, "policy": "vpn:se", "reason": "film", "by": "API key the lab"}
    ]
    ending = 'mutation{endException(id: 1){success} removeGroup(name: "guests"){success}}'
    ended = call("POST", "/graphql", json={"query": ending})
    assert "errors" not in ended.json()


def test_one_plan_tells_of_all_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 256 made a plan of 1,000 devices, in the web process's only thread."""
    plans: list[object] = []

    def count(*given: Any) -> PlannedPolicies:
        plans.append(given)
        return planned(*given)

    monkeypatch.setattr(exceptions, "planned", count)
    some = tuple(
        PolicyException(n, n, VpnPolicy("se"), 0.0, time.time() + 60, 60.0, "x", f"02:00:00:00:01:{n:02x}")
        for n in range(1, 9)
    )
    now = replace(FakeGateway().state, exceptions=some)
    assert [body.kernel for body in exceptions.exception_bodies(some, now)] == [True] * 8
    assert len(plans) == 1
