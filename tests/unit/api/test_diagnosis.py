"""Leak test and log over HTTP."""

from __future__ import annotations

import pytest

from app.api.operation import declared
from app.api.support import support_file
from app.errors import TooManyRequestsError
from app.protocol.commands import GetLogs, LeakTest, MakeSupportFile
from tests.support.fake_gateway import FakeGateway
from tests.unit.api.conftest import Call, assert_error

pytestmark = pytest.mark.owned


def test_the_leak_test_answers_step_by_step(call: Call, gateway: FakeGateway) -> None:
    answer = call("POST", "/api/leak-test").json()
    assert answer["ok"] is True
    assert answer["checks"] == [{"name": "rules", "result": "ok", "message": "Firewall and routes are as planned."}]
    assert gateway.commands == [LeakTest("default")]


def test_an_exit_that_is_not_there_is_named(call: Call) -> None:
    assert_error(call("POST", "/api/leak-test", json={"exit": "nowhere"}), 404, "not_found", "exit")


def test_logs_are_asked_for_by_number(call: Call, gateway: FakeGateway) -> None:
    answer = call("GET", "/api/logs?lines=7&after=1").json()
    assert ([line["message"] for line in answer["lines"]], answer["last"]) == (["line 2", "line 3"], 3)
    assert gateway.commands == [GetLogs(7, 1)]
    assert_error(call("GET", "/api/logs?lines=0"), 422, "invalid_field", "lines")


def test_the_support_file_is_text_that_the_browser_saves(call: Call, gateway: FakeGateway) -> None:
    answer = call("GET", "/api/support")
    assert (answer.status_code, answer.text) == (200, "VPN Gateway: support file\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="vpn-gateway-support-20')
    assert gateway.commands == [MakeSupportFile()]
    assert declared(support_file).limit == "connection", "it costs more than a look at the state"


def test_a_second_support_file_has_to_wait(call: Call, gateway: FakeGateway) -> None:
    gateway.failure = TooManyRequestsError(
        "a support file is being made; try again in a moment", code="busy", retry_after=7.2
    )
    answer = call("GET", "/api/support")
    assert_error(answer, 429, "busy")
    assert answer.headers["Retry-After"] == "8"
