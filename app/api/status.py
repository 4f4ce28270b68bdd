"""The status, ``GET /api/status``: the seven fields of the API contract (docs/api.md) and everything else."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint

from app.api.context import snapshot
from app.api.operation import operation
from app.model import LinkProblem, MtuOrigin, NetworkPort, WanChoice, WanLink
from app.protocol.status import Attestation, ExitState, ExitStatus, Snapshot

blueprint = Blueprint("status", __name__)


class StatusBody(Struct, frozen=True):
    """The status, with that of the default exit.

    ``server``, ``ip``, ``location`` and ``uptime`` are null unless connected.
    """

    connected: bool
    provider: str  # of the connected server, else the current one
    server: str | None
    ip: str | None  # as seen through the tunnel; None also while the check runs
    location: str | None
    uptime: str | None  # "2h 34m"
    killswitch_active: bool  # the live kernel state was compared with the plan and holds
    state: ExitState
    uptime_seconds: int | None
    since: float | None  # Unix time the state was entered
    target: str | None  # the goal, while not connected to it
    switching_to: str | None
    reason: str | None  # the code of the reason, while blocked
    message: str | None  # the same for people
    retry_in: float | None  # seconds
    latest_handshake: float | None  # Unix time
    rx_bytes: int
    tx_bytes: int
    ipv6: bool
    interface: str | None
    mtu: int | None  # of the tunnel, in bytes
    mtu_origin: MtuOrigin | None
    post_quantum: bool  # the tunnel's session has a post-quantum preshared key
    post_quantum_problem: str | None  # why not, where one was wanted, for people
    current_provider: str
    exits: tuple[ExitStatus, ...]
    wan: WanLink | None
    wan_problem: LinkProblem | None  # why there is no WAN
    wan_choice: WanChoice  # the origin of the choice of the WAN
    problems: tuple[str, ...]  # the stored settings and servers that cannot be used
    ports: tuple[NetworkPort, ...]
    attestation: Attestation
    drops: dict[str, int]  # packets by reason
    wireguard: str  # "kernel" | "userspace"
    version: str
    seq: int  # of the last event that this state includes


def uptime_text(seconds: float) -> str:
    """The time in hours and minutes always, as in the API contract (docs/api.md): programs can rely on one form."""
    minutes = int(max(0.0, seconds)) // 60
    return f"{minutes // 60}h {minutes % 60}m"


def status_body(snapshot: Snapshot) -> StatusBody:
    exit_ = snapshot.exit()
    connected = exit_.state is ExitState.CONNECTED
    uptime = (exit_.uptime or 0.0) if connected else None
    return StatusBody(
        connected=connected,
        provider=(exit_.provider if connected else None) or snapshot.provider,
        server=exit_.server if connected else None,
        ip=exit_.ip if connected else None,
        location=exit_.location if connected else None,
        uptime=uptime_text(uptime) if uptime is not None else None,
        killswitch_active=snapshot.attestation.ok,
        state=exit_.state,
        uptime_seconds=int(uptime) if uptime is not None else None,
        since=exit_.since,
        target=None if connected else exit_.server,
        switching_to=exit_.switching_to,
        reason=exit_.reason,
        message=exit_.message,
        retry_in=exit_.retry_in,
        latest_handshake=exit_.latest_handshake,
        rx_bytes=exit_.rx_bytes,
        tx_bytes=exit_.tx_bytes,
        ipv6=exit_.ipv6,
        interface=exit_.interface,
        mtu=exit_.mtu,
        mtu_origin=exit_.mtu_origin,
        post_quantum=exit_.post_quantum,
        post_quantum_problem=exit_.post_quantum_problem,
        current_provider=snapshot.provider,
        exits=snapshot.exits,
        wan=snapshot.wan,
        wan_problem=snapshot.wan_problem,
        wan_choice=snapshot.wan_choice,
        problems=snapshot.problems,
        ports=snapshot.ports,
        attestation=snapshot.attestation,
        drops=snapshot.drops,
        wireguard=snapshot.wireguard,
        version=snapshot.version,
        seq=snapshot.seq,
    )


@operation(blueprint, "GET", "/api/status")
async def status() -> StatusBody:
    """Get what the gateway is doing now."""
    return status_body(await snapshot())
