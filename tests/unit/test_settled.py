"""Both processes are loaded beside the set-up and begin once it is over, or has taken too long."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from app import settled


def test_nothing_is_waited_for_where_nothing_is_named() -> None:
    settled.wait_for(None, timeout=0.0)


def test_it_begins_when_the_set_up_is_over(tmp_path: Path) -> None:
    path, over = tmp_path / "settled", threading.Event()
    waiting = threading.Thread(target=lambda: (settled.wait_for(path, timeout=30.0), over.set()), daemon=True)
    waiting.start()
    assert not over.wait(0.2)
    path.touch()
    assert over.wait(10.0)


def test_a_set_up_that_hangs_keeps_nothing_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    began = time.monotonic()
    settled.wait_for(tmp_path / "never", timeout=0.1)
    assert time.monotonic() - began >= 0.1
    assert "going on without" in caplog.text
