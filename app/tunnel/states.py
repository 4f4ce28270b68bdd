"""The states of an exit, the moves between them, and the firewall policy of each (pure).

Each state carries exactly the data that its policy needs, so that ``policy_for`` is total. The machine puts
``policy_for(next)`` in force before it enters ``next``.
"""

from __future__ import annotations

import enum
from typing import assert_never

from msgspec import Struct

from app.addresses import Address
from app.model import KeyExchange, MtuOrigin
from app.network.plan import ExitPlan, Slot, TransportPeer, TunnelPlan
from app.protocol.status import ExitState


class Target(Struct, frozen=True):
    """A server by its provider and host name; written ``provider/hostname`` in the settings."""

    provider: str
    hostname: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.hostname}"

    @classmethod
    def parse(cls, text: str) -> Target:
        provider, _, hostname = text.partition("/")
        return cls(provider, hostname)


class Reason(enum.StrEnum):
    """Why an exit is blocked although it has a goal."""

    HANDSHAKE_TIMEOUT = "handshake_timeout"
    ENDPOINT_UNRESOLVABLE = "endpoint_unresolvable"
    WAN_DOWN = "wan_down"
    NETWORKS_OVERLAP = "networks_overlap"
    TUNNEL_DEAD = "tunnel_dead"
    TUNNEL_LOST = "tunnel_lost"
    SERVER_UNAVAILABLE = "server_unavailable"
    SERVER_IN_USE = "server_in_use"
    POST_QUANTUM_FAILED = "post_quantum_failed"
    ACCOUNT_EXPIRED = "account_expired"
    KEY_REVOKED = "key_revoked"
    SIGNED_OUT = "signed_out"
    KEY_UNPROVEN = "key_unproven"
    FIREWALL_FAILED = "firewall_failed"
    CANARY_LEAK = "canary_leak"
    INTERNAL = "internal"


class Tunnel(Struct, frozen=True):
    """A tunnel of an exit: its server, and what the planner needs."""

    target: Target
    plan: TunnelPlan
    peer_key: str  # the public key of the peer whose handshake means "connected"
    endpoint: TransportPeer  # of that peer
    server_location: str | None = None
    probes: tuple[Address, ...] = ()  # inside the tunnel, to which probes are sent
    given_mtu: int | None = None  # of the server's file
    mtu_origin: MtuOrigin = "route"
    own_key: str = ""  # the public key of this gateway; "" in a record of an older version
    key_exchange: KeyExchange | None = None  # wanted
    post_quantum: bool = False  # its session has the preshared key of that exchange
    post_quantum_problem: str | None = None  # why it has not, for people; None also where none was wanted

    @property
    def slot(self) -> Slot:
        return self.plan.slot


class Disconnected(Struct, frozen=True):
    """The exit has no goal. Its devices are blocked."""


class Connecting(Struct, frozen=True):
    """The tunnel exists and handshakes; its devices are still blocked."""

    tunnel: Tunnel
    attempt: int = 1


class Connected(Struct, frozen=True):
    """Devices use ``tunnel``. ``candidate``, if any, handshakes at the same time (make before break)."""

    tunnel: Tunnel
    since: float  # Unix time
    since_boot: float  # CLOCK_BOOTTIME, for an uptime unaffected by clock changes
    candidate: Tunnel | None = None


class Disconnecting(Struct, frozen=True):
    """The devices are already blocked; the tunnel is about to be removed."""

    tunnel: Tunnel | None


class Blocked(Struct, frozen=True):
    """The exit has a goal but cannot reach it now; ``message`` says why and what happens next."""

    reason: Reason
    message: str
    target: Target
    attempt: int = 0
    retry_at_boot: float | None = None  # CLOCK_BOOTTIME; None = wait for a request, or for another WAN


State = Disconnected | Connecting | Connected | Disconnecting | Blocked

MOVES: dict[type[State], frozenset[type[State]]] = {
    Disconnected: frozenset({Connecting, Blocked, Connected}),  # Connected: adoption of a running tunnel
    Connecting: frozenset({Connecting, Connected, Disconnecting, Blocked}),
    Connected: frozenset({Connected, Disconnecting, Blocked}),
    Disconnecting: frozenset({Disconnected}),
    Blocked: frozenset({Connecting, Disconnecting, Blocked}),
}


def policy_for(name: str, index: int, state: State) -> ExitPlan:
    """The plan that the kernel must hold while exit ``name`` is in ``state``."""
    match state:
        case Disconnected() | Blocked():
            return ExitPlan(name, index)
        case Connecting(tunnel=tunnel):
            return ExitPlan(name, index, candidate=tunnel.plan)
        case Connected(tunnel=tunnel, candidate=candidate):
            return ExitPlan(name, index, active=tunnel.plan, candidate=candidate.plan if candidate else None)
        case Disconnecting(tunnel=tunnel):
            return ExitPlan(name, index, draining=tunnel.plan if tunnel else None)
        case _:
            assert_never(state)


def shown_as(state: State) -> ExitState:
    """The state's name as the API shows it."""
    return {
        Disconnected: ExitState.DISCONNECTED,
        Connecting: ExitState.CONNECTING,
        Connected: ExitState.CONNECTED,
        Disconnecting: ExitState.DISCONNECTING,
        Blocked: ExitState.BLOCKED,
    }[type(state)]


def tunnels_of(state: State) -> tuple[Tunnel, ...]:
    """Every tunnel that exists in ``state``."""
    match state:
        case Connecting(tunnel=tunnel):
            return (tunnel,)
        case Connected(tunnel=tunnel, candidate=candidate):
            return (tunnel, candidate) if candidate else (tunnel,)
        case Disconnecting(tunnel=tunnel):
            return (tunnel,) if tunnel else ()
        case Disconnected() | Blocked():
            return ()
        case _:
            assert_never(state)
