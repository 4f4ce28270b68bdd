"""Every operation that is registered, against everybody who may ask: a new one is covered by being there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from quart import Quart

from app.api import BLUEPRINTS
from app.api.operation import Operation
from app.auth.scope import Scope, includes
from tests.support.web_server import WebServer
from tests.unit.api.auth.conftest import Client, bearer

PUBLIC = {
    ("GET", "/health"),
    ("GET", "/api/docs"),  # the page alone; it reads the description, which is not public
    ("GET", "/api/auth/session"),
    ("POST", "/api/auth/login"),
    ("POST", "/api/auth/refresh"),
    ("POST", "/api/proof"),  # any device of the LAN may prove itself; it changes nothing
    ("GET", "/api/proof/<id>"),
    ("GET", "/api/me"),  # about the device that asks, and nobody else
    ("PATCH", "/api/me"),
}
HOLDERS: tuple[Scope, ...] = ("public", "read", "connect", "admin")
Credentials = dict[Scope, dict[str, str]]


def registered() -> list[Operation]:
    app = Quart(__name__)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    found = [view.operation for view in app.view_functions.values() if hasattr(view, "operation")]
    return sorted(found, key=lambda o: (o.path, o.method))


OPERATIONS = registered()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WebServer, Credentials]]:
    directory: Path = tmp_path_factory.mktemp("web")
    with WebServer(state_dir=directory) as server, Client(server.url) as owner:
        owner.post("/api/auth/password", json={"password": "correct horse battery"})
        credentials: Credentials = {"public": {}}
        for scope in ("read", "connect", "admin"):
            credentials[scope] = bearer(owner.key(scope))
        yield server, credentials


def test_there_are_operations_and_all_routes_are_some() -> None:
    assert len(OPERATIONS) > 20
    app = Quart(__name__)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    bare = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.websocket
        and rule.endpoint != "static"
        and not hasattr(app.view_functions[rule.endpoint], "operation")
    }
    assert bare == set(), "declare these with @operation"


def test_what_is_public_is_a_short_list() -> None:
    assert {(o.method, o.path) for o in OPERATIONS if o.scope == "public"} == PUBLIC


def test_what_changes_anything_is_not_for_readers() -> None:
    own = ("POST", "/api/auth/logout")  # everybody may end their own session
    weak = {(o.method, o.path) for o in OPERATIONS if o.method != "GET" and o.scope in {"public", "read"}}
    assert weak - PUBLIC - {own} <= {("POST", "/graphql")}  # which judges each field by itself


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: f"{o.method} {o.path}")
def test_the_scope_is_enforced(running: tuple[WebServer, Credentials], operation: Operation, holder: Scope) -> None:
    """Refused before anything is looked at: not the path's parameters, not the body."""
    server, credentials = running
    path = re.sub(r"<[^>]+>", "none-such", operation.path)
    options: dict[str, Any] = {"data": b"\xff", "headers": {**credentials[holder], "Content-Type": "text/nonsense"}}
    if operation.method == "GET":
        options = {"headers": credentials[holder]}
    commands = len(server.gateway.commands)
    answer = requests.request(operation.method, server.url + path, timeout=20, **options)
    if includes(holder, operation.scope):
        assert answer.status_code not in {401, 403}, answer.text
        return
    body = answer.json()
    if holder == "public":
        assert (answer.status_code, body["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")
    else:
        assert (answer.status_code, body["code"]) == (403, "insufficient_scope")
        assert operation.scope in body["error"]
    assert body["success"] is False
    assert len(server.gateway.commands) == commands
