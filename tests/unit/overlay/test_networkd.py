"""The WAN's files as networkd itself carries them out, on a cable in namespaces of their own.

It is this machine's networkd, which may be older than the image's and says so of a line or two. Where the kernel has no
VLANs, the port under one is all that there is to see.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from firstboot import early

from tests.unit.overlay.cards import STATIC, files

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

NETWORKD = "/usr/lib/systemd/systemd-networkd"
LOGIN = "[network.pppoe]\nusername = 'me'\npassword = 'secret'\n"

# A read-only /sys tells networkd that there is no udev to wait for.
SCRIPT = f"""
set -e
mount -t sysfs -o ro sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp /run/udev
chown -R systemd-network /run/systemd/netif
cp "$1"/* /run/systemd/network
mount -t tmpfs tmpfs /etc/systemd/network
ip link add wan type veth peer name far
ip link set far up
exec {NETWORKD}
"""


@contextmanager
def networkd(files: dict[str, str], work: Path) -> Iterator[Callable[[str], dict[str, object]]]:
    """networkd with ``files``; gives a function that tells of a link as ip(8) does."""
    for name, text in files.items():
        (work / name).write_text(text)
    command = ["unshare", "--net", "--mount", "--", "sh", "-c", SCRIPT, "networkd", str(work)]
    with (work.parent / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:

        def link(name: str) -> dict[str, object]:
            words = ["nsenter", "-t", str(process.pid), "--net", "--", "ip", "-j", "address", "show", "dev", name]
            shown = subprocess.run(words, capture_output=True, text=True, check=False).stdout
            return next(iter(json.loads(shown or "[]")), {})

        try:
            yield link
        finally:
            process.kill()


def until(condition: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.05)


def addresses(link: dict[str, object]) -> set[str]:
    found = link.get("addr_info", [])
    assert isinstance(found, list)
    return {entry["local"] for entry in found if entry["family"] == "inet" or entry["scope"] == "link"}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


def test_a_fixed_address_is_set(paths: early.Paths, work: Path) -> None:
    with networkd(files(paths, STATIC), work) as link:
        until(lambda: "203.0.113.7" in addresses(link("wan")), work.parent / "log")


@pytest.mark.parametrize("text", [LOGIN, "[network]\nwan_vlan = 7\n", "[network]\nwan_vlan = 7\n" + LOGIN])
def test_the_port_under_the_wan_is_up_and_bare(paths: early.Paths, work: Path, text: str) -> None:
    with networkd(files(paths, text), work) as link:
        until(lambda: link("wan").get("operstate") == "UP", work.parent / "log")
        # The kernel gives each end a link-local address in the same moment, unless somebody has forbidden it.
        until(lambda: addresses(link("far")), work.parent / "log")
        assert addresses(link("wan")) == set()
