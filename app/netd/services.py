"""What the core needs of the machine around it: links seen, DHCP and DNS kept, leases read."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from ipaddress import IPv6Interface
from pathlib import Path

from app.model import Lease, Links, Settings
from app.network.dhcp_dns import Paths, render
from app.network.dnsmasq import DnsServices, read_leases
from app.network.observe import observe, watch_links


class Services:
    def __init__(self, *, dns: DnsServices, paths: Paths, resolv: Path, http_ports: tuple[int, ...]) -> None:
        self._dns = dns
        self._paths = paths
        self._resolv = resolv
        self.http_ports = http_ports

    async def observe(self, settings: Settings) -> Links:
        return await observe(settings.links, resolv=self._resolv)

    def link_changes(self) -> AsyncIterator[None]:
        return watch_links(resolv=self._resolv)

    async def apply(self, settings: Settings, links: Links, ipv6_default: bool, direct: bool) -> None:
        if links.lan:
            await self._dns.apply(
                render(settings.lan, links.lan[0].name, settings.exits, ipv6_default, direct, self._paths)
            )
        await self._dns.verify()

    def leases(self) -> tuple[Lease, ...]:
        return read_leases(self._paths.leases)


def random_ula() -> IPv6Interface:
    """A unique local prefix of our own (RFC 4193, 3.2.2), with the gateway at ::1."""
    return IPv6Interface((0xFD << 120 | secrets.randbits(40) << 80 | 1, 64))
