"""Thousands of requests made from the API's own description: no answer is a bug, and every answer is as described."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import requests
from msgspec.structs import replace

from app.model import BlockedPolicy, PolicyException
from ci.labnet.owner import AUTHORIZATION
from tests.support import conformance
from tests.support.fake_explanations import PHONE, WHY
from tests.support.fake_gateway import FakeGateway
from tests.support.web_server import WebServer

pytestmark = pytest.mark.timeout(280)

NEW_KEY = {"name": "x", "scope": "admin", "password": "a good password"}
SEED = 1  # so that a failure can be had again
EXAMPLES = 50  # generated for each operation, besides those that follow from the limits of its fields
CASES = 2000
# No request made from a description can know these:
AUTH = " /api/auth/"  # this gateway keeps no password; see below
WEBSOCKET = {"GET /ws", "GET /graphql"}  # speak nothing else
# And no bytes at random are a zip of .conf files, and no text at random is the password.
NEVER_ACCEPTED = {*WEBSOCKET, "POST /api/import/bulk", "POST /api/backup", "POST /api/auth/keys"}


def prepare(gateway: FakeGateway) -> None:
    """Make requests at random acceptable: every device is known, exceptions are open, and a leak has shut the exits."""
    gateway.explanations.stranger = WHY[PHONE]
    now = time.time()
    open_ones = (PolicyException(n, n, BlockedPolicy(), now, now + 3600, 3600.0, "admin", PHONE) for n in range(100))
    gateway.state = replace(gateway.state, exceptions=tuple(open_ones))
    gateway.canary = replace(gateway.canary, shut="a leak")


@pytest.mark.owned
def test_the_whole_api(server: WebServer, tmp_path: Path) -> None:
    prepare(server.gateway)
    report = conformance.run(tmp_path, server.url, EXAMPLES, "--seed", str(SEED), headers=AUTHORIZATION)
    assert report.returncode == 0, report.output
    assert report.server_errors() == {}
    assert report.cases >= CASES
    never = {label for label in report.never_accepted() if AUTH not in label}
    assert never == {label for label in NEVER_ACCEPTED if AUTH not in label}
    print(f"{report.cases} cases, {len(report.statuses)} operations")


def test_the_whole_api_once_a_password_is_set(tmp_path: Path) -> None:
    """Each operation with the admin's key; Schemathesis also leaves it out, or sends a wrong one: that is refused."""
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    with WebServer(state_dir=state_dir) as server, requests.Session() as owner:
        prepare(server.gateway)
        assert owner.post(f"{server.url}/api/auth/password", json={"password": "a good password"}, timeout=10).ok
        key = owner.post(
            f"{server.url}/api/auth/keys",
            json=NEW_KEY,
            timeout=10,
        ).json()["key"]
        report = conformance.run(
            tmp_path,
            server.url,
            EXAMPLES // 5,
            *("--seed", str(SEED), "--exclude-path-regex", "^/api/auth/"),
            headers={"Authorization": f"Bearer {key}"},
        )
    assert report.returncode == 0, report.output
    assert report.server_errors() == {}
    assert report.never_accepted() == {label for label in NEVER_ACCEPTED if AUTH not in label}
    refused = {label for label, counts in report.statuses.items() if counts[401]}
    public = {"GET /health", "GET /api/docs", "GET /api/me", "PATCH /api/me", "POST /api/proof", "GET /api/proof/{id}"}
    assert refused == report.statuses.keys() - public - NEVER_ACCEPTED  # only what was accepted is tried without a key


def test_signing_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operations that need a place for a password, asked with an API key of the admin's."""
    monkeypatch.setattr("app.api.auth.lockout.FREE", 1_000_000)  # what is tried here are words, not passwords
    monkeypatch.setattr("app.api.auth.lockout.FREE_FOR_ALL", 1_000_000)
    state_dir = tmp_path / "state"
    state_dir.mkdir()
    with WebServer(state_dir=state_dir) as server, requests.Session() as owner:
        assert owner.post(f"{server.url}/api/auth/password", json={"password": "a good password"}, timeout=10).ok
        key = owner.post(
            f"{server.url}/api/auth/keys",
            json=NEW_KEY,
            timeout=10,
        ).json()["key"]
        monkeypatch.setattr("app.auth.passwords._matches", lambda *_: False)  # 19 MiB less a case
        report = conformance.run(
            tmp_path,
            server.url,
            EXAMPLES,
            *("--seed", str(SEED), "--include-path-regex", "^/api/auth/"),
            headers={"Authorization": f"Bearer {key}"},
        )
    assert report.returncode == 0, report.output
    assert report.server_errors() == {}
    assert {"GET /api/auth/session", "GET /api/auth/keys"} & report.never_accepted() == set()
