"""Captures of the machine's WAN port, and the packets that must not leave by it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from image.qemu.lab import SECOND_VPN, VPN, Lab, run, until

# The cleartext allowlist: what the gateway itself may send outside the tunnel (docs/security.md, 7).
PERMITTED = (
    "arp",
    "(udp and src port 68 and dst port 67)",
    "icmp6[0] >= 133 and icmp6[0] <= 136",  # neighbour discovery
    "(ip6 and ip6[6] == 0 and ip6[40] == 58)",  # multicast listener reports: a hop-by-hop header before ICMPv6
    f"(udp and (dst host {VPN} or dst host {SECOND_VPN}) and dst port 51820)",
    "(udp and dst port 123)",
)


@dataclass
class Capture:
    """A capture of all frames that come from the machine with address ``mac``."""

    lab: Lab
    namespace: str
    interface: str
    file: Path
    mac: str

    @contextlib.contextmanager
    def running(self) -> Generator[Capture]:
        options = ("-i", self.interface, "-U", "-w", str(self.file), "-Z", "root", f"ether src {self.mac}")
        process = self.lab.spawn(self.namespace, "tcpdump", "-n", "--immediate-mode", *options)
        until(self.file.exists, 10, "tcpdump")
        try:
            yield self
        finally:
            self.lab.stop(process)

    def count(self, expression: str = "") -> int:
        return len(self.packets(expression))

    def packets(self, expression: str = "") -> list[str]:
        """The captured packets that match ``expression`` (pcap-filter(7)), one line each."""
        return run("tcpdump", "-n", "-r", str(self.file), *([expression] if expression else [])).stdout.splitlines()

    def leaks(self, *more: str) -> list[str]:
        """Packets that are not on the allowlist :data:`PERMITTED` and match none of the expressions ``more``."""
        return self.packets("not (" + " or ".join(f"({e})" for e in (*PERMITTED, *more)) + ")")
