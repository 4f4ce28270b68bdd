"""The cables of the lab: veth pairs between its hosts, and their addresses."""

from __future__ import annotations

import subprocess

from ci.labnet.addresses import INTERNET4, INTERNET6, INTERNET_DNS4, LAN_HOSTS, VPNS, WAN4_NETWORKS, WAN6_PREFIX
from ci.labnet.hosts import Hosts


class Wires:
    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def wire(
        self,
        one: str,
        one_if: str,
        other: str,
        other_if: str,
        macs: tuple[str | None, str | None] = (None, None),
    ) -> None:
        a, b = self._hosts[one], self._hosts[other]
        near = ["ip", "link", "add", one_if, "netns", a.namespace]
        subprocess.run([*near, "type", "veth", "peer", "name", other_if, "netns", b.namespace], check=True)
        for host, name, mac in ((a, one_if, macs[0]), (b, other_if, macs[1])):
            if mac:
                host.run("ip", "link", "set", name, "address", mac)

    def connect(self) -> None:
        switch, isp = self._hosts["switch"], self._hosts["isp"]
        switch.shell("ip link add br0 type bridge forward_delay 0 && ip link set br0 up")
        for name, mac in LAN_HOSTS.items():
            self.wire(name, "eth0", "switch", name, (mac, None))
            switch.shell(f"ip link set {name} master br0 up")
            # RFC 4429: an address may be used before duplicate detection is over; the tests need not wait for it.
            self._hosts[name].shell("sysctl -qw net.ipv6.conf.eth0.accept_dad=0; ip link set eth0 up")
        self.wire("gateway", "lan0", "switch", "gateway", ("02:00:00:00:00:01", None))
        switch.shell("ip link set gateway master br0 up")
        self.wire("gateway", "wan0", "isp", "wan", ("02:00:00:00:00:02", None))
        self.wire("isp", "net", "internet", "eth0")
        for name in VPNS:
            self.wire("isp", name, name, "eth0")
        isp.shell("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0")
        isp.shell(f"""
            ip link set wan up
            ip addr add {WAN4_NETWORKS[0]}.1/24 dev wan; ip addr add {WAN6_PREFIX}::1/64 dev wan nodad
            ip addr add 203.0.113.1/24 dev net; ip addr add 2001:db8:80::1/64 dev net nodad; ip link set net up
        """)
        self._hosts["internet"].shell(f"""
            ip link set eth0 up; ip addr add {INTERNET4}/24 dev eth0; ip addr add {INTERNET_DNS4}/24 dev eth0
            ip addr add {INTERNET6}/64 dev eth0 nodad
            ip route add default via 203.0.113.1; ip -6 route add default via 2001:db8:80::1
        """)
        for name, (v4, v6, *_) in VPNS.items():
            near4, near6 = v4.rpartition(".")[0] + ".1", v6.rpartition("::")[0] + "::1"
            isp.shell(
                f"ip addr add {near4}/24 dev {name}; ip addr add {near6}/64 dev {name} nodad; ip link set {name} up"
            )
            self._hosts[name].shell(f"""
                ip link set eth0 up; ip addr add {v4}/24 dev eth0; ip addr add {v6}/64 dev eth0 nodad
                ip route add default via {near4}; ip -6 route add default via {near6}
            """)
