"""A plain gateway on the same WAN (forwarding and masquerade), with a LAN host behind it, to compare with."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from ci.labnet import Lab

ROUTER, CLIENT = "plain", "behind"


@contextlib.contextmanager
def plain_gateway(lab: Lab) -> Generator[None]:
    """The hosts ``plain`` (the gateway) and ``behind`` (on its LAN) exist within the context."""
    for name in (ROUTER, CLIENT):
        lab.hosts.create(name)
    try:
        # The client sits behind a bridge, as the laptop does.
        wires = (
            (ROUTER, "wan0", "isp", "plain"),
            (ROUTER, "lan0", "switch", "plain"),
            (CLIENT, "eth0", "switch", "behind"),
        )
        for one, one_if, other, other_if in wires:
            lab.wires.wire(one, one_if, other, other_if)
        lab.hosts["isp"].shell("ip addr add 192.168.9.1/24 dev plain; ip link set plain up")
        lab.hosts["switch"].shell(
            "ip link add br1 type bridge forward_delay 0; ip link set br1 up; "
            "for i in plain behind; do ip link set $i master br1 up; done"
        )
        lab.hosts[ROUTER].shell("""
            sysctl -qw net.ipv4.ip_forward=1
            ip addr add 192.168.9.2/24 dev wan0; ip addr add 192.168.10.1/24 dev lan0
            ip link set wan0 up; ip link set lan0 up; ip route add default via 192.168.9.1
        """)
        chain = "type nat hook postrouting priority srcnat;\n oifname != lan0 masquerade\n"
        rules = f"table ip n {{\n chain p {{\n {chain} }}\n}}\n"
        lab.hosts[ROUTER].run("nft", "-f", "-", input=rules, stdin=None)
        lab.hosts[CLIENT].shell(
            "ip addr add 192.168.10.2/24 dev eth0; ip link set eth0 up; ip route add default via 192.168.10.1"
        )
        yield
    finally:
        for name in (ROUTER, CLIENT):
            lab.hosts.pop(name).destroy()
        lab.hosts["switch"].shell("ip link del br1 || true")
