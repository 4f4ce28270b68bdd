"""The caller's own device: known by its address, without a password, and by no other site's request."""

from __future__ import annotations

import msgspec
import pytest
import requests

from app.model import SelfService
from app.protocol.commands import ChangeOwnDevice, GetOwnDevice
from tests.support.fake_explanations import PHONE, TV, WHY
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.unit.api.conftest import Call, assert_error
from tests.unit.api.test_graphql import data, refusal


@pytest.fixture
def anybody(server: WebServer):
    """A program of the LAN that knows no password."""

    def send(method: str, path: str = "/api/me", **options):
        return requests.request(method, server.url + path, timeout=20, **options)

    return send


@pytest.mark.owned
def test_device_sees_itself_without_a_password(anybody, gateway: FakeGateway) -> None:
    assert_error(anybody("GET", "/api/devices"), 401, "unauthorized")
    answer = anybody("GET")
    assert gateway.commands[-1] == GetOwnDevice("127.0.0.1")
    body = answer.json()
    assert (body["mac"], body["name"], body["address"], body["state"]) == (PHONE, "phone", "127.0.0.1", "vpn")
    assert (body["self_service"], body["exits"], body["can_pause"], body["longest_pause"]) == ("off", [], False, None)
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.owned
def test_device_decides_what_its_admin_allows(anybody, gateway: FakeGateway) -> None:
    assert_error(anybody("PATCH", json={"exit": "second"}), 403, "not_allowed")
    assert_error(anybody("PATCH", json={"pause": 60}), 403, "not_allowed")
    gateway.explanations.everybody = SelfService("all", None, 600)
    body = anybody("PATCH", json={"exit": "second"}).json()
    assert gateway.commands[-1] == ChangeOwnDevice("127.0.0.1", exit="second")
    assert (body["chosen_exit"], body["policy"], body["exits"]) == ("second", "vpn:second", ["default", "second"])
    assert anybody("PATCH", json={"exit": None}).json()["chosen_exit"] is None
    body = anybody("PATCH", json={"pause": 300}).json()
    assert (body["can_pause"], body["longest_pause"], body["pause"]) == (True, 600, {"until": 1.7e9 + 300})
    assert anybody("PATCH", json={"pause": 0}).json()["pause"] is None


def test_next_step_is_one_that_the_device_can_take(anybody, gateway: FakeGateway) -> None:
    gateway.explanations.here = {"127.0.0.1": TV}
    assert anybody("GET").json()["next_step"] == "Ask the person who looks after this gateway."
    gateway.explanations.everybody = SelfService("exit")
    assert anybody("GET").json()["next_step"].startswith("Choose another exit")
    gateway.explanations.why[TV] = msgspec.structs.replace(WHY[PHONE], mac=TV)
    assert anybody("GET").json()["next_step"] is None


UNKNOWN = {"mac", "address"}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"exit": ""}, "exit"),
        ({"exit": 1}, "exit"),
        ({"pause": -1}, "pause"),
        ({"pause": 86401}, "pause"),
        ({"pause": None}, "pause"),
        ({"mac": TV}, "mac"),
        ({"address": "192.168.77.9"}, "address"),
    ],
)
def test_bad_change_is_refused(anybody, gateway: FakeGateway, change: dict[str, object], field: str) -> None:
    assert_error(anybody("PATCH", json=change), 422, "unknown_field" if field in UNKNOWN else "invalid_field", field)
    assert gateway.commands == []


def test_gateway_itself_is_no_device(anybody, gateway: FakeGateway) -> None:
    gateway.explanations.here = {}
    assert_error(anybody("GET"), 404, "not_a_device")
    assert_error(anybody("PATCH", json={"pause": 60}), 404, "not_a_device")


FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"pause": 60})])
def test_no_other_site_asks_for_the_device(anybody, gateway: FakeGateway, method, body, headers) -> None:
    gateway.explanations.everybody = SelfService("all")
    assert_error(anybody(method, json=body, headers=headers), 403, "cross_site")
    assert gateway.commands == []


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"pause": 60})])
def test_rebinding_does_not_reach_the_device(anybody, gateway: FakeGateway, method, body) -> None:
    gateway.explanations.everybody = SelfService("all")
    assert_error(anybody(method, json=body, headers={"Host": "rebound.evil.example"}), 403, "host_not_allowed")
    assert gateway.commands == []


def test_form_of_another_site_changes_nothing(anybody, gateway: FakeGateway) -> None:
    gateway.explanations.everybody = SelfService("all")
    form = {"Content-Type": "text/plain"}
    assert_error(anybody("PATCH", data='{"pause": 60}', headers=form), 415, "unsupported_media_type")
    answer = anybody("OPTIONS", headers={"Origin": "http://evil.example", "Access-Control-Request-Method": "PATCH"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert gateway.commands == []


@pytest.mark.parametrize("header", ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"])
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("PATCH", {"pause": 60})])
def test_proxy_is_not_taken_for_the_device(anybody, gateway: FakeGateway, method, body, header: str) -> None:
    gateway.explanations.everybody = SelfService("all")
    assert_error(anybody(method, json=body, headers={header: "192.168.77.21"}), 409, "proxied")
    assert gateway.commands == []


@pytest.mark.owned
def test_graphql_knows_the_caller_too(call: Call, gateway: FakeGateway) -> None:
    fields = "mac address state selfService exits chosenExit canPause longestPause pause{until} sentence nextStep"
    assert data(call, f"{{me{{{fields}}}}}")["me"]["mac"] == PHONE
    error = refusal(call, 'mutation{changeMe(exit: "second"){chosenExit}}')
    assert error["extensions"]["code"] == "not_allowed"
    gateway.explanations.everybody = SelfService("all")
    assert data(call, 'mutation{changeMe(exit: "second"){chosenExit}}')["changeMe"] == {"chosenExit": "second"}
    assert data(call, "mutation{changeMe(pause: 60){chosenExit pause{until}}}")["changeMe"] == {
        "chosenExit": "second",
        "pause": {"until": 1.7e9 + 60},
    }
    assert data(call, "mutation{changeMe(exit: null){chosenExit}}")["changeMe"] == {"chosenExit": None}
