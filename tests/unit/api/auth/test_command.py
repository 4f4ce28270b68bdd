"""``python -m app auth``: with the storage in hand, and the web process noticing."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.web_server import WebServer
from tests.support.ws_client import WebSocketClient
from tests.unit.api.auth.conftest import PASSWORD, Client, bearer
from tests.unit.api.conftest import assert_error

Make = Callable[[], Client]
NEW = "a password from the card"


def run(action: str, directory: Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", "auth", action, "--state-dir", str(directory)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def until(status: int, ask: Callable[[], int]) -> None:
    deadline = time.monotonic() + 10
    while ask() != status:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_first_password(state_dir: Path, client: Make) -> None:
    done = run("set-password", state_dir, NEW + "\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "The password was set.\n", "")
    assert stat.S_IMODE((state_dir / "auth.json").stat().st_mode) == 0o600
    one = client()
    until(401, lambda: one.get("/api/status").status_code)
    assert one.login(NEW).status_code == 200


def test_another_password_ends_sessions_and_keeps_keys(state_dir: Path, client: Make, owner: Client) -> None:
    key = owner.key("read")
    run("set-password", state_dir, NEW)
    until(401, lambda: owner.get("/api/status").status_code)
    one = client()
    assert_error(one.login(PASSWORD), 401, "wrong_password")
    assert one.login(NEW).status_code == 200
    assert one.get("/api/status", headers=bearer(key)).status_code == 200


def test_reset_opens_the_door_again(state_dir: Path, client: Make, owner: Client) -> None:
    key = owner.key("admin")
    done = run("reset", state_dir)
    assert done.returncode == 0, done.stderr
    one = client()
    until(200, lambda: one.get("/api/status").status_code)
    assert one.get("/api/auth/session").json()["kind"] == "open"
    assert one.post("/api/auth/password", json={"password": NEW}).status_code == 200
    assert_error(client().get("/api/status", headers=bearer(key)), 401, "invalid_token")
    assert_error(owner.get("/api/status"), 401, "unauthorized")


def test_open_websockets_are_closed(state_dir: Path, server: WebServer) -> None:
    with WebSocketClient(server.port) as socket:
        assert socket.receive()
        run("set-password", state_dir, NEW)
        assert (socket.receive() or {})["payload"]["reason"] == "no_password"
        assert socket.receive() is None  # within a second, though nobody asks for anything


def test_reset_heals_a_damaged_file(state_dir: Path) -> None:
    (state_dir / "auth.json").write_text("garbage")
    refused = run("set-password", state_dir, NEW)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "use reset" in refused.stderr
    assert run("reset", state_dir).returncode == 0
    assert run("set-password", state_dir, NEW).returncode == 0


@pytest.mark.parametrize("password", ["", "short\n", "aaaaaaaaaaaaaaaa"])
def test_weak_passwords_are_refused(state_dir: Path, password: str) -> None:
    refused = run("set-password", state_dir, password)
    assert refused.returncode == 1
    assert refused.stderr.startswith("auth: password: ")
    assert not (state_dir / "auth.json").exists()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    refused = run("reset", tmp_path / "none")
    assert refused.returncode == 1
    assert "No such file" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for somebody else")
def test_root_writes_for_the_directorys_owner(state_dir: Path) -> None:
    os.chown(state_dir, 972, 970)
    assert run("set-password", state_dir, NEW).returncode == 0
    for path in state_dir.iterdir():
        found = path.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (972, 970, 0o600)
