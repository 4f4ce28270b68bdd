"""What takes keys out or opens the door takes the password again, also of an admin's API key."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ci.labnet.owner import PASSWORD
from tests.support.fake_gateway import FakeGateway
from tests.unit.api.conftest import Call, assert_error, call, gateway, server

__all__ = ["call", "gateway", "server"]  # the fixtures of the API's tests, whose ``call`` has an admin's key

pytestmark = pytest.mark.owned

OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/api/backup", {"passphrase": "a long passphrase"}),
    ("POST", "/api/restore", {"passphrase": "a long passphrase", "backup": base64.b64encode(b"x").decode()}),
    ("POST", "/api/auth/keys", {"name": "another", "scope": "admin"}),
    ("PUT", "/api/devices/02:00:00:00:00:0a/policy", {"policy": "direct"}),
    (
        "POST",
        "/api/bulk",
        {"operations": [{"op": "set_device_policy", "mac": "02:00:00:00:00:0a", "policy": "direct"}]},
    ),
]


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS, ids=[path for _, path, _ in OPERATIONS])
def test_an_admins_key_is_not_enough(
    call: Call, gateway: FakeGateway, method: str, path: str, body: dict[str, Any]
) -> None:
    assert_error(call(method, path, json=body), 422, "missing_field", "password")
    answer = call(method, path, json=body | {"password": "not the password"})
    assert_error(answer, 403, "wrong_password", "password")
    assert gateway.commands == []
    assert call(method, path, json=body | {"password": PASSWORD}).status_code == 200


def test_a_dry_run_takes_no_password(call: Call) -> None:
    body = {"passphrase": "a long passphrase", "backup": base64.b64encode(b"x").decode(), "dry_run": True}
    assert call("POST", "/api/restore", json=body).status_code == 200
