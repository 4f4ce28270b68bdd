"""The paths that firstboot works on, in a directory of the test."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.firstboot.admin_password import Auth, auth_command
from app.firstboot.paths import Paths

ROOT = Path(__file__).parents[3]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    for name in ("fat", "data", "run", "web", "netd"):
        (tmp_path / name).mkdir()
    template = ROOT / "overlay/etc/systemd/network/20-wan.network"
    return Paths(tmp_path / "fat", tmp_path / "data", tmp_path / "run", template, tmp_path / "web", tmp_path / "netd")


@pytest.fixture
def auth(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Auth:
    """The web interface's real command."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return auth_command(paths.web, paths.netd)
