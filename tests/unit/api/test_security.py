"""DNS rebinding, cross-site requests, headers; and HTTP/1.1 only."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import msgspec
import pytest
import requests

from app.api.security import CONTENT_SECURITY_POLICY
from app.model import LanSettings
from app.protocol.events import StatusChanged
from ci.labnet.owner import AUTHORIZATION, own
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer
from tests.support.ws_client import RefusedError, WebSocketClient
from tests.unit.api.conftest import Call, assert_error

OUR_HOSTS = [
    "localhost",
    "localhost:5000",
    "LOCALHOST.",
    "vpn-gateway",
    "VPN-Gateway.lan:5000",
    "vpn-gateway.local",
    "127.0.0.1",
    "192.168.77.1:5000",
    "203.0.113.200",
    "[::1]:5000",
    "[fd00::1]",
    "[fe80::1%25eth0]:5000",
]
OTHER_HOSTS = [
    "evil.example",
    "evil.example:5000",
    "vpn-gateway.lan.evil.example",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "vpn-gateway.lan.attacker",
    "xlocalhost",
    "192.168.77.1x",
    "0x7f.1",
]
NO_HOSTS = [
    "user@localhost",
    "localhost/x",
    "[::1",
    "localhost:port",
    "localhost:70000",
    ":5000",
    "a b",
    "[::1]evil.example",
    "vpn-gateway.lan%2eevil.example",
    "[fe80::1%evil.example]x",
    "localhost..",
]
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "Text/Plain;charset=utf-8"]


@pytest.mark.parametrize("host", OUR_HOSTS)
def test_our_own_hosts_are_answered(call: Call, host: str) -> None:
    assert call("GET", "/api/status", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", OTHER_HOSTS)
@pytest.mark.parametrize("path", ["/api/status", "/", "/health", "/api/nothing", "/static/main.js"])
def test_rebinding_is_refused_everywhere(call: Call, host: str, path: str) -> None:
    assert_error(call("GET", path, headers={"Host": host}), 403, "host_not_allowed")


@pytest.mark.parametrize("host", NO_HOSTS)
def test_hosts_that_are_none(call: Call, host: str) -> None:
    assert call("GET", "/api/status", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_what_a_form_sends_changes_nothing(call: Call, gateway: FakeGateway, form: str, body: bytes) -> None:
    """Browsers before 2020 send a form of another site without an Origin."""
    answer = call("POST", "/api/disconnect", data=body, headers={"Content-Type": form})
    assert_error(answer, 415, "unsupported_media_type")
    assert gateway.commands == []
    assert call("POST", "/api/disconnect").status_code == 200  # the control: a program without a body


def test_names_follow_the_settings(server: WebServer, gateway: FakeGateway, call: Call) -> None:
    headers = {"Host": "casa.home.arpa:5000"}
    assert_error(call("GET", "/api/status", headers=headers), 403, "host_not_allowed")
    lan = LanSettings(hostname="Casa", domain="home.arpa")
    with WebSocketClient(server.port) as client:
        client.receive()
        gateway.state = msgspec.structs.replace(gateway.state, lan=lan)
        server.run(lambda: gateway.publish(StatusChanged()))
        client.receive()
    assert call("GET", "/api/status", headers=headers).status_code == 200
    assert call("GET", "/api/status", headers={"Host": "casa.local"}).status_code == 200
    assert call("GET", "/api/status", headers={"Host": "vpn-gateway.lan"}).status_code == 200


def test_a_name_of_ones_own_is_answered_while_it_is_set(tmp_path: Path) -> None:
    own(tmp_path)
    with WebServer(state_dir=tmp_path) as server, requests.Session() as session:
        session.headers.update(AUTHORIZATION)

        def status(host: str) -> int:
            return session.get(f"{server.url}/api/status", headers={"Host": host}, timeout=20).status_code

        refused = session.get(f"{server.url}/api/status", headers={"Host": "gateway.home.example"}, timeout=20)
        assert_error(refused, 403, "host_not_allowed")
        assert "vpn-gateway host-names add" in refused.json()["error"]
        with WebSocketClient(server.port, headers=AUTHORIZATION) as client:
            client.receive()
            for names, expected in ((["gateway.HOME.example."], 200), ([], 403)):
                answer = session.patch(f"{server.url}/api/settings", json={"host_names": names}, timeout=20)
                assert answer.json()["host_names"] == names, answer.text
                message = client.receive()
                assert message is not None
                assert message["payload"] == {"changed": ["host_names"]}
                assert status("Gateway.home.example:5000") == expected
                assert status("x.gateway.home.example") == 403
                assert status("localhost") == 200


CROSS_SITE = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:6000"},
    {"Origin": "https://localhost"},
    {"Origin": "http://localhost.evil.example:5000"},
    {"Origin": "http://evil.example@localhost:5000"},
    {"Origin": "chrome-extension://abc"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:5000"},
    {"Sec-Fetch-Site": "nonsense"},
]
SAME_SITE = [
    {},
    {"Origin": "http://localhost:5000"},
    {"Origin": "http://LOCALHOST:5000"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:5000"},
]
MUTATIONS = [
    ("POST", "/api/connect"),
    ("POST", "/api/disconnect"),
    ("POST", "/api/provider/custom"),
    ("POST", "/api/custom/add"),
    ("DELETE", "/api/custom/remove/vpn-se"),
    ("POST", "/api/import"),
    ("PUT", "/api/devices/02:00:00:00:00:01/policy"),
    ("POST", "/api/nothing"),
]


@pytest.mark.parametrize("headers", CROSS_SITE)
def test_cross_site_mutations_are_refused(gateway: FakeGateway, call: Call, headers: dict[str, str]) -> None:
    for method, path in MUTATIONS:
        answer = call(method, path, headers={"Host": "localhost:5000", **headers})
        assert_error(answer, 403, "cross_site")
    assert gateway.commands == []


@pytest.mark.parametrize("headers", CROSS_SITE)
def test_cross_site_web_sockets_are_refused(server: WebServer, headers: dict[str, str]) -> None:
    with pytest.raises(RefusedError) as refused:
        WebSocketClient(server.port, host="localhost:5000", headers=headers)
    assert (refused.value.status, refused.value.body["code"]) == (403, "cross_site")
    assert refused.value.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert server.hub.listeners == 0


@pytest.mark.parametrize("headers", SAME_SITE)
def test_own_pages_and_programs_are_served(server: WebServer, call: Call, headers: dict[str, str]) -> None:
    assert call("POST", "/api/disconnect", headers={"Host": "localhost:5000", **headers}).status_code == 200
    with WebSocketClient(server.port, host="localhost:5000", headers=headers) as client:
        assert client.receive()


def test_own_origin_has_many_spellings(call: Call) -> None:
    for host, origin in (
        ("192.168.77.1", "http://192.168.77.1"),
        ("192.168.77.1:80", "http://192.168.77.1"),
        ("vpn-gateway.lan:443", "https://vpn-gateway.lan"),
        ("[fd00:0:0::1]:5000", "http://[fd00::1]:5000"),
    ):
        assert call("POST", "/api/disconnect", headers={"Host": host, "Origin": origin}).status_code == 200, host


def test_rebinding_of_web_sockets_is_refused(server: WebServer) -> None:
    with pytest.raises(RefusedError) as refused:
        WebSocketClient(server.port, host="evil.example", headers={"Origin": "http://evil.example"})
    assert (refused.value.status, refused.value.body["code"]) == (403, "host_not_allowed")


def test_keypair_is_not_for_other_sites(gateway: FakeGateway, call: Call) -> None:
    for headers in CROSS_SITE:
        answer = call("GET", "/api/keypair", headers={"Host": "localhost:5000", **headers})
        assert_error(answer, 403, "cross_site")
    assert gateway.commands == []


def test_a_link_from_elsewhere_to_the_page_works(call: Call) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert call("GET", "/", headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/api/status"),
        ("GET", "/api/keypair"),
        ("GET", "/health"),
        ("GET", "/api/nothing"),
        ("PUT", "/api/status"),
        ("POST", "/api/connect"),
        ("OPTIONS", "/api/connect"),
    ],
)
def test_headers_are_on_every_answer(call: Call, method: str, path: str) -> None:
    answer = call(method, path, headers={"Origin": "http://evil.example"} if method in {"GET", "OPTIONS"} else {})
    headers = answer.headers
    assert headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Cross-Origin-Opener-Policy" not in headers  # over plain HTTP browsers take it for an error
    assert headers["Cache-Control"] == ("no-cache" if path == "/" else "no-store")
    assert "Server" not in headers
    assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_policy_allows_nothing_inline() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY


def _raw(server: WebServer, head: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(head)
        return sock.makefile("rb").read()


def test_http2_in_the_clear_is_not_offered(server: WebServer) -> None:
    answer = _raw(
        server,
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 200"), "the upgrade is ignored, as RFC 9110 7.8 allows"
    assert _raw(server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").startswith(
        b"HTTP/1.1 400"
    )


def test_compressed_frames_are_not_offered(server: WebServer) -> None:
    headers = {"Sec-WebSocket-Extensions": "permessage-deflate"}
    with WebSocketClient(server.port, headers=headers) as client:
        assert list(client.extensions) == []


def test_a_slow_head_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.server.HEADER_TIMEOUT", 0.5)
    with WebServer() as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: loc")
        assert sock.recv(1000) == b""


def test_a_slow_body_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.app.BODY_TIMEOUT", 0.5)
    monkeypatch.setattr("app.api.body.DRAIN_TIMEOUT", 0.5)
    with WebServer() as server, socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(
            b"POST /api/connect HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        head, _, body = sock.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert json.loads(body)["code"] == "request_timeout"
