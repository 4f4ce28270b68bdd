"""Both processes are loaded beside the set-up and begin once it is over, or has taken too long."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from app import settled


def test_nothing_is_waited_for_where_nothing_is_named() -> None:
    settled.wait_for(None, limit=0.0)


def test_it_begins_when_the_set_up_is_over(tmp_path: Path) -> None:
    path, over = tmp_path / "settled", threading.Event()
    waiting = threading.Thread(target=lambda: (settled.wait_for(path, limit=30.0), over.set()), daemon=True)
    waiting.start()
    assert not over.wait(0.2)
    path.touch()
    assert over.wait(10.0)


def test_a_set_up_that_hangs_keeps_nothing_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    settled.wait_for(tmp_path / "never", limit=0.1)
    assert time.monotonic() - began >= 0.1
    assert "going on without" in caplog.text


def test_the_wait_extends_the_limit_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow set-up would otherwise use up what systemd allows for the start, and the process began anew."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setattr(settled, "EXTENSION_PERIOD", 0.1)
        settled.wait_for(tmp_path / "never", limit=0.3)
        name, microseconds = manager.recv(100).decode().split("=")
    assert name == "EXTEND_TIMEOUT_USEC"
    assert int(microseconds) / 1_000_000 > 2 * 10.0  # it holds until the next one, and for the start that follows
