"""Exceptions that end in the kernel, with nobody there to end them; and what attestation says about their elements."""

from __future__ import annotations

import asyncio
import json
import sys
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Literal

import pytest
from msgspec.structs import replace

from app.model import BlockedPolicy, DirectPolicy, WanLink
from app.model import VpnPolicy as Vpn
from app.network import nft
from app.network.capabilities import has_flowtable
from app.network.firewall import Firewall
from app.network.plan import (
    DIRECT_RESOLVERS,
    RESOLVER_PORT_BASE,
    TABLE_DIRECT,
    PlanInput,
    resolver_network,
    resolver_vips,
)
from app.network.planner import plan
from app.network.policy import FAMILIES
from app.policies import PlannedException
from app.tunnel.clock import boottime
from tests.kernel.namespace import Neighbour, inside, run
from tests.kernel.test_connections import SERVERS, mac, network
from tests.unit.network.scenarios import default_exit, inputs, tunnel

pytestmark = pytest.mark.kernel

OTHER = "02:00:00:00:00:77"
VIPS = (resolver_vips(DIRECT_RESOLVERS, 4)[0], resolver_vips(0, 4)[0])
TIMED = ("exception", "exception_return", "resolver_exception4", "resolver_exception6")
SOON = 2.0  # seconds that an exception lasts
AFTER = 1.5  # seconds in which nothing may come any more

# Sends to everybody who has connected, or sent a packet once, every 10 ms for ever.
SERVER = f"""
import select, socket
wires, peers = [], []
for host in {SERVERS}:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    wires.append(socket.create_server((host, 443), family=family))
    wires.append(socket.socket(family, socket.SOCK_DGRAM)); wires[-1].bind((host, 443))
print("ready", flush=True)
while True:
    for wire in select.select(wires, [], [], 0.01)[0]:
        peers.append(wire.accept()[0].send if wire.type == socket.SOCK_STREAM else
                     lambda data, to=wire.recvfrom(99)[1], wire=wire: wire.sendto(data, to))
    for send in peers:
        try: send(b"x" * 100)
        except OSError: pass
"""

# Answers every question.
NAME_SERVER = f"""
import select, socket
wires = []
for host in {SERVERS}:
    wires.append(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM))
    wires[-1].bind((host, 53))
print("ready", flush=True)
while True:
    for wire in select.select(wires, [], [])[0]:
        wire.sendto(b"!", wire.recvfrom(99)[1])
"""

# Opens one connection, sends nothing more, and prints when it heard the first time and the last.
CLIENT = """
import socket, sys, time
server, kind, until = sys.argv[1], sys.argv[2], float(sys.argv[3])
now = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET,
                     socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
sock.settimeout(1)
times, how = [], "silent"
try:
    sock.connect((server, 443))
    if kind == "udp": sock.send(b"?")
    while now() < until:
        sock.settimeout(max(0.01, until - now()))
        if not sock.recv(9999): break
        times.append(now())
except OSError as error:
    how = type(error).__name__
print(f"{times[0] if times else 0} {times[-1] if times else 0} {how}")
"""


async def listen(device: Neighbour, server: str, kind: str, until: float) -> tuple[float, float, str]:
    argv = ["nsenter", "-t", str(device.pid), "-n", "--", sys.executable, "-c", CLIENT, server, kind, str(until)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    first, last, how = (await process.communicate())[0].split()
    return float(first), float(last), how.decode()


def setup(way: str, end: float, device_mac: str, *, other_end: float = 0, flowtable: bool = False):
    """A blocked device that may go out by ``way`` until ``end``."""
    direct = way == "direct"
    wan = WanLink(
        "wan", True, 1500, (ip_interface("10.64.1.2/32"), ip_interface("fc00:bbbb::2/128")),
        IPv4Address("10.64.1.1"), IPv6Address("fe80::1"),
    )  # fmt: skip
    exceptions = [PlannedException(3, DirectPolicy() if direct else Vpn(), (device_mac,), end)]
    if other_end:
        exceptions.append(PlannedException(4, DirectPolicy() if direct else Vpn(), (OTHER,), other_end))
    return inputs(
        default_exit() if direct else default_exit(active=tunnel()),
        lan=("lan0",),
        wan=wan if direct else replace(wan, addresses=(ip_interface("192.0.2.7/24"),)),
        default=BlockedPolicy(),
        exceptions=tuple(exceptions),
        flowtable=not direct and flowtable,
    )


def resolving(end: float, device_mac: str, *, other_end: float = 0) -> PlanInput:
    """The same with direct ways out and the servers as the WAN's name servers."""
    made = setup("direct", end, device_mac, other_end=other_end)
    servers = tuple(ip_address(host) for host in (SERVERS[0], SERVERS[2]))
    return replace(made, links=replace(made.links, wan=replace(made.links.wan, nameservers=servers)))


def route_own_packets() -> None:
    """As the plan's own rules and routes do where the link has a router."""
    for family in FAMILIES:
        run(f"ip -{family} route add default dev wan table {TABLE_DIRECT}")
        run(f"ip -{family} rule add iif lo to {resolver_network(DIRECT_RESOLVERS, family)} lookup {TABLE_DIRECT}")


async def ask(server: str, until: float) -> tuple[float, float]:
    """When the gateway's own queries to ``server`` were answered the first time and the last."""
    argv = [sys.executable, "-c", ASKER, server, str(until)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    first, last = map(float, (await process.communicate())[0].split())
    return first, last


def link(way: str) -> str:
    return "wan" if way == "direct" else "wg0a"


def load(made) -> None:
    run("nft -f -", feed=nft.with_deadlines(plan(made).transaction, boottime()))


@pytest.mark.parametrize("server", [SERVERS[0], SERVERS[2]], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("way", ["direct", "vpn"])
@inside
async def test_open_connection_ends_with_the_exception(way: str, kind: str, server: str):
    """Also where the device sends nothing (UDP), and where the flowtable would carry the rest of it (VPN)."""
    flowtable = await has_flowtable()
    with network(setup(way, 0.0, OTHER, flowtable=flowtable), link(way), SERVER) as (device, _):
        assert (await listen(device, server, kind, boottime() + 0.5))[0] == 0  # blocked
        end = boottime() + SOON
        load(setup(way, end, mac(device), flowtable=flowtable))
        first, last, how = await listen(device, server, kind, end + AFTER)
        assert end - SOON < first < end - SOON / 2
        assert end - 0.3 < last < end + 0.3, (last - end, how)
        assert (await listen(device, server, kind, boottime() + 0.5))[0] == 0  # and nothing new


# Asks from one socket all the time, and prints when it was answered the first time and the last.
ASKER = """
import socket, sys, time
server, until = sys.argv[1], float(sys.argv[2])
now = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(0.02)
sock.connect((server, 53))
times = []
while now() < until:
    try:
        sock.send(b"?")
        sock.recv(99)
        times.append(now())
    except OSError:
        time.sleep(0.02)
print(f"{times[0] if times else 0} {times[-1] if times else 0}")
"""


class Answerer(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.transport.sendto(b"!", address)  # type: ignore[attr-defined]


@pytest.mark.parametrize("server", [SERVERS[0], SERVERS[2]], ids=["IPv4", "IPv6"])
@inside
async def test_conversation_with_the_resolver_ends_too(server: str):
    """A device that keeps its source port keeps its connection, which was redirected to the resolver in the clear."""
    with network(setup("direct", 0.0, OTHER), "wan", SERVER) as (device, _):
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Answerer, ("::", RESOLVER_PORT_BASE))
        end = boottime() + SOON
        load(setup("direct", end, mac(device)))
        argv = ["nsenter", "-t", str(device.pid), "-n", "--", sys.executable, "-c", ASKER, server, str(end + AFTER)]
        process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
        first, last = map(float, (await process.communicate())[0].split())
        transport.close()
        assert end - SOON < first < end - SOON / 2
        assert end - 0.3 < last < end + 0.3, last - end


@inside
async def test_longer_exception_is_not_cut_by_a_shorter_one():
    """Control of the test above: the same load, the same moment, but this device has more time."""
    with network(setup("direct", 0.0, OTHER), "wan", SERVER) as (device, _):
        end = boottime() + SOON
        load(setup("direct", end + 60, mac(device), other_end=end))
        first, last, how = await listen(device, SERVERS[0], "tcp", end + AFTER)
        assert first < end
        assert last > end + AFTER - 0.3
        assert how in {"silent", "TimeoutError"}


@inside
async def test_reload_gives_no_exception_more_time():
    with network(setup("direct", 0.0, OTHER), "wan", SERVER) as (device, _):
        end = boottime() + SOON
        made = setup("direct", end, mac(device))
        load(made)
        await asyncio.sleep(SOON / 2)
        load(made)
        left = json.loads(run("nft -j list map inet vpn_gateway exception"))["nftables"][1]["map"]["elem"][0][0]["elem"]
        assert left["timeout"] <= SOON / 2
        await asyncio.sleep(SOON / 2 + 0.2)
        load(made)  # after the end: it is left out
        assert "elem" not in json.loads(run("nft -j list map inet vpn_gateway exception"))["nftables"][1]["map"]


@inside
async def test_forgotten_deadline_is_refused_by_nft():
    run("nft -f -", feed=plan(setup("direct", 9e7, OTHER)).ruleset)
    with pytest.raises(AssertionError, match="wrong time format"):
        run("nft -f -", feed=plan(setup("direct", 9e7, OTHER)).transaction)


@pytest.mark.parametrize("family", [4, 6])
@inside
async def test_resolver_asks_nothing_in_the_clear_after_the_end(family: Literal[4, 6]):
    """The gateway's own queries for the devices that are direct, also those that it was asked before, end with them."""
    with network(resolving(0.0, OTHER), "wan", NAME_SERVER) as (device, _):
        route_own_packets()
        end = boottime() + SOON
        load(resolving(end, mac(device), other_end=end - SOON / 2))
        vip = str(resolver_vips(DIRECT_RESOLVERS, family)[0 if family == 4 else 1])
        first, last = await ask(vip, end + AFTER)
        assert end - SOON < first < end - SOON / 2
        assert end - 0.3 < last < end + 0.3, last - end


@inside
async def test_resolver_goes_on_for_who_is_direct_anyway():
    """Control of the test above: the same end of an exception, but another device is direct by its own policy."""
    with network(resolving(0.0, OTHER), "wan", NAME_SERVER) as (device, _):
        route_own_packets()
        end = boottime() + SOON
        load(replace(resolving(end, mac(device)), devices=((OTHER, DirectPolicy()),)))
        _, last = await ask(str(resolver_vips(DIRECT_RESOLVERS, 4)[0]), end + AFTER)
        assert last > end + AFTER - 0.3


@inside
async def test_element_whose_time_is_over_is_no_drift():
    made = plan(setup("direct", boottime() + 1, OTHER, other_end=0))
    firewall = Firewall()
    await firewall.apply(made)
    await firewall.attest()
    assert await firewall.matches(made)
    run("nft add table inet another")  # the next look has to list the table
    assert await firewall.matches(made)
    await asyncio.sleep(1.3)
    for name in TIMED:
        kind = "set" if name == "exception_return" else "map"
        assert "elements" not in run(f"nft list {kind} inet vpn_gateway {name}")
    run("nft delete table inet another")
    assert await firewall.matches(made)


CHANGES = {
    "added": "nft add element inet vpn_gateway exception { 02:00:00:00:00:78 timeout 30s : 0x1003 }",
    "without an end": "nft add element inet vpn_gateway exception { 02:00:00:00:00:78 : 0x1003 }",
    "prolonged": f"nft add element inet vpn_gateway exception {{ {OTHER} timeout 90s : 0x1003 }}",
    "shortened": f"nft add element inet vpn_gateway exception {{ {OTHER} timeout 9s : 0x1003 }}",
    "another number": f"nft add element inet vpn_gateway exception {{ {OTHER} timeout 30s : 0x1004 }}",
    "ended": "true",
    "return": 'nft add element inet vpn_gateway exception_return { "lan0" . 0x1003 timeout 9s }',
    "resolver": f"nft add element inet vpn_gateway resolver_exception4 {{ {VIPS[0]} timeout 90s : 0x10 }}",
    "resolver of an exit": f"nft add element inet vpn_gateway resolver_exception4 {{ {VIPS[1]} timeout 9s : 0x10 }}",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
@inside
async def test_changed_exception_is_drift(change: str):
    made = plan(setup("direct", boottime() + 30, OTHER))
    firewall = Firewall()
    await firewall.apply(made)
    await firewall.attest()
    assert await firewall.matches(made)
    if change == "resolver":
        run(f"nft delete element inet vpn_gateway resolver_exception4 {{ {VIPS[0]} }}")
    elif change in {"prolonged", "shortened", "another number", "ended"}:
        run(f"nft delete element inet vpn_gateway exception {{ {OTHER} }}")
    run(CHANGES[change])
    assert not await firewall.matches(made)
    await firewall.apply(made)
    await firewall.attest()
    assert await firewall.matches(made)
