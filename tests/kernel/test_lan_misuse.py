"""Devices that announce the gateway's address or invent others to take every lease, on a bridge of a real kernel."""

from __future__ import annotations

import asyncio
import socket
import struct
from ipaddress import IPv6Address, ip_interface

import pytest
from msgspec.structs import replace

from app.model import LanBridge, LanLink, LanSettings, Links, WanLink
from app.netd.lan_misuse import LanMisuseMonitor
from app.network import nft
from app.network.planner import plan
from app.network.reconcile import Reconciler
from app.network.ruleset.bridge import FLOODING, IMPOSTORS
from app.network.wireguard.userspace import UserspaceBackend
from tests.kernel.namespace import inside, run
from tests.support.dhcp_client import DISCOVER, DhcpClient
from tests.unit.network.scenarios import default_exit, inputs

pytestmark = pytest.mark.kernel

ULA = ip_interface("fd12:3456:789a::1/64")
DEVICE = "02:00:00:00:00:66"


class Bridge:
    """The LAN's bridge with two ports, and the far end of each port's cable."""

    def __init__(self):
        run("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0", check=False)
        run("ip link add br-lan type bridge forward_delay 0 mcast_snooping 0")
        run("ip link set br-lan up")
        for name in ("one", "two", "wan"):
            run(f"ip link add {name} type veth peer name {name}-x")
            run(f"ip link set {name} up")
            run(f"ip link set {name}-x up")
        self.kernel = Reconciler(UserspaceBackend(), on_drift=lambda _: None)
        self.events = []
        self.monitor = LanMisuseMonitor(
            drops=self.kernel.drops,
            impostors=lambda: nft.elements("bridge", IMPOSTORS),
            flooding=lambda: nft.elements("bridge", FLOODING),
            publish=self.events.append,
        )

    async def start(self):
        wan = WanLink("wan", up=True, addresses=(ip_interface("192.0.2.7/24"),))
        links = Links(wan, (LanLink("br-lan"),), LanBridge("br-lan", ("one", "two")))
        lan = replace(LanSettings(), ula=ULA)
        await self.kernel.apply(plan(replace(inputs(default_exit()), links=links, lan=lan)))
        await self.monitor.check()
        assert self.events == []


async def passes(frame, *, source="one-x", target="two-x", seconds=10.0):
    """Whether ``frame`` comes out at the other port."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as near:
        near.bind((source, 0))
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as far:
            far.bind((target, 0))
            far.setblocking(False)
            near.send(frame)
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        if (await asyncio.get_running_loop().sock_recv(far, 2048))[: len(frame)] == frame:
                            return True
            except TimeoutError:
                return False


async def is_stopped(frame):
    """Whether ``frame`` does not come out there: where it may, it does so at once."""
    return not await passes(frame, seconds=0.5)


def ethernet(kind):
    return b"\xff" * 6 + bytes.fromhex(DEVICE.replace(":", "")) + kind


def arp(sender, operation=2):
    mac = bytes.fromhex(DEVICE.replace(":", ""))
    ends = mac + socket.inet_aton(sender) + b"\xff" * 6 + socket.inet_aton(sender)
    return ethernet(b"\x08\x06") + struct.pack(">HHBBH", 1, 0x0800, 6, 4, operation) + ends


def advertisement(target):
    body = struct.pack(">BBHI", 136, 0, 0, 0x20000000) + IPv6Address(target).packed
    head = struct.pack(">IHBB", 6 << 28, len(body), 58, 255)
    return ethernet(b"\x86\xdd") + head + IPv6Address("fe80::66").packed + IPv6Address("ff02::1").packed + body


@pytest.mark.parametrize("operation", [1, 2], ids=["request", "reply"])
@inside
async def test_device_with_the_gateways_address_is_told_and_not_heard(operation):
    lan = Bridge()
    await lan.start()
    assert await passes(arp("192.168.77.66", operation))
    assert await is_stopped(arp("192.168.77.1", operation))
    assert await passes(arp("0.0.0.0", operation))  # a device that asks whether an address is free
    await lan.monitor.check()
    (event,) = lan.events
    assert (event.reason, event.port) == ("gateway_address_taken", "one")
    assert DEVICE in event.message
    assert await is_stopped(arp("192.168.77.1", operation))
    await lan.monitor.check()
    assert len(lan.events) == 1
    assert (await lan.kernel.drops())["gateway_address"] == 2
    assert await lan.kernel.verify() == ()  # the sets that frames fill are no drift


@inside
async def test_device_with_the_gateways_ipv6_address_is_not_heard():
    lan = Bridge()
    await lan.start()
    assert await passes(advertisement("fd12:3456:789a::66"))
    assert await is_stopped(advertisement("fd12:3456:789a::1"))
    await lan.monitor.check()
    assert [event.reason for event in lan.events] == ["gateway_address_taken"]


@inside
async def test_port_that_asks_for_too_many_addresses_is_limited():
    lan = Bridge()
    await lan.start()
    starving = DhcpClient("one-x", DEVICE)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind(("one-x", 0))
        for number in range(300):
            starving.mac = f"02:00:00:01:{number >> 8:02x}:{number & 255:02x}"
            sock.send(starving.frame(DISCOVER, number))
            if number % 20 == 0:
                await asyncio.sleep(0)
    await lan.monitor.check()
    assert [(event.reason, event.port) for event in lan.events] == [("dhcp_flood", "one")]
    stopped = (await lan.kernel.drops())["dhcp_flood"]
    assert 190 <= stopped <= 220
    # A device at another port is served meanwhile, and the starving one after a while.
    other = DhcpClient("two-x", "02:00:00:00:00:77")
    assert await passes(other.frame(DISCOVER, 1), source="two-x", target="one-x")
    assert await lan.kernel.verify() == ()
