"""The DHCP and DNS of the LAN: dnsmasq's configuration, its records of known devices, and its leases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address
from pathlib import Path

import aiofiles.os

from app.model import Lease, Links, Settings
from app.netd.known_hosts import KnownHosts
from app.network.dhcp_dns import Paths, lan_services, moved_in, render
from app.network.dnsmasq import HandOver, ServiceRunner, read_leases
from app.network.leasefile import Step, shift_leases


class LanServices:
    """The services run by dnsmasq; ``leases`` is its lease file, ``hosts`` the directory of its records."""

    def __init__(self, runner: ServiceRunner, leases: Path, hosts: Path) -> None:
        self._runner = runner
        self._leases = leases
        self._known = KnownHosts(hosts)
        self._in_use: Mapping[str, IPv4Address] = {}
        self._moved = moved_in(runner.present("lan"))  # kept from the previous netd, so that dnsmasq need not restart
        self._hand_over: HandOver | None = None

    async def apply(self, settings: Settings, links: Links, *, ipv6_default: bool, direct: bool) -> None:
        """Run DHCP and DNS as the settings say; restart what has died. Raises KernelError, OSError."""
        if not links.lan:
            return
        # Together, before anything is waited for: a configuration that names a step restarts dnsmasq with its leases.
        hand_over, moved = self._hand_over, self._moved
        leases = await aiofiles.os.wrap(self.leases)()
        await self._known.update(settings, leases, self._in_use)  # before dnsmasq starts, which reads them
        await self._runner.apply(
            render(
                settings,
                lan_services(settings.lan, links),
                links.lan[0].name,
                ipv6_default=ipv6_default,
                direct=direct,
                paths=Paths(leases=str(self._leases), hosts=str(self._known.directory), moved=moved),
            ),
            hand_over,
        )
        if self._hand_over is hand_over:  # no other clock step has come since
            self._hand_over = None

    async def update_hosts(
        self, settings: Settings, leases: Iterable[Lease], in_use: Mapping[str, IPv4Address]
    ) -> None:
        """Have dnsmasq's records follow ``leases``; ``in_use`` are addresses of devices without one. Raises OSError."""
        self._in_use = in_use
        await self._known.update(settings, leases, in_use)

    @property
    def lease_path(self) -> Path:
        return self._leases

    def forget_host(self, mac: str) -> None:
        """Treat the device as one that was not here before, from the next update of the records on."""
        self._known.forget(mac)

    def leases(self) -> tuple[Lease, ...]:
        return read_leases(self._leases)

    def lease_file(self) -> str:
        """The text of dnsmasq's lease file; empty if there is none."""
        try:
            return self._leases.read_text(errors="replace")
        except OSError:
            return ""

    def move_leases(self, before: str, step: Step) -> None:
        """Give dnsmasq the leases of ``before``, moved by the clock's ``step``, with the next :meth:`apply`."""
        text = shift_leases(before, self.lease_file(), step)
        self._moved = f"{step.seconds:+.0f} s at {step.now:.0f}"
        self._hand_over = HandOver("lan", self._leases, text)
