"""Exceptions that end in the kernel, with nobody there to end them; and what attestation says about their elements."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from pathlib import Path
from typing import Literal

import msgspec
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
SOON = 4.0  # seconds that an exception lasts
AFTER = 1.5  # seconds in which nothing may come any more
LONG_AFTER = 4.0  # the same for controls, in which something must come though its sender may be stopped for a while
EXACT = 0.3  # seconds by which the end of a conversation may differ from the exception's

# What is compared with the end of an exception are the times of sending, when a packet passes the gateway. A process
# that stands still on a busy machine reads what has come too late, but what it reads tells when it was sent.

# Sends to everybody who has connected, or sent a packet once, the time every 10 ms for ever. For each of these times
# its log has the one at which it was sent to all.
SERVER = f"""
import select, socket, sys, time
now = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
log = open(LOG, "w", buffering=1)
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
    stamp = round(now(), 6)
    for send in peers:
        try: send(b"%-100.6f" % stamp)
        except OSError: pass
    if peers: print(stamp, now(), file=log)
"""

# Answers every question by itself. Its log has the time at which each of its turns begins: what has come by then is
# answered when the next one does.
NAME_SERVER = """
import select, socket, time
log = open(LOG, "w", buffering=1)
wires = []
for address in ADDRESSES:
    wires.append(socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM))
    wires[-1].bind(address)
    wires[-1].setblocking(False)
print("ready", flush=True)
while True:
    print(time.clock_gettime(time.CLOCK_BOOTTIME), file=log)
    for wire in select.select(wires, [], [], 0.01)[0]:
        try:
            while True:
                question, peer = wire.recvfrom(99)
                wire.sendto(question, peer)
        except OSError: pass
"""

# Opens one connection, sends nothing more, and prints the first time that it heard and the last.
CLIENT = """
import socket, sys, time
server, kind, until = sys.argv[1], sys.argv[2], float(sys.argv[3])
now = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET,
                     socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
sock.settimeout(1)
heard, how = b"", "silent"
try:
    sock.connect((server, 443))
    if kind == "udp": sock.send(b"?")
    while now() < until:
        sock.settimeout(max(0.01, until - now()))
        if not (data := sock.recv(9999)): break
        heard += data
except OSError as error:
    how = type(error).__name__
sock.setblocking(False)
try:
    while data := sock.recv(9999): heard += data  # what came while this process stood still
except OSError:
    pass
times = [float(heard[at:at + 100]) for at in range(0, len(heard) - 99, 100)]
print(f"{times[0] if times else 0} {times[-1] if times else 0} {how}")
"""


def logging(script: str, path: Path) -> str:
    return f"LOG = {str(path)!r}\n{script}"


def name_server(path: Path, *addresses: tuple[str, int]) -> str:
    return f"ADDRESSES = {addresses or [(host, 53) for host in SERVERS]!r}\n{logging(NAME_SERVER, path)}"


@contextlib.contextmanager
def running(script: str) -> Iterator[None]:
    """Until it ends here, ``script`` runs in this namespace."""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield
        finally:
            process.kill()


def logged(path: Path) -> list[tuple[float, ...]]:
    return [tuple(map(float, line.split())) for line in path.read_text().splitlines()]


def assert_ended(end: float, first: float, last: float, log: Iterable[tuple[float, ...]]) -> None:
    """The conversation began at once, nothing of it is missing, and it ended at ``end``.

    ``log`` has the times that were sent, each with the one at which it had been: what was sent before must be there.
    """
    due = max((told for told, when in log if when < end - EXACT), default=first)
    assert end - SOON < first < end - 1, first - end
    assert due <= last < end + EXACT, (due - end, last - end)


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


class Asked(msgspec.Struct):
    """What one who asks all the time has got: all are times of questions."""

    answered: list[float]
    asked: list[tuple[float, float]]  # with the time at which it had been sent, or refused

    def log(self, path: Path) -> list[tuple[float, float]]:
        """The questions that the name server with the log at ``path`` has got to, and when it had answered them."""
        turns = [when for (when,) in logged(path)]
        begun = ((question, bisect.bisect(turns, sent)) for question, sent in self.asked)
        return [(question, turns[turn + 1]) for question, turn in begun if turn + 1 < len(turns)]


async def ask(server: str, until: float, device: Neighbour | None = None) -> Asked:
    """Ask ``server`` until then; it is the gateway that asks, where there is no ``device``."""
    there = [] if device is None else ["nsenter", "-t", str(device.pid), "-n", "--"]
    argv = [*there, sys.executable, "-c", ASKER, server, str(until)]
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    return msgspec.json.decode((await process.communicate())[0], type=Asked)


def link(way: str) -> str:
    return "wan" if way == "direct" else "wg0a"


def load(made) -> None:
    run("nft -f -", feed=nft.with_deadlines(plan(made).transaction, boottime()))


@pytest.mark.parametrize("server", [SERVERS[0], SERVERS[2]], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("kind", ["tcp", "udp"])
@pytest.mark.parametrize("way", ["direct", "vpn"])
@inside
async def test_open_connection_ends_with_the_exception(tmp_path: Path, way: str, kind: str, server: str):
    """Also where the device sends nothing (UDP), and where the flowtable would carry the rest of it (VPN)."""
    flowtable, script = await has_flowtable(), logging(SERVER, tmp_path / "log")
    with network(setup(way, 0.0, OTHER, flowtable=flowtable), link(way), script) as (device, _):
        assert (await listen(device, server, kind, boottime() + 0.5))[0] == 0  # blocked
        end = boottime() + SOON
        load(setup(way, end, mac(device), flowtable=flowtable))
        first, last, _ = await listen(device, server, kind, end + AFTER)
        assert_ended(end, first, last, logged(tmp_path / "log"))
        assert (await listen(device, server, kind, boottime() + 0.5))[0] == 0  # and nothing new


# Asks from one socket all the time, and prints what ``Asked`` has. The question is the time.
ASKER = """
import json, socket, sys, time
server, until = sys.argv[1], float(sys.argv[2])
now = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
sock = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
sock.settimeout(0.02)
sock.connect((server, 53))
answered, asked = [], []
while now() < until:
    time.sleep(0.005)
    try:
        question = round(now(), 6)
        try: sock.send(b"%.6f" % question)
        finally: asked.append((question, now()))
        answered.append(float(sock.recv(99)))
    except OSError:
        time.sleep(0.02)
sock.setblocking(False)
try:
    while True: answered.append(float(sock.recv(99)))  # what came while this process stood still
except OSError:
    pass
print(json.dumps({"answered": answered, "asked": asked}))
"""


@pytest.mark.parametrize("server", [SERVERS[0], SERVERS[2]], ids=["IPv4", "IPv6"])
@inside
async def test_conversation_with_the_resolver_ends_too(tmp_path: Path, server: str):
    """A device that keeps its source port keeps its connection, which was redirected to the resolver in the clear."""
    log = tmp_path / "log"
    with (
        network(setup("direct", 0.0, OTHER), "wan", logging(SERVER, Path("/dev/null"))) as (device, _),
        running(name_server(log, ("::", RESOLVER_PORT_BASE))),
    ):
        end = boottime() + SOON
        load(setup("direct", end, mac(device)))
        found = await ask(server, end + AFTER, device)
        assert_ended(end, found.answered[0], found.answered[-1], found.log(log))


@inside
async def test_longer_exception_is_not_cut_by_a_shorter_one():
    """Control of the test above: the same load, the same moment, but this device has more time."""
    with network(setup("direct", 0.0, OTHER), "wan", logging(SERVER, Path("/dev/null"))) as (device, _):
        end = boottime() + SOON
        load(setup("direct", end + 60, mac(device), other_end=end))
        first, last, how = await listen(device, SERVERS[0], "tcp", end + LONG_AFTER)
        assert first < end
        assert last > end + EXACT
        assert how in {"silent", "TimeoutError"}


@inside
async def test_reload_gives_no_exception_more_time():
    with network(setup("direct", 0.0, OTHER), "wan", logging(SERVER, Path("/dev/null"))) as (device, _):
        end = boottime() + SOON
        made = setup("direct", end, mac(device))
        load(made)
        await asyncio.sleep(1.5)
        load(made)
        left = json.loads(run("nft -j list map inet vpn_gateway exception"))["nftables"][1]["map"]["elem"][0][0]["elem"]
        assert left["timeout"] <= SOON - 1.5  # nft tells whole seconds: 3 of 4 for one that begins anew
        await asyncio.sleep(end + 0.2 - boottime())
        load(made)  # after the end: it is left out
        assert "elem" not in json.loads(run("nft -j list map inet vpn_gateway exception"))["nftables"][1]["map"]


@inside
async def test_forgotten_deadline_is_refused_by_nft():
    run("nft -f -", feed=plan(setup("direct", 9e7, OTHER)).ruleset)
    with pytest.raises(AssertionError, match="wrong time format"):
        run("nft -f -", feed=plan(setup("direct", 9e7, OTHER)).transaction)


@pytest.mark.parametrize("family", [4, 6])
@inside
async def test_resolver_asks_nothing_in_the_clear_after_the_end(tmp_path: Path, family: Literal[4, 6]):
    """The gateway's own queries for the devices that are direct, also those that it was asked before, end with them."""
    with network(resolving(0.0, OTHER), "wan", name_server(tmp_path / "log")) as (device, _):
        route_own_packets()
        end = boottime() + SOON
        load(resolving(end, mac(device), other_end=end - SOON / 2))
        vip = str(resolver_vips(DIRECT_RESOLVERS, family)[0 if family == 4 else 1])
        found = await ask(vip, end + AFTER)
        assert_ended(end, found.answered[0], found.answered[-1], found.log(tmp_path / "log"))


@inside
async def test_resolver_goes_on_for_who_is_direct_anyway():
    """Control of the test above: the same end of an exception, but another device is direct by its own policy."""
    with network(resolving(0.0, OTHER), "wan", name_server(Path("/dev/null"))) as (device, _):
        route_own_packets()
        end = boottime() + SOON
        load(replace(resolving(end, mac(device)), devices=((OTHER, DirectPolicy()),)))
        found = await ask(str(resolver_vips(DIRECT_RESOLVERS, 4)[0]), end + LONG_AFTER)
        assert found.answered[-1] > end + EXACT


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
