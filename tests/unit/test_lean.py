"""netd works without the parts of libraries that it is loaded without; web's are in tests/unit/api/test_process.py."""

from __future__ import annotations

import subprocess
import sys

NETD = """
import asyncio, os, subprocess, sys, tempfile

def refused(*_, **__):
    raise AssertionError("a program is run while netd is loaded")

subprocess.Popen.__init__ = os.posix_spawn = os.system = refused
from app import lean
lean.install(lean.NETD)
import app.netd.main
import asyncinotify, dns.name

async def watch():
    with tempfile.TemporaryDirectory() as directory, asyncinotify.Inotify() as inotify:
        inotify.add_watch(directory, asyncinotify.Mask.CREATE)
        open(directory + "/new", "w").close()
        async with asyncio.timeout(10):
            assert str((await anext(aiter(inotify))).name) == "new"

asyncio.run(watch())
assert dns.name.from_text("b\\u00fccher.example").to_text() == "xn--bcher-kva.example."
assert "idna" not in sys.modules
"""


def test_netd_is_loaded_without_running_a_program() -> None:
    done = subprocess.run([sys.executable, "-c", NETD], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
