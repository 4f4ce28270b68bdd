"""The WAN's files in a real networkd, on a virtual cable in separate namespaces.

It is this machine's networkd, which may be older than the image's and not know every line; VPN_GATEWAY_NETWORKD names
another program. Where the kernel has no VLANs, only the port under one can be checked.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from app.firstboot import chosen_wan
from app.firstboot.paths import Paths
from tests.unit.firstboot.cards import STATIC, files

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(60)]

NETWORKD = os.environ.get("VPN_GATEWAY_NETWORKD", "/usr/lib/systemd/systemd-networkd")
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
for n in 1 2; do ip link add usb$n type veth peer name far$n && ip link set far$n up; done
WITH_UDEV
mkdir /run/dbus && dbus-daemon --system --fork --print-pid >/run/dbus.pid
exec {NETWORKD}
"""
# With a writable /sys networkd waits for udev's word of each link, and knows its properties.
UDEV = """\
mount -o remount,rw /sys
mkdir -p /run/udev/data
for link in /sys/class/net/*; do echo I:1 >/run/udev/data/n$(cat $link/ifindex); done
"""


class Networkd:
    def __init__(self, pid: int) -> None:
        self._pid = str(pid)

    @property
    def run(self) -> Path:
        """The path of its /run."""
        return Path(f"/proc/{self._pid}/root/run")

    def command(self, *words: str) -> list[str]:
        """``words`` as a command in networkd's namespaces."""
        return ["nsenter", "-t", self._pid, "--net", "--mount", "--", *words]

    def reload(self) -> None:
        """Reload it with the privileges of vpn-gateway-wan.service."""
        weak = ("unshare", "--net", "setpriv", "--bounding-set=-all,+dac_read_search", "--no-new-privs")
        subprocess.run(self.command(*weak, *chosen_wan.RELOAD), check=True, timeout=20)

    def __call__(self, name: str) -> dict[str, object]:
        words = self.command("ip", "-j", "address", "show", "dev", name)
        shown = subprocess.run(words, capture_output=True, text=True, check=False).stdout
        return next(iter(json.loads(shown or "[]")), {})


@contextmanager
def networkd(files: dict[str, str], work: Path, *, udev: bool = False) -> Iterator[Networkd]:
    """A running networkd with ``files``; calling it with a link gives ip(8)'s description of that link."""
    for name, text in files.items():
        (work / name).write_text(text)
    script = SCRIPT.replace("WITH_UDEV\n", UDEV if udev else "")
    command = ["unshare", "--net", "--mount", "--", "sh", "-c", script, "networkd", str(work)]
    with (work.parent / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        running = Networkd(process.pid)
        try:
            yield running
        finally:
            with suppress(OSError, ValueError):  # it may have come no further
                os.kill(int((running.run / "dbus.pid").read_text()), signal.SIGKILL)
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


def test_networkd_sets_a_fixed_address(paths: Paths, work: Path) -> None:
    with networkd(files(paths, STATIC), work) as link:
        until(lambda: "203.0.113.7" in addresses(link("wan")), work.parent / "log")


@pytest.mark.parametrize("text", [LOGIN, "[network]\nwan_vlan = 7\n", "[network]\nwan_vlan = 7\n" + LOGIN])
def test_port_under_the_wan_is_up_without_addresses(paths: Paths, work: Path, text: str) -> None:
    with networkd(files(paths, text), work) as link:
        until(lambda: link("wan").get("operstate") == "UP", work.parent / "log")
        # The kernel gives each end a link-local address in the same moment, unless somebody has forbidden it.
        until(lambda: addresses(link("far")), work.parent / "log")
        assert addresses(link("wan")) == set()


def asks_for_an_address(running: Networkd, port: str) -> subprocess.Popen[bytes]:
    """A process that ends with 0 once a DHCP client has sent a request on the port's cable."""
    words = ["tcpdump", "-i", f"far{port[-1]}", "-c", "1", "-Q", "in", "udp", "dst", "port", "67"]
    return subprocess.Popen(running.command("timeout", "20", *words), stderr=subprocess.DEVNULL)


def test_dhcp_client_follows_the_choice_without_a_restart(paths: Paths, work: Path) -> None:
    image = {p.name: p.read_text() for p in paths.wan_network.parent.glob("*0-*.network")}
    image["40-lan-port.network"] = image["40-lan-port.network"].replace("Kind=!*\n", "")  # cables here have a kind
    log = work.parent / "log"
    with networkd(image, work) as running:
        for name in ("usb1", "usb2"):
            until(lambda name=name: running(name).get("operstate") == "UP", log)
        until((running.run / "dbus/system_bus_socket").exists, log)
        inside = replace(paths, run=running.run)
        choice = running.run / "vpn-gateway" / "wan" / "port"
        choice.parent.mkdir(parents=True)
        for port, other in (("usb1", "usb2"), ("usb2", "usb1")):
            with asks_for_an_address(running, port) as asked:
                choice.write_text(f"{port}\n")
                chosen_wan.update_networkd(inside, running.reload)
                assert asked.wait() == 0, log.read_text(errors="replace")
            # The WAN has a link-local address, a port of the LAN has none.
            until(lambda port=port: addresses(running(port)), log)
            until(lambda other=other: not addresses(running(other)), log)
        choice.write_text("\n")
        chosen_wan.update_networkd(inside, running.reload)
        until(lambda: not addresses(running("usb2")), log)


def test_wan_at_a_place_stays_down_until_netd_takes_it_up(paths: Paths, work: Path) -> None:
    """A place with its controller is compared with the path in /sys; cables here are below "virtual" there."""
    made = files(paths, "[network]\nwan = 'usb-1.2@3f980000.usb'\n")
    (match,) = (line for line in made["15-wan.network"].splitlines() if line.startswith("Property="))
    assert match == "Property=DEVPATH=*/3f980000.usb/*-1.2:*/net/*"
    text = made["15-wan.network"].replace(match, "Property=DEVPATH=*/virtual/net/*1")
    log = work.parent / "log"
    with networkd({"15-wan.network": text}, work, udev=True) as running:
        until(lambda: "ACTIVATION_POLICY=manual" in state(running, "usb1"), log)
        assert "15-wan.network" not in state(running, "usb2")
        assert running("usb1").get("operstate") == "DOWN"
        subprocess.run(running.command("ip", "link", "set", "usb1", "up"), check=True)  # as netd does
        with asks_for_an_address(running, "usb1") as asked:
            assert asked.wait() == 0, log.read_text(errors="replace")


def state(running: Networkd, name: str) -> str:
    """What networkd has written down about a link."""
    index = running(name).get("ifindex")
    file = running.run / "systemd/netif/links" / str(index)
    return file.read_text() if file.exists() else ""
