"""The LAN's bridge with a real kernel: what passes between two ports, seen at the far end of a cable.

br_netfilter is off, as on the image: with it the IP layer's rules would stop frames that nothing stops there.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from ipaddress import ip_interface
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.model import LanBridge, LanLink, Links, WanLink
from app.network import nft
from app.network.planner import plan
from app.network.reconcile import Reconciler
from app.network.ruleset.bridge import DHCP, ROUTERS
from app.network.wireguard.userspace import UserspaceBackend
from tests.kernel.namespace import inside, run
from tests.support.frames import frame
from tests.unit.network.scenarios import default_exit, inputs

pytestmark = pytest.mark.kernel

BOOT = Path(__file__).parents[2] / "overlay/etc/vpn-gateway/boot.nft"
WAN = WanLink("wan", up=True, addresses=(ip_interface("192.0.2.7/24"),))
ETH_P_ALL = 3


def ports(*names):
    """A bridge and ports, each with a far end ``<name>-x`` in this namespace, where frames are put in and seen."""
    run("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0")
    run("ip link add br-lan type bridge forward_delay 0 mcast_snooping 0")
    run("ip link set br-lan up")
    for name in (*names, "wan"):
        run(f"ip link add {name} type veth peer name {name}-x")
        run(f"ip link set {name} up")
        run(f"ip link set {name}-x up")


def lan_plan(*names, wan=WAN, radios=()):
    links = Links(wan, (LanLink("br-lan"),), LanBridge("br-lan", names, radios))
    return plan(replace(inputs(default_exit()), links=links))


@contextlib.contextmanager
def wire(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.bind((name, 0))
    sock.setblocking(False)
    try:
        yield sock
    finally:
        sock.close()


async def passes(kind, source, target, *, seconds=10.0):
    """Whether a frame put in at the far end of ``source`` comes out at that of ``target``."""
    loop = asyncio.get_running_loop()
    sent = frame(kind)
    with wire(f"{source}-x") as near, wire(f"{target}-x") as far:
        await loop.sock_sendall(near, sent)
        try:
            async with asyncio.timeout(seconds):
                while True:
                    if (await loop.sock_recv(far, 2048))[: len(sent)] == sent:
                        return True
        except TimeoutError:
            return False


async def is_stopped(kind, source, target):
    """Whether such a frame does not come out: where it may, it does so at once."""
    return not await passes(kind, source, target, seconds=0.3)


def in_bridge():
    return sorted(p.name for p in Path("/sys/class/net/br-lan/brif").iterdir())


def reconciler(drifts=None):
    return Reconciler(UserspaceBackend(), on_drift=drifts.append if drifts is not None else lambda _: None)


@inside
async def test_nothing_passes_between_two_ports_until_netd_runs():
    ports("one", "two")
    for name in ("one", "two"):
        run(f"ip link set {name} master br-lan")
    assert await passes("host", "one", "two")  # without a ruleset it would
    run("nft -f -", feed=BOOT.read_text())
    for kind in ("host", "dhcp", "advertisement"):
        assert await is_stopped(kind, "one", "two")


@inside
async def test_ports_join_when_the_wan_is_known_and_leave_with_it():
    ports("one", "two")
    one = reconciler()
    await one.apply(lan_plan(wan=None))
    assert in_bridge() == []
    await one.apply(lan_plan("one", "two"))
    assert in_bridge() == ["one", "two"]
    assert await passes("host", "one", "two")
    assert await passes("host", "two", "one")
    assert await one.verify() == ()
    await one.apply(lan_plan("two", wan=replace(WAN, name="one")))
    assert in_bridge() == ["two"]
    await one.apply(lan_plan(wan=None))
    assert in_bridge() == []


@inside
async def test_a_wan_in_the_bridge_is_removed_and_forwards_nothing():
    """The WAN was made a port of the bridge: no frame passes before or after its removal."""
    ports("one", "two")
    drifts: list[tuple[str, ...]] = []
    one = reconciler(drifts)
    await one.apply(lan_plan("one", "two"))
    run("ip link set wan master br-lan")
    assert await is_stopped("host", "wan", "one")
    assert await is_stopped("host", "one", "wan")
    assert await one.verify() == ("wan does not belong in br-lan",)
    await one.apply(lan_plan("one", "two"))
    assert in_bridge() == ["one", "two"]
    assert drifts == [("wan does not belong in br-lan",)]
    run("ip link set two nomaster")
    assert await one.verify() == ("two is not in br-lan",)
    assert (await one.drops())["ports"] >= 2


@inside
async def test_the_bridges_table_is_attested():
    ports("one", "two")
    one = reconciler()
    await one.apply(lan_plan("one", "two"))
    assert await is_stopped("dhcp", "one", "two")
    assert await one.verify() == ()  # the set that frames fill is no drift
    for command in ("flush chain bridge vpn_gateway forward", "delete table bridge vpn_gateway"):
        run(f"nft {command}")
        assert await one.verify() == ("the nftables ruleset was changed",)
        await one.apply(lan_plan("one", "two"))
        assert await one.verify() == ()


@pytest.mark.parametrize("kind", ["dhcp", "dhcpv6", "advertisement", "redirect", "extended"])
@inside
async def test_another_router_is_not_heard_between_ports(kind):
    ports("one", "two")
    run("ip link set one master br-lan")
    run("ip link set two master br-lan")
    assert await passes(kind, "one", "two")  # a bridge of itself lets it
    one = reconciler()
    await one.apply(lan_plan("one", "two"))
    assert await is_stopped(kind, "one", "two")
    assert (await one.drops())["foreign_router"] == 1
    dhcp = kind.startswith("dhcp")
    assert await one.foreign() == ((("one",), ()) if dhcp else ((), ("one",)))
    # The port of a DHCP server is a cable in the wrong socket: cut off. Behind that of a router hosts go on.
    as_expected = is_stopped if dhcp else passes
    assert await as_expected("host", "one", "two")
    assert await as_expected("host", "two", "one")
    assert await nft.elements("bridge", DHCP if dhcp else ROUTERS) == ("one",)


@inside
async def test_foreign_ports_and_counters_survive_a_new_plan():
    ports("one", "two", "three")
    one = reconciler()
    await one.apply(lan_plan("one", "two"))
    assert await is_stopped("dhcp", "one", "two")
    assert await is_stopped("advertisement", "two", "one")
    await one.apply(lan_plan("one", "two", "three"))
    assert (await one.drops())["foreign_router"] == 2
    assert await one.foreign() == (("one",), ("two",))
    assert await is_stopped("host", "one", "three")
    assert await one.verify() == ()
