"""A support file on a partition that is mounted read-only: written, and read-only again. Real mounts, of a tmpfs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
SCRIPT = """
import asyncio, os, subprocess, sys
from pathlib import Path
from app.firstboot import after_netd, support
from app.firstboot.paths import Paths

card, nothing = Path(sys.argv[1]), Path(sys.argv[1]).parent / "nothing"
subprocess.run(["mount", "-t", "tmpfs", "none", card], check=True)
(card / "SUPPORT").touch()
(card / "Support.txt").touch()
subprocess.run(["mount", "-o", "remount,ro", card], check=True)
after_netd.SOCKET, support.NETD_TIMEOUT = nothing, 0
paths = Paths(card, nothing, nothing)
assert asyncio.run(support.answer_request(paths, nothing, [], settled=0))
(file,) = card.iterdir()
assert file.name == "Support.txt", file
assert file.read_text().startswith("VPN Gateway: support file")
assert os.statvfs(card).f_flag & os.ST_RDONLY, "it was left writable"
assert not asyncio.run(support.answer_request(paths, nothing, [], settled=0))
"""


def test_support_file_is_written_to_a_read_only_partition(tmp_path: Path) -> None:
    """The partition is writable only while the file is written, and read-only again afterwards."""
    (tmp_path / "card").mkdir()
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", SCRIPT, tmp_path / "card"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
