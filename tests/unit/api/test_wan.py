"""The WAN over HTTP: who may choose it, what is refused and why, and what the answers tell."""

from __future__ import annotations

import msgspec
import pytest

from app.errors import ConflictError
from app.model import WanChoice
from app.protocol.commands import ChooseWan
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.unit.api.conftest import Call, assert_error

pytestmark = pytest.mark.owned


def test_ports_and_choice_are_reported(call: Call, gateway: FakeGateway) -> None:
    gateway.state = msgspec.structs.replace(gateway.state, wan_choice=WanChoice("usb-1.1", "network.wan"))
    answer = call("GET", "/api/wan").json()
    status = call("GET", "/api/status").json()
    assert {k: v for k, v in answer.items() if k != "ports"} == {
        "port": "usb-1.1",
        "fixed_by": "network.wan",
        "interface": "eth0",
        "problem": None,
    }
    assert answer["ports"] == status["ports"]
    assert status["wan_choice"] == {"port": "usb-1.1", "fixed_by": "network.wan"}


def test_a_port_is_chosen_and_given_back(call: Call, server: WebServer, gateway: FakeGateway) -> None:
    server.run(gateway.lose_wan)
    answer = call("PUT", "/api/wan", json={"port": "00:e0:4c:00:00:02"})
    assert (answer.status_code, answer.json()["interface"], answer.json()["problem"]) == (200, "eth1", None)
    assert gateway.commands == [ChooseWan("00:e0:4c:00:00:02")]
    assert call("PUT", "/api/wan", json={"port": None}).json()["problem"]["reason"] == "wan_unknown"
    assert gateway.commands[-1] == ChooseWan(None)


@pytest.mark.parametrize("port", ["eth7", "radio0", "eth0; reboot", "", "a" * 65, 7, "é"])
def test_what_is_no_port_for_a_wan_is_refused(call: Call, gateway: FakeGateway, port: object) -> None:
    before = gateway.state
    assert_error(call("PUT", "/api/wan", json={"port": port}), 422, "invalid_field", "port")
    assert gateway.state == before


def test_nothing_said_is_not_automatic(call: Call, gateway: FakeGateway) -> None:
    answer = call("PUT", "/api/wan", json={})
    assert (answer.status_code, answer.json()["field"]) == (422, "port")
    assert call("PUT", "/api/wan", json={"port": "eth1", "force": True}).json()["field"] == "force"
    assert gateway.commands == []


def test_what_the_card_names_is_reported(call: Call, gateway: FakeGateway) -> None:
    gateway.failure = ConflictError("gateway.toml names the WAN", field="port", code="wan_fixed")
    assert_error(call("PUT", "/api/wan", json={"port": "eth1"}), 409, "wan_fixed", "port")
