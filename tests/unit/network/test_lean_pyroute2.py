"""Only the parts of pyroute2 that are used are loaded, and they work without the rest."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import asyncio, sys
import app.network.wireguard.kernel, app.network.wireguard.userspace, app.network.reconcile
from app.network.netlink import open_netlink
async def main():
    async with open_netlink() as ip:
        names = [dict(link["attrs"])["IFLA_IFNAME"] async for link in await ip.get_links()]
    assert "lo" in names, names
asyncio.run(main())
print(sorted(m for m in sys.modules if m.startswith(("pyroute2.ndb", "pyroute2.ipdb", "pyroute2.plan9"))))
assert not hasattr(sys.modules["pyroute2"], "IPRoute"), "the package itself has not been run"
"""

LATE = """
import pyroute2
import app.network.netlink
assert pyroute2.IPRoute is not None
"""


def test_netlink_works_with_few_modules_of_pyroute2() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_loaded_pyroute2_is_left_as_it_is() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
