"""Connections of devices through the ruleset, with real hosts: their outside ports, their number, their end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
from ipaddress import ip_address, ip_interface

import msgspec
import pytest

from app.model import DirectPolicy, WanLink
from app.network.conntrack import flush_mark, flush_source
from app.network.nft import with_deadlines
from app.network.plan import DEVICE_PORTS, MARK_TRANSPORT, OWN_PORTS, exit_mark
from app.network.planner import plan
from app.network.ruleset.sets import MAX_CONNECTIONS
from app.packet_trace import Packet
from app.tunnel.clock import boottime
from tests.kernel.namespace import Neighbour, inside, neighbour, run, until
from tests.unit.network.corpus import hosts
from tests.unit.network.scenarios import DIRECT_MAC, SCENARIOS, WAN, default_exit, inputs, tunnel
from tests.unit.network.test_kernel import gateway

pytestmark = pytest.mark.kernel

DEVICE4, DEVICE6 = "192.168.77.20", "fd12:3456:789a::20"
SERVERS = ("198.51.100.80", "198.51.100.81", "2001:db8:ffff::80", "2001:db8:ffff::81")
INPUTS = msgspec.structs.replace(
    inputs(default_exit(active=tunnel()), lan=("lan0",), wan=WanLink("wan", addresses=(ip_interface("192.0.2.7/24"),))),
)
# Answers with the address and port that it sees, and sends whoever connects a line, after which it is silent.
SERVER = f"""
import select, socket
wires = []
for host in {SERVERS}:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (9, 443, 3478):
        wires.append(socket.socket(family, socket.SOCK_DGRAM)); wires[-1].bind((host, port))
    wires.append(socket.create_server((host, 443), family=family))
kept = []
print("ready", flush=True)
while True:
    for wire in select.select(wires, [], [])[0]:
        if wire.type == socket.SOCK_STREAM:
            kept.append(wire.accept()[0]); kept[-1].send(b"hello")
        else:
            wire.sendto(str(origin[1]).encode(), origin) if (origin := wire.recvfrom(99)[1]) else None
"""


def start(host: Neighbour, script: str) -> subprocess.Popen[str]:
    argv = ["nsenter", "-t", str(host.pid), "-n", "--", sys.executable, "-c", script]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@contextlib.contextmanager
def network(setup=INPUTS, out="wg0a", script=SERVER):
    """A device on ``lan0``, the gateway here, servers behind ``out`` (a cable, where a tunnel would be)."""
    with contextlib.ExitStack() as stack:
        made = []
        for name in ("lan0", out):
            made.append(stack.enter_context(neighbour()))
            run("ip link set wan0 down")
            run(f"ip link set wan0 name {name}")
            run(f"ip link set {name} up")
        device, far = made
        made_plan = plan(setup)
        for name, value in made_plan.sysctls:
            with contextlib.suppress(OSError), open(f"/proc/sys/{name}", "w") as file:
                file.write(value)
        for address in ("192.168.77.1/24", "fd12:3456:789a::1/64"):
            run(f"ip addr add {address} dev lan0{nodad(address)}")
        for address in ("10.64.1.2/32", "fc00:bbbb::2/128"):
            run(f"ip addr add {address} dev {out}{nodad(address)}")
        for address, router in ((f"{DEVICE4}/24", "192.168.77.1"), (f"{DEVICE6}/64", "fd12:3456:789a::1")):
            device.run(f"ip addr add {address} dev eth0{nodad(address)}")
            device.run(f"ip route add default via {router}")
        for address in SERVERS:
            far.run(f"ip addr add {address} dev eth0{nodad(address)}")
        run(f"ip route add default dev {out}")
        run(f"ip -6 route add default dev {out}")
        far.run("ip route add 10.64.1.2 dev eth0")
        far.run("ip -6 route add fc00:bbbb::2 dev eth0")
        far.run("sysctl -qw net.ipv4.conf.all.arp_ignore=0")
        run("ip neigh replace 198.51.100.80 lladdr " + mac(far) + f" dev {out}")
        for address in SERVERS:
            run(f"ip neigh replace {address} lladdr {mac(far)} dev {out}")
        for address in ("10.64.1.2", "fc00:bbbb::2"):
            far.run(f"ip neigh replace {address} lladdr {own_mac(out)} dev eth0")
        run("nft -f -", feed=with_deadlines(made_plan.transaction, boottime()))
        stack.callback(start(far, script).kill)
        yield device, far


def nodad(address: str) -> str:
    return " nodad" if ":" in address else ""


def mac(host: Neighbour) -> str:
    return json.loads(host.run("ip -j link show eth0"))[0]["address"]


def own_mac(name: str) -> str:
    return json.loads(run(f"ip -j link show {name}"))[0]["address"]


def outside_ports(device: Neighbour, sends: list[tuple[int, str, int]]) -> list[int]:
    """The port that each server sees of the device's (own port, server, port)."""
    script = f"""
import json, socket
print("ready", flush=True)
sockets = {{}}
found = []
for own, host, port in {sends!r}:
    six = ":" in host
    if (own, six) not in sockets:
        one = sockets[own, six] = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(("::" if six else "0.0.0.0", own)); one.settimeout(5)
    sockets[own, six].sendto(b"?", (host, port))
    found.append(int(sockets[own, six].recv(99)))
print(json.dumps(found))
"""
    process = start(device, script)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return json.loads(out)


def counter(name: str) -> int:
    return json.loads(run(f"nft -j list counter inet vpn_gateway drop_{name}"))["nftables"][1]["counter"]["packets"]


@inside
async def test_a_socket_has_one_outside_port_for_all_destinations():
    with network() as (device, _):
        for servers in (SERVERS[:2], SERVERS[2:]):
            sends = [(40000, host, port) for host in servers for port in (9, 3478)]
            same = outside_ports(device, sends)
            assert len(set(same)) == 1, same
            assert same[0] not in OWN_PORTS
            run("nft -f -", feed=plan(INPUTS).ruleset)  # a new plan
            assert outside_ports(device, sends[:1]) == same[:1]
        services = outside_ports(device, [(40000, SERVERS[0], 443), (40000, SERVERS[1], 443)])
        assert len(set(services)) == 2  # where many devices talk to one address


@inside
async def test_no_device_gets_a_port_of_the_gateways_own_sockets():
    """CVE-2021-3773: a device that sends from WireGuard's port, or from all ports, never stands in its place."""
    with network() as (device, _):
        ports = [*OWN_PORTS[:40], *OWN_PORTS[-40:], *range(2000, 2200)]
        for port in (9, 443):
            seen = outside_ports(device, [(own, SERVERS[0], port) for own in ports])
            assert set(seen) <= set(DEVICE_PORTS)
            assert len(set(seen)) > len(seen) - 8
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("", 0))
            assert sock.getsockname()[1] in OWN_PORTS


@inside
async def test_a_device_has_so_many_connections_and_no_more():
    with network() as (device, _):
        script = f"""
import socket
print("ready", flush=True)
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range({MAX_CONNECTIONS + 300}):
    try: sock.sendto(b"x", (f"198.51.{{n >> 8}}.{{n & 255}}", 9))
    except OSError: pass
"""
        run("ip neigh replace 192.0.2.99 lladdr 02:00:00:00:00:99 dev wg0a")
        run("ip route replace 198.51.0.0/16 via 192.0.2.99 dev wg0a onlink")
        start(device, script).communicate(timeout=60)
        await until(lambda: counter("too_many") >= 250)
        assert int(run("conntrack -C")) <= MAX_CONNECTIONS + 60


WAITING = """
import socket
sock = socket.create_connection(({0!r}, 443), timeout=20)
assert sock.recv(5) == b"hello"
print("ready", flush=True)
try: print(sock.recv(5))
except OSError as error: print(type(error).__name__)
"""


@pytest.mark.parametrize("server", [SERVERS[0], SERVERS[2]], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("how", ["exit", "device"])
@inside
async def test_a_download_ends_when_its_connection_is_forgotten(server, how):
    with network() as (device, _):
        waiting = await asyncio.to_thread(start, device, WAITING.format(server))
        if how == "exit":
            await flush_mark(exit_mark(0))
        else:
            await flush_source(ip_address(DEVICE6 if ":" in server else DEVICE4))
        assert (await asyncio.to_thread(waiting.communicate, timeout=5))[0] == "ConnectionResetError\n"
        assert counter("midstream") == 1
        assert run("conntrack -L -p tcp") == ""


@inside
async def test_segment_of_an_unknown_connection_is_reset():
    with network() as (device, _):
        script = WAITING.format(SERVERS[0]).replace("try: print", "input(); sock.send(b'in the middle')\ntry: print")
        argv = ["nsenter", "-t", str(device.pid), "-n", "--", sys.executable, "-c", script]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        run("conntrack -F")
        assert (await asyncio.to_thread(process.communicate, "\n", timeout=5))[0] == "ConnectionResetError\n"


@inside
async def test_an_error_about_the_tunnels_packets_changes_no_path_mtu():
    run("ip link add wan type veth peer name far")
    for name in ("wan", "far"):
        run(f"ip link set {name} up")
    run("ip addr add 203.0.113.5/24 dev wan")
    run("ip route add default via 203.0.113.1")
    run("ip neigh replace 203.0.113.1 lladdr 02:00:00:00:00:99 dev wan")
    peer = "198.51.100.7"

    def forge(source: int) -> None:
        quoted = struct.pack("!BBHHHBBH4s4sHHHH", 0x45, 0, 128, 1, 0x4000, 64, 17, 0, ip_address("203.0.113.5").packed,
                             ip_address(peer).packed, source, 51820, 108, 0)  # fmt: skip
        body = struct.pack("!BBHHH", 3, 4, 0, 0, 600) + quoted
        body = body[:2] + struct.pack("!H", checksum(body)) + body[4:]
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 1, 0, 64, 1, 0, ip_address("192.0.2.66").packed,
                           ip_address("203.0.113.5").packed)  # fmt: skip
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        to = bytes.fromhex(own_mac("wan").replace(":", ""))
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("far", 0))
            sock.send(to + b"\2\0\0\0\0\x99\x08\0" + head + body)

    def learned() -> bool:
        return "mtu" in run(f"ip route get {peer} mark {MARK_TRANSPORT}")

    async def attack() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK_TRANSPORT)
            sock.connect((peer, 51820))
            sock.send(b"x" * 100)
            forge(sock.getsockname()[1])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    while not learned():
                        await asyncio.sleep(0.01)

    run("nft -f -", feed=plan(inputs(default_exit(active=tunnel()), lan=(), wan=WAN)).ruleset)
    await attack()
    assert not learned()
    assert counter("transport") == 1
    run("nft flush ruleset")
    await attack()
    assert learned()  # the attack works where nothing stops it


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def test_direct_device_leaves_with_the_wans_address_or_not():
    """ICMPv6 of the kinds that connection tracking leaves alone is not translated: it must not leave."""
    setup = SCENARIOS["policies"]()
    assert dict(setup.devices)[DIRECT_MAC] == DirectPolicy()
    source = ip_address(hosts(setup)[DIRECT_MAC][1])
    with gateway(setup) as kernel:
        for kind, leaves in (("echo-request", True), ("mld2-listener-report", False), ("nd-neighbor-solicit", False)):
            packet = Packet(
                source, ip_address("2001:db8:ee::1"), "icmpv6", icmp_type=kind, iif="br-lan", mac=DIRECT_MAC
            )
            left = [seen for seen in kernel.arrive(packet) if seen.link == "wan"]
            assert [seen.src for seen in left] == ([ip_address("2001:db8:1::5")] if leaves else [])
