"""DHCP and DNS of the LAN, by dnsmasq: its configuration and its leases."""

from __future__ import annotations

from pathlib import Path

from app.model import Lease, Links, Settings
from app.network.dhcp_dns import Paths, lan_services, moved_in, render
from app.network.dnsmasq import HandOver, ServiceRunner, read_leases
from app.network.leasefile import Step, shift_leases


class LanServices:
    """``leases`` is dnsmasq's lease file."""

    def __init__(self, runner: ServiceRunner, leases: Path) -> None:
        self._runner = runner
        self._leases = leases
        self._moved = moved_in(runner.present("lan"))  # another netd's: dnsmasq is not started anew for us
        self._hand_over: HandOver | None = None

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
        text = shift_leases(before, self.lease_file(), step)
        self._moved = f"{step.seconds:+.0f} s at {step.now:.0f}"
        self._hand_over = HandOver("lan", self._leases, text)
