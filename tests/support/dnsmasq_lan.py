"""A LAN served by the real dnsmasq as netd configures it, with a resolver behind the first exit, in one namespace."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rdatatype

from app.lan import RESOLVERS6
from app.model import LanLink, Links, Settings
from app.netd.lan_services import LanServices
from app.network.dnsmasq import ProcessRunner
from app.network.plan import RESOLVER_PORT_BASE, resolver_vips
from tests.support.dhcp_client import DhcpClient

GATEWAY = "192.168.77.1"
EXIT_PORT = RESOLVER_PORT_BASE + 1  # of the first exit's forwarder
RESOLVER = resolver_vips(0, 4)[0]  # where that asks
LINKS = Links(wan=None, lan=(LanLink("lan0"),))


def mac(number: int) -> str:
    return f"02:00:00:00:{number >> 8:02x}:{number & 255:02x}"


class DnsmasqLan:
    """``lan0`` is the LAN's bridge, ``port0`` a port of it, and ``dev0`` the far end of that port's cable."""

    def __init__(self, directory: Path, settings: Settings) -> None:
        self.directory = directory
        self.settings = settings
        self._resolver: subprocess.Popen[bytes] | None = None
        self.runner = ProcessRunner(directory / "dnsmasq")
        self.services = self.another_netd()
        for words in (
            "link add lan0 type bridge forward_delay 0 mcast_snooping 0",
            "link add port0 type veth peer name dev0",
            "link set port0 master lan0",
            "link set port0 up",
            "addr add 192.168.77.1/24 dev lan0",
            "link set lan0 up",
            "link set dev0 up",
            "link add up0 type bridge",
            f"addr add {RESOLVER}/32 dev up0",
            "link set up0 up",
            f"-6 route add unreachable {RESOLVERS6}",  # the firewall refuses what has no resolver behind it
        ):
            subprocess.run(["ip", *words.split()], check=True)

    def another_netd(self) -> LanServices:
        dnsmasq = self.directory / "dnsmasq"
        return LanServices(self.runner, self.directory / "dnsmasq.leases", dnsmasq / "hosts")

    async def apply(self) -> None:
        await self.services.apply(self.settings, LINKS, ipv6_default=False, direct=False)

    async def follow(self, in_use: Mapping[str, IPv4Address] | None = None) -> None:
        """Have dnsmasq's records follow the leases, as netd does every two seconds."""
        await self.services.update_hosts(self.settings, self.services.leases(), in_use or {})

    def resolver(self, *lines: str) -> None:
        """Start the resolver behind the exit."""
        config = self.directory / "resolver.conf"
        listen = f"listen-address={RESOLVER}"
        config.write_text("\n".join(("no-resolv", "no-hosts", "bind-interfaces", listen, "local=/evil/", *lines, "")))
        self._resolver = subprocess.Popen(
            ["dnsmasq", f"--conf-file={config}", "--keep-in-foreground", "--user=root", "--pid-file="]
        )
        deadline = time.monotonic() + 5
        while not self._answers():
            assert time.monotonic() < deadline, "the resolver does not answer"

    def _answers(self) -> bool:
        try:
            dns.query.udp(dns.message.make_query("evil", "A"), str(RESOLVER), 0.1)
        except (dns.exception.Timeout, OSError):
            return False
        return True

    async def close(self) -> None:
        await self.runner.apply({})
        if self._resolver is not None:
            self._resolver.kill()
            self._resolver.wait()

    def device(self, number: int) -> DhcpClient:
        return DhcpClient("dev0", mac(number))

    @staticmethod
    def addresses(name: str, kind: str = "A", port: int = 53, *, tcp: bool = False) -> list[str]:
        """The addresses that a device is told for ``name``."""
        ask = dns.query.tcp if tcp else dns.query.udp
        answer = ask(dns.message.make_query(name, kind), GATEWAY, 3, port)
        wanted = dns.rdatatype.from_text(kind)
        return sorted(item.to_text() for rrset in answer.answer if rrset.rdtype == wanted for item in rrset)
