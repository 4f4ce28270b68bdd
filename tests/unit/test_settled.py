"""Both processes load during the set-up and start once it has ended or timed out."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from app import settled


def test_no_path_returns_at_once() -> None:
    settled.wait_for(None, timeout=0.0)


def test_wait_ends_with_the_set_up(tmp_path: Path) -> None:
    path, over = tmp_path / "settled", threading.Event()
    waiting = threading.Thread(target=lambda: (settled.wait_for(path, timeout=30.0), over.set()), daemon=True)
    waiting.start()
    assert not over.wait(0.2)
    path.touch()
    assert over.wait(10.0)


def test_wait_for_a_hanging_set_up_times_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    settled.wait_for(tmp_path / "never", timeout=0.1)
    assert time.monotonic() - began >= 0.1
    assert "starting without it" in caplog.text


def test_wait_extends_systemds_limit_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow set-up would otherwise use up systemd's limit of the start, and the process would be restarted."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setattr(settled, "EXTENSION_INTERVAL", 0.1)
        path = tmp_path / "settled"
        waiting = threading.Thread(target=settled.wait_for, args=(path,), kwargs={"timeout": 60.0}, daemon=True)
        waiting.start()
        name, microseconds = manager.recv(100).decode().split("=")
        path.touch()
        waiting.join(20)
        assert not waiting.is_alive()
    assert name == "EXTEND_TIMEOUT_USEC"
    assert int(microseconds) / 1_000_000 > 2 * 10.0  # it holds until the next one, and for the start that follows
