"""A plan in a real kernel: a network namespace with tap devices as links.

LAN and WAN are tap devices, tunnels are tun devices, so that the test writes the frames that arrive and reads the ones
that leave. No other namespace is touched.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any, TypeVar

from app.addresses import Address
from app.network import traffic_control
from app.network.egress_filter import program
from app.network.nft import with_deadlines
from app.network.plan import NetworkPlan, RoutePlan, RulePlan
from app.packet_trace import Packet, Surroundings
from tests.unit.network import wire
from tests.unit.network.corpus import ROUTER_MAC

T = TypeVar("T")

_TUNSETIFF, _IFF_TUN, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 0x0001, 0x0002, 0x1000
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

FENCE_MAC, FENCE = "02:00:00:00:0f:02", "192.0.2.251"  # an address of every tap, for the ARP probe


class Kernel:
    """A kernel with the plan, for use in a ``with`` statement, after which nothing is left."""

    def __init__(
        self,
        plan: NetworkPlan,
        around: Surroundings,
        lan: tuple[str, ...],
        wan: str | None,
        on_wan: Iterable[Address] = (),
    ) -> None:
        self.plan = plan
        self._around = around
        self._ethernet = tuple(dict.fromkeys((*lan, *((wan,) if wan else ()))))
        self._wan = wan
        self._on_wan = tuple(on_wan)  # hosts on the WAN's own network
        self._fds: dict[str, int] = {}
        self._macs: dict[str, str] = {}
        self._listeners: list[socket.socket] = []
        self._namespace = -1
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Kernel:
        try:
            self._namespace = self._in_thread(_new_namespace)
            self._stack.callback(os.close, self._namespace)
            self.inside(self._build)
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()  # the namespace and all in it go with the last descriptor

    # --- inside the namespace --------------------------------------------------------------------------------------

    def _in_thread(self, what: Callable[[], T]) -> T:
        """Run ``what`` in a thread of its own, whose namespace may change and dies with it."""
        result: list[Any] = []

        def call() -> None:
            try:
                result.extend((True, what()))
            except BaseException as error:  # handed to the caller
                result.extend((False, error))

        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
        if not result[0]:
            raise result[1]
        return result[1]

    def inside(self, what: Callable[[], T]) -> T:
        def call() -> T:
            _enter(self._namespace)
            return what()

        return self._in_thread(call)

    def run(self, *command: str, feed: str | None = None) -> str:
        """Run a command inside; raises AssertionError with its error output."""

        def call() -> str:
            done = subprocess.run(command, input=feed, capture_output=True, text=True, timeout=30, check=False)
            assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
            return done.stdout

        return self.inside(call)

    def _build(self) -> None:
        sysctl("net/ipv4/icmp_ratemask", "0")  # every refusal is seen
        sysctl("net/ipv6/icmp/ratemask", "200")
        sysctl("net/ipv4/tcp_synack_retries", "0")
        sysctl("net/ipv6/conf/default/accept_dad", "0")
        sysctl("net/ipv6/conf/default/router_solicitations", "0")
        for name in self._ethernet:
            self._open(name, _IFF_TAP)
        for link in self.plan.links:
            self._open(link.name, _IFF_TUN)
        _ip(4, *(f"link set {name} up" for name in ("lo", *self._fds)))
        self._macs = {name: _mac_of(name) for name in self._ethernet}
        for name, value in self.plan.sysctls:
            sysctl(name, value)
        addresses = [*self.plan.lan_addresses, *self._around.addresses]
        _ip(0, *(f"address add {a} dev {name}{' nodad' if a.version == 6 else ''}" for name, a in addresses))
        _ip(4, *(f"address add {FENCE}/32 dev {name}" for name in self._ethernet))
        for link in self.plan.links:
            _ip(4, f"link set {link.name} mtu {link.mtu}")
            for a in link.addresses:
                _ip(0, f"address add {a} dev {link.name} noprefixroute{' nodad' if a.version == 6 else ''}")
        connected = {a.network for _, a in addresses} | {IPv6Network("fe80::/64")}
        for egress in self.plan.egress:
            traffic_control.install(socket.if_nametoindex(egress.interface), program(egress))
        main = [r for r in self._around.main if r.gateway or r.dst not in connected]
        outside = {r.gateway for r in (*main, *self.plan.routes) if r.gateway}
        for host in (*outside, *self._on_wan):
            _ip(0, f"neighbour replace {host} lladdr {ROUTER_MAC} dev {self._wan}")
        for family in (4, 6):
            _ip(family, *(_route(r) for r in main if r.family == family))
            _ip(family, *(_rule(r) for r in self.plan.rules if r.family == family))
            _ip(family, *(_route(r) for r in self.plan.routes if r.family == family))

    def _open(self, name: str, kind: int) -> None:
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._stack.callback(os.close, fd)
        fcntl.ioctl(fd, _TUNSETIFF, struct.pack("16sH", name.encode(), kind | _IFF_NO_PI))
        self._fds[name] = fd

    # --- nftables and rules ------------------------------------------------------------------------------------------

    def load(self) -> None:
        text = self.plan.ruleset + "".join(element.text for element in self.plan.timed)
        self.run("nft", "-f", "-", feed=with_deadlines(text, time.clock_gettime(time.CLOCK_BOOTTIME)))

    def flush_nft(self) -> None:
        self.run("nft", "flush", "ruleset")

    def flush_rules(self) -> None:
        for rule in self.plan.rules:
            self.run("ip", f"-{rule.family}", "rule", "del", "priority", str(rule.priority))

    def listen(self, *ports: int) -> None:
        """Accept TCP connections to ``ports``, so that a service is distinguishable from a refusal."""

        def call() -> None:
            for port in ports:
                server = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
                self._stack.callback(server.close)

        self.inside(call)

    # --- packets ---------------------------------------------------------------------------------------------------

    def neighbour(self, link: str, host: Address, mac: str) -> None:
        self.run("ip", "neighbour", "replace", str(host), "lladdr", mac, "dev", link)

    def arrive(self, packet: Packet, **options: Any) -> list[wire.Seen]:
        """Let ``packet`` arrive on its ``iif``; return all packets that leave because of it, by any link."""
        data = wire.packet_bytes(packet, **options)
        if packet.iif in self._macs:
            group = packet.dst.is_multicast or str(packet.dst) == "255.255.255.255"
            data = wire.ethernet(data, packet.mac, "ff:ff:ff:ff:ff:ff" if group else self._macs[packet.iif])
        os.write(self._fds[packet.iif], data)
        return self._left()

    def emit(self, packet: Packet) -> tuple[str | None, list[wire.Seen]]:
        """Send ``packet`` (UDP) from a socket of the gateway; return the sender's error and the packets that left."""

        def call() -> str | None:
            family = socket.AF_INET if packet.family == 4 else socket.AF_INET6
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                if packet.mark:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, packet.mark)
                if packet.oif:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, packet.oif.encode())
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(("" if packet.family == 4 else "::", packet.sport))
                try:
                    sock.sendto(b"payload!", (str(packet.dst), packet.dport))
                except OSError as error:
                    return errno.errorcode[error.errno or 0]
            return None

        problem = self.inside(call)
        return problem, self._left()

    def _left(self) -> list[wire.Seen]:
        """All packets that have left by now. The kernel keeps their order: the answer to an ARP probe marks the end."""
        found: list[wire.Seen] = []
        for name in self._fds:
            found += self._drain(name)
        return found

    def _drain(self, name: str) -> Iterator[wire.Seen]:
        fd = self._fds[name]
        fence = name in self._macs
        if fence:
            os.write(fd, wire.arp_probe(FENCE_MAC, FENCE))
        deadline = time.monotonic() + 5
        while True:
            try:
                data = os.read(fd, 65536)
            except BlockingIOError:
                if not fence:
                    return
                assert time.monotonic() < deadline, f"{name} does not answer ARP any more"
                select.select([fd], [], [], 0.1)
                continue
            if fence:
                kind = struct.unpack("!H", data[12:14])[0]
                if kind == wire.ARP:
                    if data[28:32] == socket.inet_aton(FENCE) and data[20:22] == b"\0\2":
                        return
                    continue
                data = data[14:]
            seen = wire.parse(name, data)
            if not wire.is_background(seen):
                yield seen

    def counters(self) -> dict[str, int]:
        listing = json.loads(self.run("nft", "-j", "list", "counters"))["nftables"]
        return {i["counter"]["name"]: i["counter"]["packets"] for i in listing if "counter" in i}


def sysctl(name: str, value: str) -> None:
    Path("/proc/sys", name).write_text(value)  # net/ shows the namespace of the thread that opens it


def _ip(family: int, *lines: str) -> None:
    command = ("ip", *([f"-{family}"] if family else ()), "-batch", "-")
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{done.stderr} in {lines}"


def _mac_of(name: str) -> str:
    with socket.socket() as sock:
        answer = fcntl.ioctl(sock, 0x8927, struct.pack("256s", name.encode()))  # SIOCGIFHWADDR
    return ":".join(f"{b:02x}" for b in answer[18:24])


def _new_namespace() -> int:
    if _libc.unshare(_CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _route(route: RoutePlan) -> str:
    words = ["route add", route.kind, str(route.dst), "table", str(route.table)]
    words += ["via", str(route.gateway)] if route.gateway else []
    words += ["dev", route.oif] if route.oif else []
    words += ["metric", str(route.metric)] if route.metric else []
    words += ["onlink"] if route.gateway else []  # as the reconciler does
    return " ".join(words)


def _rule(rule: RulePlan) -> str:
    words = ["rule add priority", str(rule.priority)]
    selectors = (
        ("iif", rule.iif),
        ("oif", rule.oif),
        ("fwmark", rule.fwmark),
        ("to", rule.dst),
        ("ipproto", rule.ip_proto),
        ("sport", rule.sport),
        ("dport", rule.dport),
    )
    for name, value in selectors:
        words += [name, str(value)] if value is not None else []
    words += ["lookup", str(rule.table)] if rule.table is not None else ["type unreachable"]
    return " ".join(words)
