"""What the core needs of the machine around it: links seen, DHCP and DNS kept, leases read."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from ipaddress import IPv6Interface
from pathlib import Path

from app.model import Lease, Links, Settings
from app.network.dhcp_dns import Paths, lan_services, moved_in, render
from app.network.dnsmasq import HandOver, ServiceRunner, read_leases
from app.network.joined import Joined
from app.network.leasefile import Step, moved
from app.network.observe import observe, watch_links
from app.network.one_arm import OneArm


class Services:
    """``leases`` is dnsmasq's lease file; ``resolv`` names the WAN's name servers as resolv.conf(5) does."""

    def __init__(
        self,
        *,
        runner: ServiceRunner,
        leases: Path,
        resolv: Path,
        http_ports: tuple[int, ...],
        one_arm: OneArm,
        joined: Joined,
    ) -> None:
        self._runner = runner
        self._leases = leases
        self._resolv = resolv
        self._one_arm = one_arm
        self._joined = joined
        self._last_wan: str | None = None
        self._moved = moved_in(runner.present("lan"))  # another netd's: dnsmasq is not started anew for us
        self._hand_over: HandOver | None = None
        self.http_ports = http_ports

    async def observe(self, settings: Settings) -> Links:
        links = await observe(
            settings.links, resolv=self._resolv, one_arm=self._one_arm, joined=self._joined, last_wan=self._last_wan
        )
        if links.wan is not None:
            self._last_wan = links.wan.name
        return links

    def link_changes(self) -> AsyncIterator[None]:
        return watch_links()

    async def apply(self, settings: Settings, links: Links, *, ipv6_default: bool, direct: bool) -> None:
        """Have DHCP and DNS run as the settings say; also restarts what has died. Raises KernelError, OSError."""
        if not links.lan:
            return
        hand_over = self._hand_over
        await self._runner.apply(
            render(
                lan_services(settings.lan, links),
                links.lan[0].name,
                settings.exits,
                ipv6_default=ipv6_default,
                direct=direct,
                paths=Paths(leases=str(self._leases), moved=self._moved),
            ),
            hand_over,
        )
        if self._hand_over is hand_over:  # no other step meanwhile
            self._hand_over = None

    def leases(self) -> tuple[Lease, ...]:
        return read_leases(self._leases)

    def lease_file(self) -> str:
        """The text of dnsmasq's file; empty where there is none."""
        try:
            return self._leases.read_text(errors="replace")
        except OSError:
            return ""

    def move_leases(self, before: str, step: Step) -> None:
        """The clock was set: with the next :meth:`apply`, dnsmasq goes on with the leases of ``before``, moved too."""
        text = moved(before, self.lease_file(), step)
        self._moved = f"{step.seconds:+.0f} s at {step.now:.0f}"
        self._hand_over = HandOver("lan", self._leases, text)


def random_ula() -> IPv6Interface:
    """A unique local prefix of our own (RFC 4193, 3.2.2), with the gateway at ::1."""
    return IPv6Interface((0xFD << 120 | secrets.randbits(40) << 80 | 1, 64))
