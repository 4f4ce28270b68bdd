from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from ci.labnet.owner import AUTHORIZATION, own
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer

Call = Callable[..., requests.Response]


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    """A gateway without a password; for a test with the mark ``owned`` one with an owner, whose program ``call`` is."""
    directory = None
    if request.node.get_closest_marker("owned") is not None:
        directory = tmp_path_factory.mktemp("web")
        own(directory)
    with WebServer(state_dir=directory) as running:
        yield running


@pytest.fixture
def gateway(server: WebServer) -> FakeGateway:
    return server.gateway


@pytest.fixture
def call(server: WebServer) -> Iterator[Call]:
    """``call("POST", "/api/connect", json={...})``, as its owner's program."""
    with requests.Session() as session:
        session.headers.update(AUTHORIZATION)

        def send(method: str, path: str, **options: Any) -> requests.Response:
            return session.request(method, server.url + path, timeout=20, **options)

        yield send


def assert_error(answer: requests.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The reference's error form, whole."""
    body = answer.json()
    assert (answer.status_code, body.get("code"), body.get("field")) == (status, code, field), body
    assert body["success"] is False
    assert body["error"]
    assert set(body) <= {"success", "error", "code", "field"}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    return body
