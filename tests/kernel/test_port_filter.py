"""The third lock with a kernel of its own: what it lets onto the wire, seen at the cable's far end, and its repair."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import subprocess
from ipaddress import ip_address, ip_interface, ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from app.model import LanBridge, LanLink, Links, WanLink
from app.network.bpf import as_text
from app.network.egress_filter import OWN_MARKS, before_roles, program
from app.network.plan import MARK_BLOCKED, MARK_DIRECT, MARK_EXIT_BASE, MARK_TRANSPORT, EgressFilter, NetworkPlan
from app.network.planner import plan
from app.network.reconcile import Reconciler
from app.network.wireguard.userspace import UserspaceBackend
from tests.kernel.namespace import inside, run, until
from tests.unit.network.scenarios import default_exit, inputs

pytestmark = pytest.mark.kernel

OVERLAY = Path(__file__).parents[2] / "overlay"
EMPTY = "table inet vpn_gateway { }\ndelete table inet vpn_gateway\n"
SO_MARK, ETH_P_ALL, PACKET_OUTGOING = 36, 3, 4
OTHER = "02:00:00:00:00:99"
SHARED = (ip_network("192.168.77.0/24"), ip_network("fd12:3456:789a::/64"))


class Wire:
    """A port ``wan`` with a cable to ``far`` in this namespace, where every frame that left is read."""

    def __init__(self):
        run("ip link add wan type veth peer name far")
        run("ip link set wan addrgenmode none")
        run("ip link set far addrgenmode none")
        run("ip link set wan up")
        run("ip link set far up")
        run("ip addr add 192.0.2.7/24 dev wan")
        run("ip addr add 2001:db8:1::7/64 dev wan")
        run("ip route add default via 192.0.2.1")
        for host in ("192.0.2.1", "2001:db8:1::1", "192.0.2.99"):
            run(f"ip neigh replace {host} lladdr {OTHER} dev wan")
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.sock.bind(("far", 0))
        self.sock.setblocking(False)

    async def left(self, text):
        """Whether a frame with ``text`` left, as against the one that is sent now past every filter."""
        fence = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        fence.bind(("wan", 0))
        fence.setsockopt(263, 20, 1)  # SOL_PACKET, PACKET_QDISC_BYPASS
        fence.send(b"\2" * 12 + b"\x88\xb5" + b"FENCE")
        fence.close()
        loop, seen = asyncio.get_running_loop(), False
        async with asyncio.timeout(5):
            while b"FENCE" not in (data := await loop.sock_recv(self.sock, 4096)):
                seen = seen or text in data
        return seen


def udp(mark, to="192.0.2.99", port=9, source=0, text=b"TEXT"):
    with socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, SO_MARK, struct.pack("=I", mark))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"wan")
        if source:
            sock.bind(("", source))
        with contextlib.suppress(PermissionError):
            sock.sendto(text, (to, port))


def raw(kind, data):
    """Put a frame on the port as a program with a packet socket does."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(kind)) as sock:
        sock.bind(("wan", kind))
        with contextlib.suppress(OSError):  # ENOBUFS: dropped, as the kernel tells such a program
            sock.send(bytes.fromhex(OTHER.replace(":", "")) + b"\2\0\0\0\0\1" + struct.pack(">H", kind) + data)


def only(*egress, unfiltered=()):
    return NetworkPlan(EMPTY, (), (), (), (), (), egress=egress, unfiltered=unfiltered)


def wan(*marks, lan=()):
    return EgressFilter("wan", marks or OWN_MARKS, lan)


def lock_port(*names):
    script = OVERLAY / "usr/lib/vpn-gateway/lock-port"
    environment = {**os.environ, "LOCK_FILE": str(OVERLAY / "etc/vpn-gateway/boot.bpf")}
    subprocess.run(["sh", str(script), *names], check=True, env=environment)


def reconciler(drifts=None):
    return Reconciler(UserspaceBackend(), on_drift=drifts.put_nowait if drifts is not None else lambda _: None)


def dhcp(client="0.0.0.0"):
    return b"\1\1\6\0" + bytes(8) + ip_address(client).packed + bytes(220) + b"TEXT"


def ipv6(following, hops, destination, body, kind=0x86DD):
    raw(kind, struct.pack(">IHBB", 6 << 28, len(body), following, hops)
        + ip_address("fe80::7").packed + ip_address(destination).packed + body)  # fmt: skip


@inside
async def test_only_marks_of_the_allowlist_leave():
    wire = Wire()
    udp(0)
    assert await wire.left(b"TEXT")  # the capture sees what leaves
    await reconciler().apply(only(wan()))
    for mark in (0, MARK_BLOCKED, MARK_DIRECT, MARK_EXIT_BASE, MARK_EXIT_BASE + 31, 0x120, 0x2000, 1 << 31):
        udp(mark)
        udp(mark, "2001:db8:1::1")
        assert not await wire.left(b"TEXT"), hex(mark)
    for mark in OWN_MARKS:
        udp(mark)
        assert await wire.left(b"TEXT"), hex(mark)
        udp(mark, "2001:db8:1::1")
        assert await wire.left(b"TEXT"), hex(mark)


@inside
async def test_direct_devices_leave_only_where_the_plan_has_any():
    wire = Wire()
    one = reconciler()
    await one.apply(only(wan(*OWN_MARKS, MARK_DIRECT)))
    udp(MARK_DIRECT)
    assert await wire.left(b"TEXT")
    await one.apply(only(wan()))
    udp(MARK_DIRECT)
    assert not await wire.left(b"TEXT")


@inside
async def test_the_gateways_own_frames_for_its_link_leave():
    wire = Wire()
    await reconciler().apply(only(wan()))
    for kind in (0x0806, 0x888E, 0x8863):  # ARP, EAPOL, PPPoE discovery
        raw(kind, b"TEXT".ljust(46))
        assert await wire.left(b"TEXT"), hex(kind)
    for protocol, passes in ((0xC021, True), (0x8021, True), (0x0021, False), (0x0057, False)):
        raw(0x8864, b"\x11\0\0\1\0\6" + struct.pack(">H", protocol) + b"TEXT".ljust(46))
        assert await wire.left(b"TEXT") == passes, hex(protocol)
    for kind in (0x88CC, 0x0805, 0x9000):  # LLDP and what else there is
        raw(kind, b"TEXT".ljust(46))
        assert not await wire.left(b"TEXT"), hex(kind)
    await asyncio.to_thread(udp, MARK_TRANSPORT, "192.0.2.55")  # asks for the address: an ARP of the kernel's own
    assert await wire.left(ip_address("192.0.2.55").packed)


@inside
async def test_dhcp_leaves_from_a_client_only():
    wire = Wire()
    await reconciler().apply(only(wan()))
    udp(0, "255.255.255.255", 67, 68, dhcp())
    assert await wire.left(b"TEXT")
    udp(0, "192.0.2.1", 67, 68, dhcp("192.0.2.7"))  # renewing: the client's address is its own
    assert await wire.left(b"TEXT")
    for to, port, source, body in (
        ("192.0.2.1", 67, 68, dhcp("192.168.77.20")),
        ("192.0.2.1", 67, 4000, dhcp("192.0.2.7")),
        ("192.0.2.1", 68, 67, dhcp("192.0.2.7")),
        ("255.255.255.255", 9, 68, dhcp()),
    ):
        udp(0, to, port, source, body)
        assert not await wire.left(b"TEXT"), (to, port, source)
    message = struct.pack(">HHHH", 546, 547, 12, 0) + b"TEXT"
    for to, passes in (("ff02::1:2", True), ("fe80::1", True), ("2001:db8::1", False), ("ff05::1:3", False)):
        ipv6(17, 64, to, message)
        assert await wire.left(b"TEXT") == passes, to


@inside
async def test_neighbour_discovery_leaves_unless_it_was_forwarded():
    wire = Wire()
    await reconciler().apply(only(wan()))
    for kind, hops, passes in (
        *((kind, 255, True) for kind in (133, 135, 136)),
        *((kind, 254, False) for kind in (133, 135, 136)),
        (128, 255, False), (134, 255, False), (137, 255, False), (143, 1, False),
    ):  # fmt: skip
        ipv6(58, hops, "ff02::1", bytes((kind, 0, 0, 0)) + b"TEXT")
        assert await wire.left(b"TEXT") == passes, (kind, hops)
    alert = b"\x3a\0\5\2\0\0\1\0"  # RFC 2711
    for kind, to, passes in ((143, "ff02::16", True), (131, "ff02::2", True), (143, "ff05::1", False),
                             (143, "2001:db8::1", False), (128, "ff02::1", False)):  # fmt: skip
        ipv6(0, 1, to, alert + bytes((kind, 0, 0, 0)) + b"TEXT")
        assert await wire.left(b"TEXT") == passes, (kind, to)


@inside
async def test_a_link_that_is_the_lan_as_well_serves_the_lan():
    wire = Wire()
    await reconciler().apply(only(wan(lan=SHARED)))
    run("ip addr add 192.168.77.1/24 dev wan")
    run("ip addr add fd12:3456:789a::1/64 dev wan")
    for host in ("192.168.77.20", "fd12:3456:789a::20"):
        run(f"ip neigh replace {host} lladdr {OTHER} dev wan")
        udp(0, host)
        assert await wire.left(b"TEXT"), host
    for host in ("192.0.2.99", "2001:db8:1::1"):
        udp(0, host)
        assert not await wire.left(b"TEXT"), host


@inside
async def test_a_frame_that_a_bridge_forwards_does_not_leave():
    """The cable of the ISP and that of the LAN in one bridge: even ARP of a device stays inside."""
    wire = Wire()
    run("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-arptables=0")
    run("ip link add name br0 type bridge forward_delay 0 mcast_snooping 0")
    run("ip link add name dev1 type veth peer name device")
    for name in ("dev1", "wan"):
        run(f"ip link set {name} master br0")
    for name in ("dev1", "device", "br0"):
        run(f"ip link set {name} up")

    def send(to):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind(("device", 0))
            sock.send(bytes.fromhex(to.replace(":", "")) + b"\2\0\0\0\0\5\x08\x06" + b"TEXT".ljust(46))

    for to in ("ff:ff:ff:ff:ff:ff", OTHER):
        send(to)
        assert await wire.left(b"TEXT")
    await reconciler().apply(only(wan()))
    for to in ("ff:ff:ff:ff:ff:ff", OTHER):
        send(to)
        assert not await wire.left(b"TEXT")


@inside
async def test_the_filter_survives_a_flush_and_counts_drops():
    wire = Wire()
    one = reconciler()
    await one.apply(only(wan()))
    assert (await one.drops())["wan_port"] == 0
    run("nft flush ruleset")
    for _ in range(3):
        udp(0)
    assert not await wire.left(b"TEXT")
    assert (await one.drops())["wan_port"] == 3
    assert (await reconciler().drops())["wan_port"] == 3  # after a restart
    run("tc qdisc del dev wan clsact")
    await one.apply(only(wan()))
    udp(0)
    assert (await one.drops())["wan_port"] == 4


PASS_ALL = as_text(struct.pack("=HBBI", 6, 0, 0, 0))


@pytest.mark.parametrize("sabotage", [
    "tc qdisc del dev wan clsact",
    "tc filter del dev wan egress",
    f"tc filter replace dev wan egress pref 1 handle 1 protocol all bpf bytecode|{PASS_ALL}|direct-action",
    f"tc filter add dev wan egress pref 1 handle 7 protocol all bpf bytecode|{PASS_ALL}|direct-action",
    f"tc filter add dev wan egress pref 2 protocol ip bpf bytecode|{PASS_ALL}|direct-action",
], ids=["qdisc", "filter", "replaced", "beside", "after"])  # fmt: skip
@inside
async def test_a_changed_filter_is_repaired_and_reported(sabotage):
    wire = Wire()
    drifts = asyncio.Queue()
    one = reconciler(drifts)
    await one.apply(only(wan()))
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0)
    head, *rest = sabotage.split("|")
    subprocess.run([*head.split(), *rest[:1], *" ".join(rest[1:]).split()], check=True)
    async with asyncio.timeout(10):
        assert await drifts.get() == ("the filter on wan was changed",)
    assert await one.verify() == ()
    udp(0)
    assert not await wire.left(b"TEXT")
    assert len(json.loads(run("tc -j filter show dev wan egress"))) == 2
    task.cancel()


@inside
async def test_an_ingress_qdisc_in_the_way_is_replaced():
    wire = Wire()
    run("tc qdisc add dev wan ingress")
    await reconciler().apply(only(wan()))
    udp(0)
    assert not await wire.left(b"TEXT")


@inside
async def test_a_port_that_comes_back_has_its_filter_without_an_alert():
    Wire()
    drifts = asyncio.Queue()
    one = reconciler(drifts)
    await one.apply(only(wan()))
    task = asyncio.create_task(one.run())
    await asyncio.sleep(0)
    run("ip link del wan")
    run("ip link add wan type veth peer name far")
    await until(lambda: "direct-action" in run("tc filter show dev wan egress"))
    assert await one.verify() == ()
    assert drifts.empty()
    task.cancel()


@inside
async def test_a_lan_port_loses_the_filter_of_the_start():
    run("ip link add br-lan type bridge")
    for name in ("one", "wan"):
        run(f"ip link add {name} type veth peer name {name}-x")
        lock_port(name)
        assert "direct-action" in run(f"tc filter show dev {name} egress")
    links = Links(WanLink("wan", up=True, addresses=(ip_interface("192.0.2.7/24"),)), (LanLink("br-lan"),),
                  LanBridge("br-lan", ("one",)))  # fmt: skip
    one = reconciler()
    await one.apply(plan(replace(inputs(default_exit()), links=links)))
    assert run("tc filter show dev one egress") == ""
    assert "direct-action" in run("tc filter show dev wan egress")
    assert await one.verify() == ()


@inside
async def test_the_filter_of_the_start_never_replaces_netds():
    run("ip link add wan type veth peer name far")
    await reconciler().apply(only(wan(*OWN_MARKS, MARK_DIRECT)))
    before = run("tc filter show dev wan egress")
    lock_port("wan")
    assert run("tc filter show dev wan egress") == before


@inside
async def test_the_start_locks_all_ports_and_tells_of_one_that_is_open():
    for name in ("first", "wan", "second"):
        run(f"ip link add {name} type veth peer name {name}-x")
    lock_port("wan")
    lock_port("first", "wan", "second")
    for name in ("first", "wan", "second"):
        assert run(f"tc filter show dev {name} egress").count("direct-action") == 1
    with pytest.raises(subprocess.CalledProcessError):
        lock_port("first", "missing")


def test_the_file_of_the_start_is_the_planners_own_filter():
    text = (OVERLAY / "etc/vpn-gateway/boot.bpf").read_text()
    assert text.strip() == as_text(program(before_roles()))
