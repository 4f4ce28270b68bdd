"""A gateway without a password: what is open, what is not, and for how long the first password can be set.

Every registered operation is tried, so that a new one is closed unless it is named here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from app.api.auth.first_password import boottime
from app.api.operation import Operation
from app.auth.store import MARK, NAME
from app.model import BlockedPolicy
from app.protocol.commands import Bulk, SetDevicePolicy
from tests.support.web_server import WebServer
from tests.support.ws_client import WebSocketClient
from tests.unit.api.auth.conftest import PASSWORD, Client
from tests.unit.api.auth.test_scopes import OPERATIONS
from tests.unit.api.conftest import assert_error

REFERENCE = {  # docs/api-reference.txt
    ("GET", "/api/status"),
    ("GET", "/api/providers"),
    ("POST", "/api/provider/<provider>"),
    ("GET", "/api/servers"),
    ("POST", "/api/connect"),
    ("POST", "/api/disconnect"),
    ("POST", "/api/custom/add"),
    ("DELETE", "/api/custom/remove/<name>"),
    ("POST", "/api/import"),
    ("GET", "/api/keypair"),
    ("GET", "/health"),
    ("GET", "/ws"),
}
LOOKING = {
    ("GET", "/api/auth/session"),
    ("GET", "/api/canary"),
    ("GET", "/api/devices"),
    ("GET", "/api/devices/<mac>"),
    ("GET", "/api/devices/<mac>/history"),
    ("GET", "/api/docs"),
    ("GET", "/api/exits"),
    ("GET", "/api/exits/<name>"),
    ("GET", "/api/devices/<mac>/why"),
    ("GET", "/api/docs"),
    ("GET", "/api/exceptions"),
    ("GET", "/api/groups"),
    ("GET", "/api/history"),
    ("GET", "/api/history.csv"),
    ("GET", "/api/leases"),
    ("GET", "/api/openapi.json"),
    ("GET", "/api/proof/<id>"),
    ("GET", "/api/providers/<name>"),  # without the account
    ("GET", "/api/self-service"),
    ("GET", "/api/settings"),
    ("GET", "/api/traffic"),
    ("GET", "/api/traffic/devices"),
    ("GET", "/api/traffic/exits"),
    ("GET", "/api/wan"),
    ("GET", "/graphql"),
    ("GET", "/metrics"),
    ("POST", "/api/explain"),
    ("POST", "/api/leak-test"),
    ("POST", "/api/proof"),
}
OWN_DEVICE = {("GET", "/api/me"), ("PATCH", "/api/me")}  # nothing, unless an admin allows it
SIGNING_IN = {
    ("POST", "/api/auth/password"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/auth/logout"),
}
# Each judges what is in it: the reference's operations are open, the others are not.
JUDGED_WITHIN = {
    ("POST", "/api/bulk"),
    ("POST", "/api/exceptions"),
    ("POST", "/graphql"),
    ("PUT", "/api/devices/<mac>/policy"),
}
MANY_IMPORTS = {("POST", "/api/import/bulk")}
OPEN = REFERENCE | LOOKING | OWN_DEVICE | SIGNING_IN | JUDGED_WITHIN | MANY_IMPORTS

MAC = "02:00:00:00:00:0a"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    with WebServer(state_dir=tmp_path_factory.mktemp("web")) as server:
        yield server


def test_what_is_open_is_the_reference_and_looking() -> None:
    assert {(o.method, o.path) for o in OPERATIONS if not o.needs_owner} == OPEN


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
def test_everything_else_wants_a_password_first(running: WebServer, operation: Operation) -> None:
    """Refused before anything is looked at: not the path's parameters, not the body."""
    path = re.sub(r"<[^>]+>", "none-such", operation.path)
    options: dict[str, Any] = {"data": b"\xff", "headers": {"Content-Type": "text/nonsense"}}
    before = len(running.gateway.commands)
    answer = requests.request(
        operation.method, running.url + path, timeout=20, **({} if operation.method == "GET" else options)
    )
    if (operation.method, operation.path) in OPEN:
        assert answer.status_code not in {401, 403}, answer.text
    else:
        assert_error(answer, 403, "set_password_first")
        assert len(running.gateway.commands) == before


@pytest.mark.parametrize(
    "body", [{"policy": "direct"}, {"policy": "vpn"}, {"policy": "vpn:second"}, {"policy": "blocked", "name": "Mine"}]
)
def test_a_device_can_only_be_blocked(running: WebServer, body: dict[str, str]) -> None:
    url = f"{running.url}/api/devices/{MAC}/policy"
    before = len(running.gateway.commands)
    assert_error(requests.put(url, json=body, timeout=20), 403, "set_password_first")
    bulk = {"operations": [{"op": "disconnect"}, {"op": "set_device_policy", "mac": MAC, **body}]}
    assert_error(requests.post(f"{running.url}/api/bulk", json=bulk, timeout=20), 403, "set_password_first")
    name = f', name: "{body["name"]}"' if "name" in body else ""
    query = f'mutation{{setDevicePolicy(mac: "{MAC}", policy: "{body["policy"]}"{name}){{success}}}}'
    answer = requests.post(f"{running.url}/graphql", json={"query": query}, timeout=20).json()
    assert answer["errors"][0]["extensions"] == {"code": "set_password_first", "status": 403}
    assert len(running.gateway.commands) == before
    assert requests.put(url, json={"policy": "blocked"}, timeout=20).json() == {"success": True}
    assert running.gateway.commands[-1] == SetDevicePolicy(MAC, BlockedPolicy())


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "set_favourite", "provider": "mullvad", "server": "se-sto-wg-001"},
        {"op": "change_settings", "settings": {"fallback_dns": ["9.9.9.9"]}},
    ],
)
def test_settings_in_a_bulk_request_want_a_password(running: WebServer, operation: dict[str, Any]) -> None:
    before = len(running.gateway.commands)
    answer = requests.post(f"{running.url}/api/bulk", json={"operations": [operation]}, timeout=20)
    assert_error(answer, 403, "set_password_first")
    assert len(running.gateway.commands) == before


def test_the_references_operations_work_in_bulk_and_graphql(running: WebServer) -> None:
    operations = [{"op": "disconnect"}, {"op": "select_provider", "provider": "custom"}]
    answer = requests.post(f"{running.url}/api/bulk", json={"operations": operations}, timeout=20)
    assert answer.json()["success"] is True
    assert any(isinstance(command, Bulk) for command in running.gateway.commands)
    answer = requests.post(f"{running.url}/graphql", json={"query": "mutation{disconnect{success}}"}, timeout=20)
    assert answer.json() == {"data": {"disconnect": {"success": True}}}
    answer = requests.post(
        f"{running.url}/graphql", json={"query": "mutation{chooseWan(port: null){port}}"}, timeout=20
    )
    assert answer.json()["errors"][0]["extensions"]["code"] == "set_password_first"


def test_the_accounts_details_are_the_owners(running: WebServer) -> None:
    account = requests.get(f"{running.url}/api/providers/mullvad", timeout=20).json()["account"]
    assert {name for name, value in account.items() if value is not None} <= {"signed_in", "problem"}


def test_everybody_is_told(running: WebServer) -> None:
    with WebSocketClient(running.port) as socket:
        assert (socket.receive() or {})["type"] == "status_change"
        alert = socket.receive() or {}
    assert (alert["type"], alert["payload"]["reason"]) == ("security_alert", "no_password")
    assert "vpn_gateway_open 1.0" in requests.get(f"{running.url}/metrics", timeout=20).text
    assert requests.get(f"{running.url}/api/auth/session", timeout=20).json()["first_password_seconds"] > 0


# --- the window ------------------------------------------------------------------------------------------------------


def test_the_first_password_has_its_time(tmp_path: Path) -> None:
    """After it, somebody has to switch the machine off and on; a restart of the web process is not enough."""
    for _ in range(2):
        with WebServer(state_dir=tmp_path, window=boottime() - 1) as server, Client(server.url) as one:
            assert one.get("/api/auth/session").json()["first_password_seconds"] == 0
            answer = one.post("/api/auth/password", json={"password": PASSWORD})
            body = assert_error(answer, 403, "window_closed")
            assert "gateway.toml" in body["error"]
            assert server.gateway.commands == []
    with WebServer(state_dir=tmp_path, window=boottime() + 60) as server, Client(server.url) as one:
        assert 0 < one.get("/api/auth/session").json()["first_password_seconds"] <= 60
        assert one.post("/api/auth/password", json={"password": PASSWORD}).json() == {"success": True}


def test_a_password_is_changed_at_any_time(tmp_path: Path) -> None:
    with WebServer(state_dir=tmp_path) as server, Client(server.url) as one:
        one.post("/api/auth/password", json={"password": PASSWORD})
    with WebServer(state_dir=tmp_path, window=0.0) as server, Client(server.url) as one:
        one.login()
        body = {"password": "another good password", "current": PASSWORD}
        assert one.post("/api/auth/password", json=body).json() == {"success": True}


# --- lost ------------------------------------------------------------------------------------------------------------


def test_a_lost_file_closes_the_door(tmp_path: Path) -> None:
    """Earlier, a gateway whose auth.json was gone was everybody's."""
    with WebServer(state_dir=tmp_path) as server, Client(server.url) as owner, Client(server.url) as stranger:
        owner.post("/api/auth/password", json={"password": PASSWORD})
        (tmp_path / NAME).unlink()
        time.sleep(0.6)
        assert_error(stranger.get("/api/status"), 401, "unauthorized")
        assert_error(stranger.login(), 503, "unavailable")
    with WebServer(state_dir=tmp_path) as server, Client(server.url) as stranger:
        assert_error(stranger.get("/api/status"), 401, "unauthorized")
        assert_error(stranger.post("/api/auth/password", json={"password": PASSWORD}), 401, "unauthorized")
        assert stranger.get("/api/auth/session").json()["password_set"] is True
        assert "vpn_gateway_open" not in stranger.get("/metrics").text
    assert not (tmp_path / NAME).exists()


def test_the_mark_of_an_owner_is_made_up_for(tmp_path: Path) -> None:
    with WebServer(state_dir=tmp_path) as server, Client(server.url) as owner:
        owner.post("/api/auth/password", json={"password": PASSWORD})
    (tmp_path / MARK).unlink()  # as a version before it has left the directory
    with WebServer(state_dir=tmp_path):
        assert (tmp_path / MARK).exists()


def test_without_its_storage_everybody_looks_and_nobody_changes(tmp_path: Path) -> None:
    with WebServer(state_dir=tmp_path, lost=True) as server, Client(server.url) as one:
        assert one.get("/api/status").status_code == 200
        assert one.get("/api/auth/session").json()["available"] is False
        for method, path, body in (
            ("POST", "/api/connect", {"server": "se-sto-wg-001"}),
            ("POST", "/api/auth/password", {"password": PASSWORD}),
            ("POST", "/api/backup", {"passphrase": PASSWORD}),
            ("POST", "/api/custom/add", {}),
        ):
            assert_error(one.request(method, path, json=body), 403, "storage_lost")
        assert server.gateway.commands == []
