"""The exits in the API, GraphQL and bulk requests."""

from __future__ import annotations

import pytest

from app.model import ExitSettings, Fallback, Never, ServerChange
from app.protocol.commands import Connect, RemoveExit
from ci.labnet.owner import PASSWORD
from tests.support.fake_gateway import FakeGateway
from tests.unit.api.conftest import Call, assert_error

pytestmark = pytest.mark.owned

TV = "02:00:00:00:00:01"
FULL = {
    "name": "tv",
    "label": "Television",
    "provider": "mullvad",
    "target": "fastest:Sweden",
    "fallbacks": [{"target": "Norway"}, {"provider": "custom", "target": "vpn-de"}],
    "dns": ["9.9.9.9", "2620:fe::fe"],
    "mtu": 1380,
    "auto_connect": False,
    "server_changes": [{"at": 240, "days": [0, 6], "select": "random"}],
    "never": {"servers": ["mullvad/x"], "hosters": ["M247"], "countries": ["us"]},
}


def test_everything_of_an_exit_comes_back(gateway: FakeGateway, call: Call) -> None:
    made = call("POST", "/api/exits", json=FULL)
    assert made.status_code == 200, made.text
    (default, tv) = call("GET", "/api/exits").json()["exits"]
    assert made.json()["exit"] == tv == call("GET", "/api/exits/tv").json()
    assert (
        tv.items()
        >= {
            **FULL,
            "fallbacks": [{"target": "Norway", "provider": None}, {"target": "vpn-de", "provider": "custom"}],
            "devices": [],
            "groups": [],
            "default_policy": False,
        }.items()
    )
    assert (tv["status"]["name"], tv["status"]["state"]) == ("tv", "disconnected")
    assert (default["name"], default["default_policy"], default["devices"]) == ("default", True, [TV])
    assert gateway.state.exit_settings[1].never == Never(("mullvad/x",), ("M247",), ("us",))
    assert gateway.state.exit_settings[1].server_changes == (ServerChange(240, frozenset({0, 6})),)
    assert [e["name"] for e in call("GET", "/api/status").json()["exits"]] == ["default", "tv"]


def test_what_is_left_out_stays_and_null_takes_it_away(gateway: FakeGateway, call: Call) -> None:
    call("POST", "/api/exits", json=FULL)
    answer = call("PATCH", "/api/exits/tv", json={"label": None, "mtu": None, "name": "telly"})
    assert (
        answer.json()["exit"].items()
        >= {"name": "telly", "label": None, "mtu": None, "target": "fastest:Sweden"}.items()
    )
    assert call("PATCH", "/api/exits/telly", json={}).status_code == 200
    assert gateway.state.exit_settings[1].fallbacks == (Fallback("Norway"), Fallback("vpn-de", "custom"))
    assert_error(call("GET", "/api/exits/tv"), 404, "not_found", "name")


BAD = [
    ({}, "missing_field", "name"),
    ({"name": "A"}, "invalid_field", "name"),
    ({"name": "x" * 33}, "invalid_field", "name"),
    ({"name": "direct"}, "invalid_field", "name"),
    ({"name": "x", "lable": "y"}, "unknown_field", "lable"),
    ({"name": "x", "mtu": 1000}, "invalid_field", "mtu"),
    ({"name": "x", "dns": ["1.1.1"]}, "invalid_field", "dns[0]"),
    ({"name": "x", "dns": ["192.168.77.1"]}, "invalid_field", "dns"),
    ({"name": "x", "fallbacks": [{"provider": "custom"}]}, "missing_field", "fallbacks[0].target"),
    ({"name": "x", "server_changes": [{"at": 1440}]}, "invalid_field", "server_changes[0].at"),
    ({"name": "x", "never": {"countries": "us"}}, "invalid_field", "never.countries"),
]


@pytest.mark.parametrize(("body", "code", "field"), BAD, ids=range(len(BAD)))
def test_bad_exit_is_refused_with_its_field(gateway: FakeGateway, call: Call, body, code, field) -> None:
    before = gateway.state
    assert_error(call("POST", "/api/exits", json=body), 422, code, field)
    if "name" in body and field != "name":
        call("POST", "/api/exits", json={"name": "tv"})
        change = {key: value for key, value in body.items() if key != "name"}
        assert_error(call("PATCH", "/api/exits/tv", json=change), 422, code, field)
    else:
        assert gateway.state == before


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"label": "x"}), ("DELETE", {})])
def test_unknown_exit_is_named(call: Call, method: str, body: dict | None) -> None:
    assert_error(call(method, "/api/exits/nowhere", json=body), 404, "not_found", "name")


@pytest.mark.parametrize("then", ["", "exit:", "exit", "vpn", "blocked:", "direct "])
def test_unknown_answer_to_what_is_next_removes_nothing(call: Call, then: str) -> None:
    call("POST", "/api/exits", json={"name": "tv"})
    assert_error(call("DELETE", "/api/exits/tv", json={"then": then}), 422, "invalid_field", "then")
    assert call("GET", "/api/exits/tv").status_code == 200


def test_name_in_use_and_seventeenth_are_refused(call: Call) -> None:
    assert_error(call("POST", "/api/exits", json={"name": "default"}), 409, "name_in_use", "name")
    for number in range(15):
        assert call("POST", "/api/exits", json={"name": f"x{number}"}).status_code == 200
    assert_error(call("POST", "/api/exits", json={"name": "x15"}), 409, "too_many", "name")


def test_exit_in_use_is_removed_with_an_answer(gateway: FakeGateway, call: Call) -> None:
    def used() -> None:
        call("POST", "/api/exits", json={"name": "tv"})
        call("PUT", f"/api/devices/{TV}/policy", json={"policy": "vpn:tv"})

    used()
    assert call("GET", "/api/exits/tv").json()["devices"] == [TV]
    assert_error(call("DELETE", "/api/exits/tv"), 409, "exit_in_use", "then")
    assert_error(call("DELETE", "/api/exits/tv", json={"then": "open"}), 422, "invalid_field", "then")
    assert_error(call("DELETE", "/api/exits/tv", json={"then": "exit:nowhere"}), 404, "not_found", "then")
    assert_error(call("DELETE", "/api/exits/tv", json={"then": "direct"}), 422, "missing_field", "password")
    assert_error(call("DELETE", "/api/exits/default"), 409, "default_exit", "name")
    for then, policy in (("blocked", "blocked"), ("default", "vpn"), ("exit:default", "vpn")):
        assert call("DELETE", "/api/exits/tv", json={"then": then}).json() == {"success": True}
        assert next(d["policy"] for d in call("GET", "/api/devices").json()["devices"] if d["mac"] == TV) == policy
        used()
    assert call("DELETE", "/api/exits/tv", json={"then": "direct", "password": PASSWORD}).status_code == 200
    assert gateway.commands[-1] == RemoveExit("tv", gateway.state.devices[0].policy, PASSWORD)


def test_connect_without_a_server_needs_a_target(gateway: FakeGateway, call: Call) -> None:
    assert_error(call("POST", "/api/connect", json={}), 422, "missing_field", "server")
    assert_error(call("POST", "/api/connect", json={"exit": "tv"}), 404, "not_found", "exit")
    bulk = {"operations": [{"op": "connect", "exit": "tv"}]}
    assert (
        "there is no exit"
        in assert_error(call("POST", "/api/bulk", json=bulk), 422, "invalid_field", "operations[0]")["error"]
    )
    call("POST", "/api/exits", json={"name": "tv"})
    assert_error(call("POST", "/api/connect", json={"exit": "tv"}), 422, "missing_field", "server")
    call("PATCH", "/api/exits/tv", json={"target": "se-sto-wg-001"})
    assert call("POST", "/api/connect", json={"exit": "tv"}).json() == {"success": True}
    assert gateway.commands[-1] == Connect(None, "tv")
    assert call("GET", "/api/exits/tv").json()["status"]["server"] == "se-sto-wg-001"
    assert call("GET", "/api/status").json()["connected"] is False  # that is the default exit's


def test_bulk_request_makes_changes_and_removes_exits(gateway: FakeGateway, call: Call) -> None:
    operations = [
        {"op": "make_exit", "name": "tv", "target": "se-sto-wg-001"},
        {"op": "connect", "exit": "tv"},
        {"op": "change_exit", "name": "tv", "change": {"name": "telly"}},
        {"op": "set_device_policy", "mac": TV, "policy": "vpn:telly"},
        {"op": "remove_exit", "name": "telly", "then": "blocked"},
    ]
    answer = call("POST", "/api/bulk", json={"operations": operations})
    assert answer.status_code == 200, answer.text
    assert answer.json()["success"] is True
    assert [one.name for one in gateway.state.exits] == ["default"]
    bad = call("POST", "/api/bulk", json={"operations": [operations[0], {"op": "connect"}]})
    assert_error(bad, 422, "missing_field", "operations[1].server")
    direct = {"op": "remove_exit", "name": "tv", "then": "direct"}
    assert_error(call("POST", "/api/bulk", json={"operations": [direct]}), 422, "missing_field", "password")


def graphql(call: Call, query: str) -> dict:
    answer = call("POST", "/graphql", json={"query": query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_graphql_makes_changes_and_removes_exits(gateway: FakeGateway, call: Call) -> None:
    made = graphql(
        call,
        'mutation { makeExit(exit: {name: "tv", target: "Sweden", dns: ["9.9.9.9"], never: {countries: ["us"]},'
        ' fallbacks: [{target: "Norway"}], serverChanges: [{at: 60}]}) { success exit { name status { state } } } }',
    )
    assert "data" in made, made
    assert made["data"]["makeExit"] == {"success": True, "exit": {"name": "tv", "status": {"state": "DISCONNECTED"}}}
    assert gateway.state.exit_settings[1].fallbacks == (Fallback("Norway"),)
    graphql(call, 'mutation { changeExit(name: "tv", change: {name: "telly", target: null, mtu: 1400}) { success } }')
    fields = (
        "name target mtu dns autoConnect never { countries } serverChanges { at days select } defaultPolicy devices"
    )
    found = graphql(call, f"{{ exitSettings {{ {fields} }} status {{ exits {{ label asked }} }} }}")["data"]
    assert found["exitSettings"][1] == {
        "name": "telly",
        "target": None,
        "mtu": 1400,
        "dns": ["9.9.9.9"],
        "autoConnect": True,
        "never": {"countries": ["us"]},
        "serverChanges": [{"at": 60, "days": [0, 1, 2, 3, 4, 5, 6], "select": "random"}],
        "defaultPolicy": False,
        "devices": [],
    }
    refused = graphql(call, 'mutation { removeExit(name: "default") { success } }')
    assert refused["errors"][0]["extensions"]["code"] == "default_exit"
    graphql(call, 'mutation { removeExit(name: "telly") { success } }')
    assert gateway.state.exit_settings == (ExitSettings("default"),)
