"""The status of an exit as clients see it (pure)."""

from __future__ import annotations

from app.network.plan import exit_interface
from app.protocol.status import ExitStatus
from app.tunnel.clock import boottime
from app.tunnel.machine import ExitMachine
from app.tunnel.states import Blocked, Connected, Target, shown_as, tunnels_of


def exit_status(machine: ExitMachine, entered: float) -> ExitStatus:
    """The status of ``machine``'s exit, whose present state was entered at ``entered`` (Unix time)."""
    state = machine.state
    tunnels = tunnels_of(state)
    tunnel = tunnels[0] if tunnels else None
    target: Target | None = tunnel.target if tunnel else (state.target if isinstance(state, Blocked) else None)
    connected = state if isinstance(state, Connected) else None
    stats = machine.stats if connected else None
    handshakes = [p.latest_handshake for p in stats.peers if p.latest_handshake is not None] if stats else []
    blocked = state if isinstance(state, Blocked) else None
    retry_at = blocked.retry_at_boot if blocked else None
    return ExitStatus(
        name=machine.name,
        state=shown_as(state),
        server=target.hostname if target else None,
        provider=target.provider if target else None,
        location=tunnel.server_location if tunnel else None,
        ip=machine.exit_address.ip if connected and machine.exit_address else None,
        confirmed=machine.exit_address.confirmed if machine.exit_address else None,
        since=entered,
        uptime=boottime() - connected.since_boot if connected else None,
        reason=blocked.reason.value if blocked else None,
        message=blocked.message if blocked else None,
        retry_in=max(0.0, round(retry_at - boottime(), 1)) if retry_at is not None else None,
        switching_to=connected.candidate.target.hostname if connected and connected.candidate else None,
        interface=exit_interface(machine.index, tunnel.slot) if tunnel else None,
        latest_handshake=max(handshakes, default=None),
        rx_bytes=sum(p.rx_bytes for p in stats.peers) if stats else 0,
        tx_bytes=sum(p.tx_bytes for p in stats.peers) if stats else 0,
        mtu=tunnel.plan.mtu if tunnel else None,
        mtu_origin=tunnel.mtu_origin if tunnel else None,
        post_quantum=connected is not None and connected.tunnel.post_quantum,
        post_quantum_problem=connected.tunnel.post_quantum_problem if connected else None,
        ipv6=tunnel is not None and tunnel.plan.carries_all(6),
    )
