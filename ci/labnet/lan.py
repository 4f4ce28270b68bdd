"""The hosts of the LAN: real DHCP clients, and probes from them."""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple

from ci.labnet.addresses import GATEWAY_LAN4
from ci.labnet.hosts import Hosts
from ci.labnet.paths import HERE
from ci.labnet.waiting import wait_for


class DnsAnswer(NamedTuple):
    rcode: str  # as in RFC 1035 ("NOERROR", "REFUSED", ...), or "TIMEOUT" or "UNREACHABLE" where nothing answered
    records: tuple[str, ...] = ()  # the data of the answer section


class LanHosts:
    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def start_dhcp(self, host: str, hostname: str | None = None) -> None:
        """(Re)start the DHCP client; it sends ``hostname``, by default the lab's name of the host."""
        self._hosts[host].run("pkill", "udhcpc", check=False)
        self._hosts[host].start(
            *("udhcpc", "-i", "eth0", "-f", "-S", "-t", "8", "-T", "1", "-A", "1"),
            *("-x", f"hostname:{hostname or host}", "-s", str(HERE / "lan-dhcp")),
        )

    def address(self, host: str, family: int = 4) -> str | None:
        """The host's address: IPv4, or the global or unique local IPv6 one."""
        done = self._hosts[host].run("ip", "-j", f"-{family}", "addr", "show", "dev", "eth0", "scope", "global")
        listed = [a for link in json.loads(done.stdout) for a in link.get("addr_info", [])]
        found = [a["local"] for a in listed if a]  # ip(8) lists an empty one for each that it leaves out
        return found[0] if found else None

    def wait_address(self, host: str, timeout: float = 20.0, family: int = 4) -> str:
        """The host's address, once DHCP or a router advertisement has given it one. Raises LabError."""
        return wait_for(f"{host} to get an address", lambda: self.address(host, family), timeout)

    def _probe(self, host: str, *arguments: object, timeout: float) -> Any:
        argv = [sys.executable, str(HERE / "probe.py"), "--timeout", str(timeout), *map(str, arguments)]
        return json.loads(self._hosts[host].run(*argv, timeout=timeout + 10).stdout)

    def dns(
        self,
        host: str,
        name: str,
        kind: str = "A",
        *,
        server: str = GATEWAY_LAN4,
        port: int = 53,
        tcp: bool = False,
        timeout: float = 3.0,
    ) -> DnsAnswer:
        """Send one DNS query to ``server``."""
        how = ["--tcp"] if tcp else []
        answer = self._probe(host, "dns", name, kind, server, port, *how, timeout=timeout)
        return DnsAnswer(answer["rcode"], tuple(answer["records"]))

    def udp(self, host: str, address: str, port: int, text: str = "probe", timeout: float = 1.0) -> str | None:
        """Send one datagram and return the answer, or None. The ``internet`` host echoes on port 9."""
        return self._probe(host, "udp", address, port, text.encode().hex(), timeout=timeout)["answer"]

    def tcp(self, host: str, address: str, port: int, timeout: float = 1.0) -> bool:
        """Whether a TCP connection was established."""
        return self._probe(host, "tcp", address, port, timeout=timeout)["connected"]

    def ping(self, host: str, address: str, timeout: float = 1.0) -> bool:
        """Whether one echo request was answered (RFC 792, RFC 4443)."""
        return self._probe(host, "ping", address, timeout=timeout)["answered"]
