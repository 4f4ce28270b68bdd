"""A gateway of namespaces with real packets: ``phone`` and ``laptop`` on its bridge ``br0``, ``net`` behind ``wg0a``.

``net``, the gateway and the laptop send back what comes to their UDP port 7. Nothing touches the root namespace's
configuration.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ipaddress
import socket
import subprocess
import threading
from pathlib import Path

LAN = [ipaddress.ip_network("10.77.0.0/24"), ipaddress.ip_network("fd77::/64")]
MAC = {"phone": "02:00:00:00:77:01", "laptop": "02:00:00:00:77:02"}
ADDRESS = {"phone": ("10.77.0.11", "fd77::11"), "laptop": ("10.77.0.12", "fd77::12")}
NET = ("198.51.100.1", "2001:db8::1")
PAYLOAD, PACKETS = 1000, 50

_CLONE_NEWNET = 0x40000000


def run(*command, check=True, **options):
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, **options)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done


class Net:
    def __init__(self, prefix):
        self.prefix = prefix
        self.names = [f"{prefix}{n}" for n in ("gw", "net", "phone", "laptop")]

    def ip(self, host, text):
        for line in text.strip().splitlines():
            run("ip", "-n", self.prefix + host, *line.split())

    def nft(self, text):
        run("ip", "netns", "exec", f"{self.prefix}gw", "nft", "-f", "-", input=text)

    def within(self, host, work):
        """``work()`` in a thread that is in ``host``'s network namespace; programs it starts are too."""
        result = {}

        def target():
            try:
                with Path(f"/run/netns/{self.prefix}{host}").open() as namespace:
                    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                result["value"] = work()
            except BaseException as error:
                result["error"] = error

        thread = threading.Thread(target=target)
        thread.start()
        thread.join(60)
        if "error" in result:
            raise result["error"]
        return result["value"]

    def gateway(self, work):
        """``await work(accounting)`` within the gateway."""
        return self.within("gw", lambda: asyncio.run(work))

    def up(self):
        for name in self.names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
            # An interface needs its link-local address to solicit neighbours, and no other host here has the same.
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0")
        for host in ("phone", "laptop"):
            run("ip", "-n", f"{self.prefix}gw", "link", "add", f"p-{host}", "type", "veth", "peer", "name", "eth0",
                "netns", self.prefix + host)  # fmt: skip
            self.ip("gw", f"link set p-{host} up")
            four, six = ADDRESS[host]
            self.ip(host, f"link set eth0 address {MAC[host]} up\naddr add {four}/24 dev eth0\n"
                          f"addr add {six}/64 dev eth0 nodad\nroute add default via 10.77.0.1\n"
                          f"route add default via fd77::1")  # fmt: skip
        self.tunnel()
        self.bridge()
        run("ip", "netns", "exec", f"{self.prefix}gw", "sysctl", "-qw",
            "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")  # fmt: skip

    def bridge(self):
        self.ip("gw", "link add br0 type bridge mcast_snooping 0\nlink set br0 up\nlink set p-phone master br0\n"
                      "link set p-laptop master br0\naddr add 10.77.0.1/24 dev br0\n"
                      "addr add fd77::1/64 dev br0 nodad")  # fmt: skip

    def tunnel(self):
        run("ip", "-n", f"{self.prefix}gw", "link", "add", "wg0a", "type", "veth", "peer", "name", "eth0",
            "netns", f"{self.prefix}net")  # fmt: skip
        self.ip("gw", "link set wg0a up\naddr add 198.51.100.2/24 dev wg0a\n"
                      "addr add 2001:db8::2/64 dev wg0a nodad")  # fmt: skip
        self.ip("net", f"link set eth0 up\naddr add {NET[0]}/24 dev eth0\n"
                       f"addr add {NET[1]}/64 dev eth0 nodad\nroute add 10.77.0.0/24 via 198.51.100.2\n"
                       "route add fd77::/64 via 2001:db8::2")  # fmt: skip

    def down(self):
        for name in self.names:
            run("ip", "netns", "del", name, check=False)

    @contextlib.contextmanager
    def echo(self):
        """UDP port 7 of ``net``, of the gateway and of the laptop sends everything back."""
        places = [("net", NET[0]), ("net", NET[1]), ("gw", "10.77.0.1"), ("gw", "fd77::1"), ("laptop", "10.77.0.12")]
        sockets = [self.within(host, lambda a=address: _bound(a)) for host, address in places]

        def serve(listener):
            while True:
                data, sender = listener.recvfrom(65536)
                if not data:
                    return
                with contextlib.suppress(OSError):
                    listener.sendto(data, sender)

        threads = [threading.Thread(target=serve, args=(s,), daemon=True) for s in sockets]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            for host, address in places:
                self.within(host, lambda a=address: _send_once(a, b""))
            for thread, listener in zip(threads, sockets, strict=True):
                thread.join(10)
                listener.close()

    def talk(self, host, version=4, packets=PACKETS, address=None):
        """Send ``packets`` to ``net`` and return how many came back."""
        address = address or NET[0 if version == 4 else 1]
        return self.within(host, lambda: _exchange(address, packets))


def _bound(address):
    listener = socket.socket(_family(address), socket.SOCK_DGRAM)
    listener.bind((address, 7))
    return listener


def _family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _send_once(address, data):
    with socket.socket(_family(address), socket.SOCK_DGRAM) as sender:
        sender.sendto(data, (address, 7))


def _exchange(address, packets):
    came_back = missed = 0
    with socket.socket(_family(address), socket.SOCK_DGRAM) as sender:
        while came_back + missed < packets and missed < 3:
            sender.settimeout(5 if packets > 3 else 0.3)
            try:
                sender.sendto(bytes(PAYLOAD), (address, 7))
                sender.recvfrom(65536)
                came_back += 1
            except OSError:
                missed += 1
    return came_back
