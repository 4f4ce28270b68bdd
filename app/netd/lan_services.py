"""The DHCP and DNS of the LAN: dnsmasq's configuration and leases."""

from __future__ import annotations

from pathlib import Path

from app.model import Lease, Links, Settings
from app.network.dhcp_dns import Paths, lan_services, moved_in, render
from app.network.dnsmasq import HandOver, ServiceRunner, read_leases
from app.network.leasefile import Step, shift_leases


class LanServices:
    """The services run by dnsmasq; ``leases`` is its lease file."""

    def __init__(self, runner: ServiceRunner, leases: Path) -> None:
        self._runner = runner
        self._leases = leases
        self._moved = moved_in(runner.present("lan"))  # kept from the previous netd, so that dnsmasq need not restart
        self._hand_over: HandOver | None = None

    async def apply(self, settings: Settings, links: Links, *, ipv6_default: bool, direct: bool) -> None:
        """Run DHCP and DNS as the settings say; restart what has died. Raises KernelError, OSError."""
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
        if self._hand_over is hand_over:  # no other clock step has come since
            self._hand_over = None

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
