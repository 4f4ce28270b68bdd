"""A WAN whose name is unknown until it appears: networkd's DHCP client and netd's rules, in the right order.

networkd is this machine's. The port is a virtual cable, which has no permanent address for networkd to match.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from app.firstboot import render
from app.firstboot.gateway_toml import parse
from app.model import LinkSettings
from app.netd.link_observer import LinkObserver
from app.netd.network import NetworkController
from app.netd.timesync import Files, TimeSync
from app.netd.wan_activation import WanActivation
from app.network.lan_ports import LanPorts
from app.network.one_arm import OneArm
from app.network.reconcile import Reconciler
from app.network.wireguard.userspace import UserspaceBackend
from app.store import Store
from tests.kernel.namespace import inside, run, until

pytestmark = pytest.mark.kernel

NETWORK = Path(__file__).parents[2] / "overlay/etc/systemd/network"
MAC = "02:00:00:00:00:07"
# A read-only /sys tells networkd that there is no udev to wait for.
NETWORKD = """
set -e
mount -o remount,bind,ro /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/network /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp /run/udev
chown -R systemd-network /run/systemd/netif
cp "$1"/* /run/systemd/network
mount -t tmpfs tmpfs /etc/systemd/network
exec /usr/lib/systemd/systemd-networkd
"""
# The port's far end is an ISP's network, whose DHCP server answers at once.
ISP = "ip link set lo up && echo && read -r go && ip addr add 192.0.2.1/24 dev eth0 && ip link set eth0 up && exec \
dnsmasq --keep-in-foreground --conf-file=/dev/null --port=0 --interface=eth0 --bind-dynamic --user=root --no-ping \
--dhcp-range=192.0.2.50,192.0.2.99,1h --dhcp-authoritative --dhcp-leasefile=/dev/null --pid-file="


@contextmanager
def isp() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", ISP], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "\n"
        try:
            yield process
        finally:
            process.kill()


def plug_in(isp: subprocess.Popen[str]) -> None:
    run(f"ip link add usb0 address {MAC} type veth peer name eth0 netns {isp.pid}")
    assert isp.stdin is not None
    isp.stdin.write("go\n")
    isp.stdin.flush()


@contextmanager
def networkd(work: Path) -> Iterator[None]:
    """networkd with the files of a gateway.toml that names the WAN by its MAC address."""
    files = render.networkd(parse(f"[network]\nwan = '{MAC}'\n"), (NETWORK / "20-wan.network").read_text())
    work.mkdir()
    for name, text in files.items():
        (work / name).write_text(text.replace("PermanentMACAddress=", "MACAddress="))
    command = ["unshare", "--mount", "--", "sh", "-c", NETWORKD, "networkd", str(work)]
    with (work.parent / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield
        finally:
            process.kill()


@asynccontextmanager
async def netd(tmp_path: Path, activation: WanActivation | None) -> AsyncIterator[None]:
    with Store(tmp_path / "store") as store:
        store.update_settings(lambda s: replace(s, links=LinkSettings(wan=MAC, lan=("br-lan",))))
        observer = LinkObserver(
            resolv=tmp_path / "resolv", one_arm=OneArm(tmp_path / "one"), lan_ports=LanPorts(tmp_path / "lan")
        )
        network = NetworkController(
            store=store,
            make_kernel=lambda on_drift: Reconciler(UserspaceBackend(), on_drift=on_drift),
            link_source=observer,
            links=await observer.observe(store.settings),
            exit_plans={},
            time_sync=TimeSync(None, Files(*(tmp_path / name for name in ("a", "b", "c", "d")))),
            flowtable=False,
            http_ports=(5000,),
            publish=lambda _: None,
            wan_activation=activation,
        )
        await network.start()
        watching = asyncio.create_task(network.watch_links())
        await asyncio.sleep(0)  # it listens from here on
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def default_route() -> bool:
    return "default via 192.0.2.1 dev usb0" in run("ip route")


@inside
async def test_a_new_wan_has_its_default_route(tmp_path: Path) -> None:
    run("ip link add br-lan type bridge")
    with isp() as first, isp() as second, networkd(tmp_path / "files"):
        async with netd(tmp_path, None):
            plug_in(first)
            await until(default_route, seconds=20)
            # Pulled out and plugged in at once: the port has its old name, and is another one.
            run("ip link delete usb0")
            plug_in(second)
            await until(default_route, seconds=20)


@inside
async def test_a_new_wan_is_down_until_netd_has_its_rules(tmp_path: Path) -> None:
    run("ip link add br-lan type bridge")
    never = SimpleNamespace(follow=lambda *_: asyncio.sleep(0))
    with isp() as provider, networkd(tmp_path / "files"):
        async with netd(tmp_path, never):  # type: ignore[arg-type]
            plug_in(provider)
            await until(lambda: "oif usb0" in run("ip rule"))
            assert "UP" not in run("ip -o link show dev usb0").split("<")[1].split(">")[0].split(",")
