"""Every bad request gets the error form and the status that HTTP means; nothing else happens."""

from __future__ import annotations

import logging
import socket

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import ConnectTimeoutError, GatewayError, KernelError, NotImplementedYetError
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.unit.api.conftest import Call, assert_error

JSON = {"Content-Type": "application/json"}


UNKNOWN = ["/api/nothing", "/nothing", "/api/status/", "/api", "/static/no", "/static/%2e%2e/app.py"]


@pytest.mark.parametrize("path", UNKNOWN)
def test_unknown_path(call: Call, path: str) -> None:
    assert_error(call("GET", path), 404, "not_found")


def test_a_person_gets_a_page_for_an_unknown_path(call: Call) -> None:
    answer = call("GET", "/nothing", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert_error(call("GET", "/api/nothing", headers={"Accept": "text/html"}), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/status", {"GET", "HEAD", "OPTIONS"}),
        ("GET", "/api/connect", {"POST", "OPTIONS"}),
        ("POST", "/api/custom/remove/x", {"DELETE", "OPTIONS"}),
        ("POST", "/", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/api/status", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_wrong_method(call: Call, method: str, path: str, allowed: set[str]) -> None:
    answer = call(method, path)
    assert_error(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=latin1"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_wrong_content_type(gateway: FakeGateway, call: Call, headers: dict[str, str]) -> None:
    answer = call("POST", "/api/connect", data=b'{"server":"vpn-se"}', headers=headers)
    assert_error(answer, 415, "unsupported_media_type")
    assert answer.headers["Accept"] == "application/json"
    assert gateway.commands == []


def test_content_type_may_name_utf8(call: Call) -> None:
    headers = {"Content-Type": "Application/JSON; charset=UTF-8"}
    assert call("POST", "/api/connect", data=b'{"server":"se-sto-wg-001"}', headers=headers).status_code == 200


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{'server': 1}",
        b'{"server":NaN}',
        b'{"server":Infinity}',
        b'{"server":"a"} trailing',
        b'{"server":"\xff"}',
        b'{"server":"\\ud800"}',
        b'\xef\xbb\xbf{"server":"a"}',
        '{"server":"a"}'.encode("utf-16"),
        b"\x00",
    ],
)
def test_malformed_json(gateway: FakeGateway, call: Call, data: bytes) -> None:
    assert_error(call("POST", "/api/connect", data=data, headers=JSON), 400, "malformed_request")
    assert gateway.commands == []


def test_no_body_at_all(call: Call) -> None:
    assert_error(call("POST", "/api/connect"), 400, "malformed_request")


@pytest.mark.parametrize(
    ("path", "data", "code", "field"),
    [
        ("/api/connect", b"{}", "missing_field", "server"),
        ("/api/connect", b'{"server":1}', "invalid_field", "server"),
        ("/api/connect", b'{"server":null}', "invalid_field", "server"),
        ("/api/connect", b'{"server":""}', "invalid_field", "server"),
        ("/api/connect", b'{"server":"' + b"x" * 256 + b'"}', "invalid_field", "server"),
        ("/api/connect", b'{"server":"x","sever":"y"}', "unknown_field", "sever"),
        ("/api/connect", b"[]", "invalid_field", None),
        ("/api/connect", b'"vpn-se"', "invalid_field", None),
        ("/api/connect", b"[" * 30_000, "invalid_field", None),
        ("/api/connect", b'{"server":' + b"[" * 30_000, "invalid_field", "server"),
        ("/api/custom/add", b'{"name":"a","endpoint":"b"}', "missing_field", "public_key"),
        ("/api/custom/add", b'{"name":"a","endpoint":"b","public_key":"c","mtu":1e400}', "invalid_field", "mtu"),
        (
            "/api/custom/add",
            b'{"name":"a","endpoint":"b","public_key":"c","mtu":' + b"9" * 40 + b"}",
            "invalid_field",
            "mtu",
        ),
        ("/api/custom/add", b'{"name":"a","endpoint":"b","public_key":"c","mtu":true}', "invalid_field", "mtu"),
        ("/api/import", b'{"name":"a","config":["b"]}', "invalid_field", "config"),
    ],
)
def test_invalid_fields(gateway: FakeGateway, call: Call, path: str, data: bytes, code: str, field: str | None) -> None:
    assert_error(call("POST", path, data=data, headers=JSON), 422, code, field)
    assert gateway.commands == []


def test_messages_are_for_people(call: Call) -> None:
    def message(body: object) -> str:
        return call("POST", "/api/connect", json=body).json()["error"]

    assert message({"server": 1}) == "server: expected text, got a whole number"
    assert message({}) == "server is missing"


def test_a_repeated_key_counts_as_its_last(gateway: FakeGateway, call: Call) -> None:
    """RFC 8259 4 leaves it open; most parsers do this."""
    call("POST", "/api/connect", data=b'{"server":"x","server":"se-sto-wg-001"}', headers=JSON)
    assert gateway.commands[0].server == "se-sto-wg-001"  # type: ignore[union-attr]


@pytest.mark.parametrize(("path", "limit"), [("/api/connect", 64 * 1024), ("/api/import", 1024 * 1024)])
def test_too_large(gateway: FakeGateway, call: Call, path: str, limit: int) -> None:
    def body(size: int) -> bytes:
        start = b'{"name":"a","config":"'
        return start + b"x" * (size - len(start) - 2) + b'"}'

    assert_error(call("POST", path, data=body(limit + 1), headers=JSON), 413, "too_large")
    chunked = (body(limit + 1)[i : i + 65_536] for i in range(0, limit + 1, 65_536))
    assert_error(call("POST", path, data=chunked, headers=JSON), 413, "too_large")
    assert gateway.commands == []
    assert call("POST", path, data=body(limit), headers=JSON).status_code == 422  # read, and then judged


def test_the_answer_to_a_huge_upload_arrives(call: Call) -> None:
    assert_error(call("POST", "/api/import", data=b"x" * 32 * 2**20, headers=JSON), 413, "too_large")
    assert_error(call("POST", "/api/nothing", data=b"x" * 8 * 2**20, headers=JSON), 404, "not_found")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ConnectTimeoutError("no handshake with vpn-se in 15 s"), 504, "connect_timeout"),
        (NotImplementedYetError("mullvad is not there yet"), 501, "not_implemented"),
        (KernelError("the kernel refused"), 500, "kernel"),
    ],
)
def test_errors_of_netd(gateway: FakeGateway, call: Call, error: GatewayError, status: int, code: str) -> None:
    gateway.failure = error
    body = assert_error(call("POST", "/api/connect", json={"server": "vpn-se"}), status, code)
    assert body["error"] == error.message


def test_a_bug_is_opaque_and_its_log_holds_no_secret(
    gateway: FakeGateway, call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.failure = ValueError("PrivateKey = c2VjcmV0")
    with caplog.at_level(logging.DEBUG):
        answer = call("POST", "/api/import", json={"name": "a", "config": "PrivateKey = c2VjcmV0"})
    assert answer.json() == {"success": False, "error": "internal error", "code": "internal"}
    assert answer.status_code == 500
    assert "ValueError" in caplog.text
    assert "c2VjcmV0" not in caplog.text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ("server", "exit", "provider", "name", "endpoint", "public_key", "private_key", "mtu", "config", "policy")
shaped = st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=30) | json_values, max_size=6)
OPERATIONS = (
    ("POST", "/api/connect"),
    ("POST", "/api/disconnect"),
    ("POST", "/api/custom/add"),
    ("POST", "/api/import"),
    ("PUT", "/api/devices/02:00:00:00:00:01/policy"),
)
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzz
@given(operation=st.sampled_from(OPERATIONS), body=shaped | json_values)
def test_no_json_is_our_bug(call: Call, operation: tuple[str, str], body: object) -> None:
    answer = call(*operation, json=body) if _encodable(body) else call(*operation, data=repr(body).encode())
    assert answer.status_code < 500, (body, answer.text)
    assert isinstance(answer.json()["success"], bool)


def _encodable(body: object) -> bool:
    try:
        requests.Request("POST", "http://x/", json=body).prepare()
    except (ValueError, requests.exceptions.InvalidJSONError):
        return False
    return True


@fuzz
@given(operation=st.sampled_from(OPERATIONS), body=st.binary(max_size=200))
def test_no_bytes_are_our_bug(call: Call, operation: tuple[str, str], body: bytes) -> None:
    answer = call(*operation, data=body, headers=JSON)
    assert answer.status_code < 500
    assert isinstance(answer.json()["success"], bool)


@fuzz
@given(method=st.sampled_from(["GET", "POST", "DELETE"]), tail=st.binary(max_size=40))
def test_no_path_is_our_bug(call: Call, method: str, tail: bytes) -> None:
    path = "".join(f"%{b:02X}" for b in tail)
    for root in ("/", "/api/provider/", "/api/custom/remove/", "/static/", "/api/servers?provider="):
        assert call(method, root + path).status_code < 500


@pytest.mark.parametrize(
    "head",
    [
        b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET ?x HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /api/status HTTP/1.0\r\n\r\n",
        b"GET /api/status HTTP/1.1\r\n\r\n",
        b"GET /api/status HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /api/disconnect HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/disconnect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ],
)
def test_bad_http_is_refused_in_the_error_form(server: WebServer, call: Call, head: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(head)
        answer = sock.makefile("rb").read()
    status = int(answer.split(b" ", 2)[1])
    assert 400 <= status < 500, answer
    assert b'"success":false' in answer
    assert call("GET", "/health").text == "healthy"


def test_absolute_form_is_understood(server: WebServer) -> None:
    """RFC 9112 3.2.2: servers must accept it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert sock.makefile("rb").read().endswith(b"healthy")


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PATCH", "/api/settings", {"server_changes": [{"at": 1, "day": [1]}]}, "server_changes[0].day"),
        ("PATCH", "/api/settings", {"failover": {"enable": False}}, "failover.enable"),
        ("PUT", "/api/providers/mullvad/settings", {"prot": 53}, "prot"),
    ],
)
@pytest.mark.owned
def test_unknown_nested_field_is_refused_with_its_path(call, method, path, body, field) -> None:
    """A misspelt field inside the body is named in the error; its default is not used silently."""
    answer = call(method, path, json=body)
    assert (answer.status_code, answer.json()["field"], answer.json()["code"]) == (422, field, "unknown_field")
