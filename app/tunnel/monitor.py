"""The monitor of a connected tunnel judges its counters once a tick and reports a tunnel that has stopped working."""

from __future__ import annotations

from msgspec import Struct

from app.network.wireguard.types import DeviceStats
from app.tunnel import handshake, probe
from app.tunnel.clock import boottime
from app.tunnel.context import ExitContext
from app.tunnel.health import Health, HealthVerdict
from app.tunnel.states import Reason, Tunnel
from app.tunnel.tunnel_setup import TunnelSetup


class TunnelFailure(Struct, frozen=True):
    """Why a tunnel that was up is given up; the message is for people."""

    reason: Reason
    message: str


class TunnelMonitor:
    """Remembers the health of one connected tunnel between two ticks."""

    def __init__(self, setup: TunnelSetup, context: ExitContext) -> None:
        self._setup = setup
        self._context = context
        self._health: Health | None = None

    def reset(self) -> None:
        """Start over: another tunnel is connected now."""
        self._health = None

    async def check(self, tunnel: Tunnel, stats: DeviceStats | None, event: Reason | None) -> TunnelFailure | None:
        """Judge ``stats``, read just now, and send a probe where one is due. None = the tunnel stays.

        ``event`` is what the network reported since the last tick: ``WAN_DOWN`` or ``TUNNEL_LOST``.
        """
        now = boottime()
        peer = handshake.peer_of(stats, tunnel.peer_key)
        if stats is None or peer is None or event is Reason.TUNNEL_LOST:
            return TunnelFailure(Reason.TUNNEL_LOST, "the tunnel's interface was removed; it is being created again")
        rx = sum(p.rx_bytes for p in stats.peers)
        tx = sum(p.tx_bytes for p in stats.peers)
        if event is Reason.WAN_DOWN:
            await self._setup.refresh_endpoints(tunnel)
            self._health = Health(rx, tx, last_rx=now - 60.0)  # so that the new path is probed at once
        wan = self._context.links.wan
        wan_up = wan is not None and wan.usable
        if self._health is None:
            self._health = Health(rx, tx, last_rx=now)
        self._health, verdict = self._health.observe(now, rx, tx, wan_up=wan_up, peers=len(stats.peers))
        if verdict is HealthVerdict.DEAD and wan_up:
            return TunnelFailure(Reason.TUNNEL_DEAD, "the server has stopped answering; reconnecting")
        if verdict is HealthVerdict.DEAD:
            return TunnelFailure(Reason.WAN_DOWN, "the WAN is down; reconnecting")
        if verdict is HealthVerdict.PROBE:
            # A tunnel adopted from an older version has none of its own.
            targets = tunnel.probes or self._context.resolvers(self._setup.name)
            probe.send(self._setup.interface(tunnel), self._setup.mark, targets)
        return None
